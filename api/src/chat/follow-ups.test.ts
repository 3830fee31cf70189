import { expect, it } from 'vitest'
import { conversation, heardEnd } from '../../test/conversation.ts'
import type { Reranking } from '../retrieval/rerank.ts'
import { stop } from './ask.ts'

const HOLD = 'How do I hold a package at its present version?'
const UNDO = 'And how do I undo that?'
const WRITTEN = 'How do I release a held package?'
const RELEASE = 'To release a held package, run apt-mark unhold'

/** A library in which the follow-up, by itself, finds something else. */
const DOCUMENTS = {
  'handbook.txt': ['To hold a package at its present version, run apt-mark hold.'],
  'release.txt': [`${RELEASE} with its name.`],
  'editor.txt': ['Undo that: press u in the editor, and R to redo.'],
}

const knobs = (more: Record<string, string>) => new URLSearchParams({ cite: '1', ...more }).toString()

it('is searched for as the model writes it out, and as it was asked', async () => {
  await using c = await conversation({ knobs: knobs({ rewrite: WRITTEN, cite: '9' }), documents: DOCUMENTS })
  const chatId = await c.chat()
  await c.watch((await c.ask(chatId, HOLD)).answerId)
  expect(c.scripted.rewritings).toHaveLength(0)
  const { answerId } = await c.ask(chatId, UNDO)
  const end = heardEnd(await c.watch(answerId))
  expect(c.scripted.rewritings).toHaveLength(1)
  expect(end.citations.map(({ quote }) => quote).join()).toContain(RELEASE)
  const given = c.scripted.requests.at(-1)?.messages.at(-1)?.content ?? ''
  expect(given).toContain('in the editor')
  // Written out, it is nearer to what was meant.
  expect(given).toMatch(/number="1" document="release.txt"/)
  // The model answers what was asked.
  expect(given).toContain(`Question: ${UNDO}`)
})

/** Turns every order round. */
function turning(): Reranking & { readonly queries: readonly string[] } {
  const queries: string[] = []
  return {
    queries,
    candidates: 30,
    async order(query, hits) {
      queries.push(query)
      return hits.toReversed()
    },
    status: () => 'ok',
    close: async () => {},
  }
}

it('shows what is searched for while that goes on', async () => {
  const hold = Promise.withResolvers<void>()
  const reranking = turning()
  let asked = 0
  await using c = await conversation({
    ...{ knobs: knobs({ rewrite: WRITTEN }), documents: DOCUMENTS },
    reranking: {
      ...reranking,
      async order(query, hits, signal) {
        if (asked++ > 0) await hold.promise
        return await reranking.order(query, hits, signal)
      },
    },
  })
  const chatId = await c.chat()
  await c.watch((await c.ask(chatId, HOLD)).answerId)
  const { answerId } = await c.ask(chatId, UNDO)
  const watched = c.watch(answerId)
  await expect.poll(() => asked).toBe(2)
  expect(c.server.answers.live(answerId)?.query).toBe(WRITTEN)
  hold.resolve()
  const states = (await watched).flatMap(({ event }) => (event.type === 'state' ? [event] : []))
  expect(states).toContainEqual({ type: 'state', attempt: 1, state: 'searching', query: WRITTEN })
  for (const { state, query } of states) if (state !== 'searching') expect(query).toBeUndefined()
})

it('is reranked by what it means', async () => {
  const reranking = turning()
  await using c = await conversation({ knobs: knobs({ rewrite: WRITTEN }), documents: DOCUMENTS, reranking })
  const chatId = await c.chat()
  for (const question of [HOLD, UNDO]) await c.watch((await c.ask(chatId, question)).answerId)
  expect(reranking.queries).toEqual([HOLD, WRITTEN])
  // What was found last comes first.
  expect(c.scripted.requests[0]?.messages.at(-1)?.content).toMatch(/number="1" document="release.txt"/)
})

it('what rewriting took is part of what the answer took', async () => {
  await using c = await conversation({
    knobs: knobs({ rewrite: WRITTEN, text: 'One two.' }),
    documents: DOCUMENTS,
  })
  const chatId = await c.chat()
  for (const question of [HOLD, UNDO]) await c.watch((await c.ask(chatId, question)).answerId)
  const { rows } = await c.db.pool.query<{ tokens: number }>(
    'SELECT output_tokens AS tokens FROM attempts ORDER BY created_at',
  )
  expect(rows.map(({ tokens }) => tokens)).toEqual([2, 2 + WRITTEN.split(' ').length])
})

it.each([
  ['says something else', { rewrite: 'Sorry, no.' }],
  ['says nothing new', { rewrite: UNDO }],
  ['is slow', { rewriteHang: '1' }],
])('with a model that %s, the question before is searched with, and the answer is there', async (_, how) => {
  await using c = await conversation({ knobs: knobs(how), documents: DOCUMENTS })
  const chatId = await c.chat()
  await c.watch((await c.ask(chatId, HOLD)).answerId)
  const { answerId } = await c.ask(chatId, UNDO)
  expect(heardEnd(await c.watch(answerId))).toMatchObject({ state: 'done', error: null })
  const given = c.scripted.requests.at(-1)?.messages.at(-1)?.content ?? ''
  expect(given).toContain('To hold a package')
  expect(given).not.toContain(RELEASE)
  expect(c.scripted.rewritings).toHaveLength(1)
})

it('without a model nobody is asked, and the question before is searched with', async () => {
  await using c = await conversation({ models: [], documents: DOCUMENTS })
  const chatId = await c.chat()
  await c.watch((await c.ask(chatId, HOLD)).answerId)
  const quotes = heardEnd(await c.watch((await c.ask(chatId, UNDO)).answerId)).citations.map(
    ({ quote }) => quote,
  )
  expect(quotes.join()).toContain('in the editor')
  expect(quotes.join()).toContain('To hold a package')
  expect(c.scripted.rewritings).toHaveLength(0)
})

it('one that stands by itself is not rewritten', async () => {
  await using c = await conversation({ knobs: knobs({ rewrite: WRITTEN }), documents: DOCUMENTS })
  const chatId = await c.chat()
  await c.watch((await c.ask(chatId, HOLD)).answerId)
  const { answerId } = await c.ask(
    chatId,
    'Which command releases held packages and fetches newest versions?',
  )
  await c.watch(answerId)
  expect(c.scripted.rewritings).toHaveLength(0)
})

it('a stop closes the connection to the model that rewrites', async () => {
  await using c = await conversation({ knobs: knobs({ rewriteHang: '1' }), documents: DOCUMENTS })
  const chatId = await c.chat()
  await c.watch((await c.ask(chatId, HOLD)).answerId)
  const { answerId } = await c.ask(chatId, UNDO)
  await expect.poll(() => c.scripted.rewritings.length).toBe(1)
  await stop({ pool: c.db.pool, ...c.server }, c.viewer, answerId)
  expect(heardEnd(await c.watch(answerId)).state).toBe('stopped')
  await expect.poll(() => c.scripted.rewritings[0]?.aborted).toBe(true)
  expect(c.scripted.requests).toHaveLength(1)
  // It was stopped, not slow: it is asked again.
  const again = await c.ask(chatId, UNDO)
  await expect.poll(() => c.scripted.rewritings.length).toBe(2)
  await stop({ pool: c.db.pool, ...c.server }, c.viewer, again.answerId)
  await c.watch(again.answerId)
})
