// What is measured of answers that pages get themselves, as far as the server hears of it: by its procedures.
import { randomUUID } from 'node:crypto'
import { expect, it } from 'vitest'
import { conversation, HANDBOOK } from '../../../test/conversation.ts'
import { pageEndpoint, QUESTION, SHOWN, take } from '../../../test/direct.ts'
import { sumOf, testMetrics, valuesOf } from '../../../test/metrics.ts'
import { testServer } from '../../../test/server.ts'
import { shelveDocument } from '../../../test/shelf.ts'
import { wordIndex } from '../../../test/word-index.ts'
import type { PageOffer } from './prepare.ts'

const page = pageEndpoint()

async function world() {
  await using stack = new AsyncDisposableStack()
  const metrics = testMetrics()
  const c = stack.use(await conversation({ env: page.settings, metrics }))
  const { deps } = c.server
  const server = stack.use(
    await testServer(c.db, { env: page.settings, services: { ...deps, index: wordIndex(c.db.pool) } }),
  )
  const { api } = await server.person()
  const { id } = await api.collections.create.mutate({ name: 'Handbook' })
  for (const [name, texts] of Object.entries(HANDBOOK)) await shelveDocument(c.db.pool, id, name, texts)
  const started = stack.move()
  return {
    ...{ api, db: c.db },
    /** Asked for by a page; `ms` ago, as far as the database knows. */
    async ask({ text = QUESTION, ms = 0 } = {}) {
      const chat = await api.chats.create.mutate({ collectionIds: [id], model: 'llama-3-8b' })
      const asked = await api.chats.ask.mutate({
        ...{ chatId: chat.id, text, requestId: randomUUID(), direct: true },
      })
      await c.db.pool.query(
        "UPDATE attempts SET created_at = now() - $2 * interval '1 millisecond' WHERE id = $1",
        [asked.attemptId, ms],
      )
      return asked
    },
    async offer(attemptId: string): Promise<PageOffer> {
      const prepared = await api.chats.prepare.mutate({ attemptId })
      if (prepared.kind !== 'offer') throw new Error('no offer')
      return prepared
    },
    async read() {
      const lines = await metrics.read()
      const times = valuesOf(lines, 'TimeToFirstToken')
      return { served: sumOf(lines, 'AnswersServed'), failed: sumOf(lines, 'AnswersFailed'), times }
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

const NOTHING = { served: 0, failed: 0, times: [] }

it('the first push that has words is what its reader waited for, the end counts the answer', async () => {
  await using w = await world()
  const { attemptId } = await w.ask({ ms: 5_000 })
  // Text of nothing that was offered is not taken, and nobody's words.
  await w.api.chats.push.mutate({ attemptId, start: 0, text: 'abc' })
  const offer = await w.offer(attemptId)
  await w.api.chats.push.mutate({ attemptId, start: 0, text: '' })
  expect(await w.read()).toEqual(NOTHING)
  await w.api.chats.push.mutate({ attemptId, start: 0, text: SHOWN.slice(0, 5) })
  const { times, ...ends } = await w.read()
  expect(ends).toEqual({ served: 0, failed: 0 })
  expect(times.length).toBe(1)
  expect(times[0]).toBeGreaterThanOrEqual(5_000)
  await w.api.chats.push.mutate({ attemptId, start: 5, text: SHOWN.slice(5, 9) })
  const { text, receipt } = await take(offer)
  const brought = { attemptId, text, receipt, ending: 'done' as const }
  await w.api.chats.finish.mutate(brought)
  expect(await w.read()).toEqual({ ...NOTHING, served: 1 })
  await w.api.chats.finish.mutate(brought)
  expect(await w.read()).toEqual(NOTHING)
})

it('an answer that was brought before any of it was pushed has first words all the same', async () => {
  await using w = await world()
  const { attemptId } = await w.ask({ ms: 3_000 })
  await w.offer(attemptId)
  await w.api.chats.finish.mutate({ attemptId, text: 'Run it.', receipt: null, ending: 'done' })
  const { times, ...ends } = await w.read()
  expect(ends).toEqual({ served: 1, failed: 0 })
  expect(times[0]).toBeGreaterThanOrEqual(3_000)
})

it('what a page says of its end counts: stopped is served; that it failed nobody can check', async () => {
  await using w = await world()
  for (const [ending, ends] of [
    ['stopped', { served: 1, failed: 0 }],
    ['failed', { served: 0, failed: 0 }],
  ] as const) {
    const { attemptId } = await w.ask()
    await w.offer(attemptId)
    await w.api.chats.finish.mutate({ attemptId, text: '', receipt: null, ending })
    expect(await w.read()).toEqual({ ...ends, times: [] })
  }
})

it('where nothing is found no page has to ask, and the answer is served', async () => {
  await using w = await world()
  const { attemptId } = await w.ask({ text: 'zebra', ms: 2_000 })
  expect(await w.api.chats.prepare.mutate({ attemptId })).toEqual({ kind: 'elsewhere' })
  const { times, ...ends } = await w.read()
  expect(ends).toEqual({ served: 1, failed: 0 })
  expect(times[0]).toBeGreaterThanOrEqual(2_000)
})

it('a page that goes away in the middle of its answer is neither', async () => {
  await using w = await world()
  const { attemptId } = await w.ask()
  await w.offer(attemptId)
  await w.api.chats.push.mutate({ attemptId, start: 0, text: 'Run' })
  await w.db.pool.query("UPDATE attempts SET lease_until = now() - interval '1 second'")
  const state = async () => (await w.db.pool.query('SELECT state FROM attempts')).rows[0]?.state
  await expect.poll(state).toBe('interrupted')
  expect(await w.read()).toEqual({ ...NOTHING, times: [expect.any(Number)] })
})

it('an answer that a page hands to a server is waited for from the question', async () => {
  await using w = await world()
  const { attemptId } = await w.ask({ ms: 4_000 })
  await w.offer(attemptId)
  await w.api.chats.relay.mutate({ attemptId })
  let [served, times]: [number, readonly number[]] = [0, []]
  await expect
    .poll(async () => {
      const read = await w.read()
      served += read.served
      times = [...times, ...read.times]
      return served
    })
    .toBe(1)
  expect(times.length).toBe(1)
  expect(times[0]).toBeGreaterThanOrEqual(4_000)
})
