// What is measured of answers, where they are written: by servers with a scripted model behind them.
import { expect, it } from 'vitest'
import { type Conversation, type ConversationOptions, conversation } from '../../test/conversation.ts'
import { sumOf, testMetrics, valuesOf, type Written } from '../../test/metrics.ts'
import type { Metrics } from '../metrics/metrics.ts'
import { ask, retry, stop } from './ask.ts'
import { waitForWords } from './measure.ts'

const HOLD = 'How do I hold a package at its present version?'

async function measured(
  options: ConversationOptions = {},
): Promise<{ c: Conversation; metrics: Metrics & Written } & AsyncDisposable> {
  const metrics = testMetrics()
  const c = await conversation({ ...options, metrics })
  return { c, metrics, [Symbol.asyncDispose]: () => c[Symbol.asyncDispose]() }
}

/** Ends are counted right after they are saved, which is what watchers hear. */
async function ended(
  metrics: Written,
): Promise<{ served: number; failed: number; times: readonly number[] }> {
  let [served, failed] = [0, 0]
  const times: number[] = []
  await expect
    .poll(async () => {
      const lines = await metrics.read()
      served += sumOf(lines, 'AnswersServed')
      failed += sumOf(lines, 'AnswersFailed')
      times.push(...valuesOf(lines, 'TimeToFirstToken'))
      return served + failed
    })
    .toBeGreaterThan(0)
  return { served, failed, times }
}

it('an answer is served, and its first words are what its reader waited for', async () => {
  await using world = await measured({ knobs: 'delay=300&tokens=30&rate=100' })
  const { c, metrics } = world
  const { answerId } = await c.ask(await c.chat(), HOLD)
  await c.watch(answerId)
  const { served, failed, times } = await ended(metrics)
  expect([served, failed, times.length]).toEqual([1, 0, 1])
  expect(times[0]).toBeGreaterThanOrEqual(300)
})

it('blanks are no words, and the first words are the only ones', async () => {
  const metrics = testMetrics()
  const wait = waitForWords(metrics, performance.now() - 1_000)
  wait.shown(' \n')
  expect(valuesOf(await metrics.read(), 'TimeToFirstToken')).toEqual([])
  for (const text of ['a', ' ', 'b']) wait.shown(text)
  const [time, ...more] = valuesOf(await metrics.read(), 'TimeToFirstToken')
  expect(time).toBeGreaterThanOrEqual(1_000)
  expect(more).toEqual([])
})

it('nothing found, and passages without a model, are answers with first words too', async () => {
  await using world = await measured()
  const { c, metrics } = world
  await c.watch((await c.ask(await c.chat(), 'zebra')).answerId)
  expect(await ended(metrics)).toMatchObject({ served: 1, failed: 0, times: [expect.any(Number)] })
  await c.watch((await c.ask(await c.chat({ model: 'passages' }), HOLD)).answerId)
  expect(await ended(metrics)).toMatchObject({ served: 1, failed: 0, times: [expect.any(Number)] })
})

it.each(['error=500', 'die=3', 'garbage=-1'])('a model that fails (%s) fails the answer', async (knobs) => {
  await using world = await measured({ knobs: `text=a b c d e&${knobs}` })
  const { c, metrics } = world
  await c.watch((await c.ask(await c.chat(), HOLD)).answerId)
  const { served, failed, times } = await ended(metrics)
  expect([served, failed]).toEqual([0, 1])
  // Words that came were seen.
  expect(times.length).toBe(knobs === 'die=3' ? 1 : 0)
})

it('a stop is what a person asked for', async () => {
  await using world = await measured({ knobs: 'hang=1' })
  const { c, metrics } = world
  const { answerId } = await c.ask(await c.chat(), HOLD)
  await stop({ pool: c.db.pool, ...c.server }, c.viewer, answerId)
  await c.watch(answerId)
  expect(await ended(metrics)).toEqual({ served: 1, failed: 0, times: [] })
})

it('what a budget refused is neither', async () => {
  await using world = await measured({ env: { BUDGET_TOKENS: '0' } })
  const { c, metrics } = world
  const chatId = await c.chat()
  const { answerId } = await c.ask(chatId, HOLD)
  expect((await c.watch(answerId)).at(-1)?.event).toMatchObject({ error: { code: 'BUDGET_NONE' } })
  // The next that counts is a served one.
  await c.watch((await c.ask(await c.chat({ model: 'passages' }), HOLD)).answerId)
  expect(await ended(metrics)).toMatchObject({ served: 1, failed: 0 })
})

it('a question that its model does not accept is neither', async () => {
  await using world = await measured({ knobs: 'error=400' })
  const { c, metrics } = world
  const { answerId } = await c.ask(await c.chat(), HOLD)
  expect((await c.watch(answerId)).at(-1)?.event).toMatchObject({ error: { code: 'MODEL_REFUSED_REQUEST' } })
  await c.watch((await c.ask(await c.chat({ model: 'passages' }), HOLD)).answerId)
  expect(await ended(metrics)).toMatchObject({ served: 1, failed: 0 })
})

