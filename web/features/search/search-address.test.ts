import { expect, test } from 'vitest'
import { searchAddress, searchOf } from './search-address.ts'

const read = (address: string) => {
  const words = new URL(address, 'http://terrace.test').searchParams
  const many = words.getAll('in')
  return searchOf({
    q: words.get('q') ?? undefined,
    document: words.get('document') ?? undefined,
    in: many.length > 1 ? many : many[0],
  })
}

test('a search goes into an address and comes back', () => {
  for (const collectionIds of [['a'], ['a', 'b']]) {
    expect(read(searchAddress('apt & co', { collectionIds, documentId: null }))).toEqual({
      query: 'apt & co',
      collectionIds,
      documentId: null,
    })
  }
  expect(read(searchAddress('apt', { collectionIds: ['a'], documentId: 'd' }))).toEqual({
    query: 'apt',
    collectionIds: null,
    documentId: 'd',
  })
})

test('everything, or nothing asked yet', () => {
  expect(searchAddress('apt', null)).toBe('/search?q=apt')
  expect(searchAddress('', null)).toBe('/search')
  expect(searchOf({})).toEqual({ query: '', collectionIds: null, documentId: null })
})
