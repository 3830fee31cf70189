// A set's questions, against a Terrace whose search engine goes away for one of them.
import type { TRPCClient } from '@trpc/client'
import { expect, test } from 'vitest'
import { askAll } from '../../bench/eval/ask.ts'
import type { SearchMethod } from '../src/index/port.ts'
import type { AppRouter } from '../src/routers/router.ts'

test('nothing is measured by the words that stand in while the search engine is away', async () => {
  let away = false
  const query = async ({ method }: { method: SearchMethod }) => ({
    ...{ mode: method === 'words' ? 'words' : 'words+meaning', passages: [] },
    wordsOnly: away && method === 'words' ? 'engine-away' : null,
  })
  const api = { search: { passages: { query } } } as unknown as TRPCClient<AppRouter>
  const ask = () => {
    const questions = [{ id: 'q', text: 'What?', judgements: new Map([['d', 1]]) }]
    return askAll(api, questions, { collectionId: 'c' }, new AbortController().signal, () => {})
  }
  expect((await ask()).questions).toHaveLength(1)
  away = true
  await expect(ask()).rejects.toThrow(/the search engine is away/)
})
