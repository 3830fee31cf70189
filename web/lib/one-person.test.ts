import { QueryClient } from '@tanstack/react-query'
import { getQueryKey } from '@trpc/react-query'
import { expect, it } from 'vitest'
import { farewell, forgetFetched } from './one-person.ts'
import { trpc } from './trpc.ts'

it('another person gets a new page, nobody an empty one', () => {
  expect(farewell('alice', 'bob')).toBe('reload')
  expect(farewell('alice', null)).toBe('forget')
  expect(farewell(undefined, null)).toBe('forget')
  for (const [shown, now] of [
    [undefined, 'alice'],
    [null, 'alice'],
    ['alice', 'alice'],
    // A request failed: that says nothing about who is here.
    ['alice', undefined],
  ] as const)
    expect(farewell(shown, now)).toBe('nothing')
})

it('what was fetched is gone, who is here is known', () => {
  const client = new QueryClient()
  const me = getQueryKey(trpc.people.me, undefined, 'query')
  client.setQueryData(me, null)
  client.setQueryData(getQueryKey(trpc.chats.get, { id: 'c' }, 'query'), { title: 'Hers' })
  client.setQueryData(getQueryKey(trpc.people.list, undefined, 'query'), [])
  forgetFetched(client)
  expect(
    client
      .getQueryCache()
      .getAll()
      .map(({ queryKey }) => queryKey),
  ).toEqual([me])
  client.clear()
})
