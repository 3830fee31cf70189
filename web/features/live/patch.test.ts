import { type InfiniteData, InfiniteQueryObserver, QueryClient } from '@tanstack/react-query'
import { getQueryKey } from '@trpc/react-query'
import { describe, expect, it, vi } from 'vitest'
import { type Outputs, trpc } from '../../lib/trpc.ts'
import { fetchEverythingAgain, patchDocument, patchList } from './patch.ts'

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

it('an event during a fetch is not undone by what the fetch had read before it', async () => {
  const client = new QueryClient()
  const answers = [Promise.withResolvers<Page>(), Promise.withResolvers<Page>()]
  let asked = 0
  const queryKey = getQueryKey(trpc.documents.list, { collectionId: 'c' }, 'infinite')
  const observer = new InfiniteQueryObserver<Page, Error, InfiniteData<Page>>(client, {
    queryKey,
    queryFn: () => answers[asked++]?.promise ?? Promise.reject(new Error('asked too often')),
    initialPageParam: undefined,
    getNextPageParam: () => undefined,
  })
  const leave = observer.subscribe(() => {})
  await vi.waitFor(() => expect(asked).toBe(1), { timeout: 20_000 })
  patchDocument(client, { collectionId: 'c', documentId: 'a', item: item('a', 1, 9) })
  answers[0]?.resolve({ items: [item('a', 1, 0)], nextCursor: null })
  answers[1]?.resolve({ items: [item('a', 1, 9)], nextCursor: null })
  await vi.waitFor(
    () => expect(observer.getCurrentResult().data?.pages[0]?.items[0]?.version.pagesParsed).toBe(9),
    { timeout: 20_000 },
  )
  expect(asked).toBe(2)
  leave()
  client.clear()
})

it('what a search found is asked for again when a document goes, and when rights change', () => {
  const client = new QueryClient()
  const found = getQueryKey(trpc.search.passages, { query: 'q' }, 'query')
  const isStale = () => client.getQueryState(found)?.isInvalidated
  client.setQueryData(found, { passages: [] })
  patchDocument(client, { collectionId: 'c', documentId: 'a', item: item('a') })
  // Progress of reading changes nothing that was found.
  expect(isStale()).toBe(false)
  patchDocument(client, { collectionId: 'c', documentId: 'a', item: null })
  expect(isStale()).toBe(true)
  client.setQueryData(found, { passages: [] })
  expect(isStale()).toBe(false)
  fetchEverythingAgain(client)
  expect(isStale()).toBe(true)
  client.clear()
})
