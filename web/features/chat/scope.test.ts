import { expect, test } from 'vitest'
import { scopeWords, toggle } from './scope.ts'

const all = [
  { id: 'a', name: 'Handbook' },
  { id: 'b', name: 'Policy' },
  { id: 'c', name: 'FAQ' },
]
const words = (
  collectionIds: string[],
  documentId: string | null = null,
  name: string | null = null,
  files = 0,
) => scopeWords({ collectionIds, documentId }, all, name, files)

test('a scope is said in a few words', () => {
  expect(words(['a', 'b', 'c'])).toBe('All collections')
  expect(words(['b'])).toBe('Policy')
  expect(words(['a', 'c'])).toBe('Handbook and 1 more')
  expect(words(['a'], 'd', 'debian-faq.pdf')).toBe('Only debian-faq.pdf')
  expect(words([], null, null, 2)).toBe('Only the files of this chat')
  expect(words([])).toBe('Choose what to ask')
})

test('collections that are no longer visible are not counted', () => {
  expect(words(['a', 'gone'])).toBe('Handbook')
  expect(words(['gone'])).toBe('Choose what to ask')
})

test('toggling keeps the order of choosing', () => {
  expect(toggle(['a', 'b'], 'a')).toEqual(['b'])
  expect(toggle(['b'], 'a')).toEqual(['b', 'a'])
})
