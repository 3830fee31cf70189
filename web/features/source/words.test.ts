import { expect, test } from 'vitest'
import { wordRanges } from './words.ts'

const marked = (text: string, query: string) =>
  wordRanges(text, query).map(({ start, end }) => text.slice(start, end))

test('the question’s words are marked, whatever their endings and capitals', () => {
  expect(
    marked('Upgrading packages: a package is upgraded by APT.', 'How do I upgrade a package with apt?'),
  ).toEqual(['Upgrading', 'packages', 'package', 'upgraded', 'APT'])
})

test('only whole words, and none of the words every question has', () => {
  expect(marked('The aptitude of the cat', 'what is the apt?')).toEqual([])
  expect(marked('Nothing', '')).toEqual([])
  expect(marked('Nothing', 'how do you do')).toEqual([])
})

test('languages without blanks between words', () => {
  expect(marked('京都は日本の都市です', '京都')).toEqual(['京都'])
})
