import type { InfiniteData } from '@tanstack/react-query'
import { describe, expect, it } from 'vitest'
import type { Outputs } from '../../lib/trpc.ts'
import { patchList } from './patch.ts'

type Page = Outputs['documents']['list']
type Item = Page['items'][number]

const item = (id: string, number = 1, pagesParsed = 0): Item => ({
  id,
  collectionId: 'c',
  name: id,
  createdAt: new Date(0),
  role: 'editor',
  searchable: false,
  version: {
    id: `${id}-${number}`,
    number,
    filename: id,
    mediaType: 'text/plain',
    bytes: 1,
    stage: 'parsing',
    pages: 9,
    pagesParsed,
    passages: null,
    passagesEmbedded: 0,
    language: null,
    error: null,
    cancelling: false,
    createdAt: new Date(0),
    wordsAt: null,
    searchableAt: null,
  },
})

const list = (...pages: string[][]): InfiniteData<Page> => ({
  pages: pages.map((ids) => ({ items: ids.map((id) => item(id)), nextCursor: ids.at(-1) ?? null })),
  pageParams: pages.map(() => undefined),
})
const ids = (data: InfiniteData<Page>) => data.pages.map((page) => page.items.map(({ id }) => id))

describe('an event in the cached list', () => {
  it('replaces the document where it stands', () => {
    const patched = patchList(list(['d', 'c'], ['b', 'a']), 'b', item('b', 1, 5), true)
    expect(ids(patched)).toEqual([
      ['d', 'c'],
      ['b', 'a'],
    ])
    expect(patched.pages[1]?.items[0]?.version.pagesParsed).toBe(5)
  })

  it('puts a new document first, but only into a list that shows all', () => {
    expect(ids(patchList(list(['b']), 'c', item('c'), true))).toEqual([['c', 'b']])
    expect(ids(patchList(list([]), 'c', item('c'), true))).toEqual([['c']])
    expect(ids(patchList(list(['b']), 'c', item('c'), false))).toEqual([['b']])
  })

  it('leaves an older document to its own page', () => {
    expect(ids(patchList(list(['c', 'b']), 'a', item('a'), true))).toEqual([['c', 'b']])
  })

  it('takes a deleted one away', () => {
    expect(ids(patchList(list(['b', 'a']), 'b', null, true))).toEqual([['a']])
    const untouched = list(['b'])
    expect(patchList(untouched, 'x', null, true)).toBe(untouched)
  })

  it('does not go back to an older version that was overtaken', () => {
    const data: InfiniteData<Page> = {
      pages: [{ items: [item('a', 2)], nextCursor: null }],
      pageParams: [undefined],
    }
    expect(patchList(data, 'a', item('a', 1), true).pages[0]?.items[0]?.version.number).toBe(2)
  })
})