it('an answer that another server takes up is not failed, and its reader waits once, from the question', async () => {
  await using world = await measured({ knobs: 'hold=1' })
  const { c, metrics } = world
  const { answerId } = await c.ask(await c.chat(), HOLD)
  await expect.poll(() => c.scripted.requests.length).toBe(1)
  const second = c.startServer()
  await new Promise((resolve) => setTimeout(resolve, 700))
  await c.server.stop()
  await expect.poll(() => c.scripted.requests.length).toBe(2)
  c.scripted.script({ text: 'From the second [1].', rate: 50 })
  await c.watch(answerId, { server: second })
  const { served, failed, times } = await ended(metrics)
  expect([served, failed, times.length]).toEqual([1, 0, 1])
  expect(times[0]).toBeGreaterThan(700)
})

it('words that were seen before a server was lost are not waited for again', async () => {
  await using world = await measured({ knobs: 'tokens=60&rate=30' })
  const { c, metrics } = world
  const { answerId } = await c.ask(await c.chat(), HOLD)
  await expect
    .poll(async () => (await c.db.pool.query('SELECT first_token_at FROM attempts')).rows[0]?.first_token_at)
    .not.toBeNull()
  const second = c.startServer()
  await c.server.stop()
  await c.watch(answerId, { server: second })
  const { served, failed, times } = await ended(metrics)
  expect([served, failed, times.length]).toEqual([1, 0, 1])
})

it('a retry is waited for from when it was asked for', async () => {
  await using world = await measured({ knobs: 'error=500' })
  const { c, metrics } = world
  const { answerId } = await c.ask(await c.chat(), HOLD)
  await c.watch(answerId)
  await ended(metrics)
  await c.db.pool.query("UPDATE attempts SET created_at = created_at - interval '1 day'")
  c.scripted.script({ text: 'a b c', error: 0, hold: true })
  await retry({ pool: c.db.pool, ...c.server }, c.viewer, answerId)
  const second = c.startServer()
  await c.server.stop()
  c.scripted.script({ text: 'a b c', error: 0 })
  await c.watch(answerId, { server: second })
  const { served, times } = await ended(metrics)
  expect([served, times.length]).toEqual([1, 1])
  expect(times[0]).toBeLessThan(3_600_000)
})

/** Lets the lease lapse of the attempt that is under way, as often as that is given up; whoever had it is another one. */
async function lose(c: Conversation, answerId: string, times: number): Promise<void> {
  for (let number = 1; number <= times; number++) {
    const running = async () =>
      (
        await c.db.pool.query<{ number: number }>(
          'SELECT number FROM attempts WHERE message_id = $1 AND ended_at IS NULL',
          [answerId],
        )
      ).rows[0]?.number
    await expect.poll(running).toBe(number)
    await c.db.pool.query(
      "UPDATE attempts SET owner = 'dead', lease_until = now() - interval '1 second' WHERE message_id = $1 AND ended_at IS NULL",
      [answerId],
    )
  }
}

it('an answer whose servers are lost three times in a row is failed, once', async () => {
  await using world = await measured({ knobs: 'hold=1' })
  const { c, metrics } = world
  const { answerId } = await c.ask(await c.chat(), HOLD)
  await lose(c, answerId, 3)
  expect((await c.watch(answerId)).at(-1)?.event).toMatchObject({ state: 'interrupted' })
  expect(await ended(metrics)).toMatchObject({ served: 0, failed: 1 })
})

it('one that was to be stopped when its server was lost is served; one whose chat is gone is neither', async () => {
  await using world = await measured({ knobs: 'hold=1' })
  const { c, metrics } = world
  const gone = await c.ask(await c.chat(), HOLD)
  const stopped = await ask({ pool: c.db.pool, ...c.server }, c.viewer, {
    chatId: await c.chat(),
    text: HOLD,
    requestId: crypto.randomUUID(),
  })
  await c.db.pool.query(
    'UPDATE chats SET deleted_at = now() WHERE id = (SELECT chat_id FROM messages WHERE id = $1)',
    [gone.answerId],
  )
  await lose(c, gone.answerId, 1)
  await c.db.pool.query('UPDATE attempts SET stop_requested_at = now() WHERE message_id = $1', [
    stopped.answerId,
  ])
  await lose(c, stopped.answerId, 1)
  const running = () => c.db.pool.query('SELECT 1 FROM attempts WHERE ended_at IS NULL')
  await expect.poll(async () => (await running()).rowCount).toBe(0)
  expect(await ended(metrics)).toMatchObject({ served: 1, failed: 0 })
})
