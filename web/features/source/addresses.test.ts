import { expect, test } from 'vitest'
import { documentAddress, originalAddress, placeOf } from './addresses.ts'

const query = (address: string) => Object.fromEntries(new URL(address, 'http://terrace.test').searchParams)

test('a place goes into an address and comes back', () => {
  const address = documentAddress({
    documentId: 'd',
    versionId: 'v',
    readingId: 3,
    page: 7,
    start: 10,
    end: 20,
  })
  expect(address).toBe('/documents/d?version=v&reading=3&page=7&start=10&end=20')
  expect(placeOf(query(address))).toEqual({
    version: 'v',
    reading: 3,
    page: 7,
    range: { start: 10, end: 20 },
  })
  expect(documentAddress({ documentId: 'd' })).toBe('/documents/d')
})

test('an address from before there were several readings', () => {
  const place = placeOf({ version: 'v', page: '7', start: '10', end: '20' })
  expect(place).toEqual({ version: 'v', reading: undefined, page: 7, range: { start: 10, end: 20 } })
})

test('a wrong address is a document’s beginning', () => {
  for (const wrong of [
    { page: 'x', start: '-1', end: '1e3', reading: '0' },
    { page: '-2', start: '5', end: '5' },
    { page: ['1', '2'], start: '9', end: '3', reading: 'x' },
    {},
  ]) {
    expect(placeOf(wrong)).toEqual({ version: undefined, reading: undefined, page: 1, range: null })
  }
})

test('the original', () => {
  expect(originalAddress('v')).toBe('/api/files/v')
})
