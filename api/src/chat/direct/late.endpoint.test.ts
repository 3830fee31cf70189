// An answer that was given up since its page was not heard of, and that the page brings all the same.
import { describe, expect, it } from 'vitest'
import { type Conversation, heardEnd } from '../../../test/conversation.ts'
import {
  answerIn,
  askDirect,
  attemptRow,
  historyOf,
  lapse,
  offered,
  pageEndpoint,
  QUESTION,
  SHOWN,
  take,
} from '../../../test/direct.ts'
import { sumOf, testMetrics } from '../../../test/metrics.ts'
import { retry, stop } from '../ask.ts'
import { insertAttempt } from '../attempts.ts'
import { finish } from './finish.ts'
import { pushText } from './page-attempts.ts'

const { begun } = pageEndpoint()

describe('a whole answer that comes after its page was given up', () => {
  async function givenUp(c: Conversation, model = 'llama-3-8b') {
    const chatId = await c.chat({ model })
    const { attemptId, answerId } = await askDirect(c, chatId)
    const offer = await offered(c, attemptId)
    await pushText(c.db.pool, attemptId, { start: 0, text: 'Run', longest: 99 })
    await lapse(c, attemptId)
    expect(heardEnd(await c.watch(answerId))).toMatchObject({ state: 'interrupted', text: 'Run' })
    return { chatId, attemptId, answerId, offer }
  }

  /** Keeps a chat from being changed, as whoever asks for another answer does. */
  async function locked(c: Conversation, chatId: string, stack: AsyncDisposableStack) {
    const client = await c.db.pool.connect()
    stack.defer(() => client.release(true))
    await client.query('BEGIN')
    await client.query('SELECT 1 FROM chats WHERE id = $1 FOR UPDATE', [chatId])
    const waiting = async () =>
      (await c.db.pool.query("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")).rowCount
    return { client, waiting }
  }

  it('completes it, with its citations and receipt, and is told to who looks', async () => {
    await using c = await begun()
    const { chatId, attemptId, answerId, offer } = await givenUp(c)
    const taken = await take(offer)
    await finish(c.server.deps, c.viewer, attemptId, { ...taken, ending: 'done' })
    const kept = await answerIn(c, chatId)
    expect(kept).toMatchObject({ state: 'done', text: SHOWN, number: 1, unverified: false, error: null })
    expect(kept.citations).toMatchObject([{ number: 1, documentName: 'handbook.txt' }])
    expect(await attemptRow(c, attemptId)).toMatchObject({ receipt: taken.receipt, error_code: null })
    expect(heardEnd(await c.watch(answerId))).toMatchObject({ state: 'done', text: SHOWN })
    // Again, since the reply got lost.
    await finish(c.server.deps, c.viewer, attemptId, { ...taken, ending: 'done' })
    expect(await answerIn(c, chatId)).toEqual(kept)
    expect(await historyOf(c, chatId)).toEqual([{ question: QUESTION, answer: SHOWN }])
  })

  it('counts as served, once, also when it is brought twice at a time', async () => {
    await using c = await begun()
    const { chatId, attemptId, offer } = await givenUp(c)
    const metrics = testMetrics()
    const taken = await take(offer)
    const deps = { ...c.server.deps, metrics }
    const again = () => finish(deps, c.viewer, attemptId, { ...taken, ending: 'done' })
    await using stack = new AsyncDisposableStack()
    const { client, waiting } = await locked(c, chatId, stack)
    const both = Promise.all([again(), again()])
    await expect.poll(waiting).toBe(2)
    await client.query('COMMIT')
    await both
    await again()
    expect(sumOf(await metrics.read(), 'AnswersServed')).toBe(1)
  })

  it('is what its page is told to bring, until there is another', async () => {
    await using c = await begun()
    const { attemptId, answerId } = await givenUp(c)
    const push = () => pushText(c.db.pool, attemptId, { start: 3, text: ' apt', longest: 99 })
    expect(await push()).toMatchObject({ owned: false, late: true })
    await retry({ pool: c.db.pool, ...c.server }, c.viewer, answerId, true)
    expect(await push()).toMatchObject({ owned: false, late: false })
  })

  it.each([
    ['without its receipt', { receipt: null, ending: 'done' }],
    ['cut short', { text: 'Run apt-mark hold', ending: 'done' }],
    ['as one that was stopped', { ending: 'stopped' }],
    ['as one that failed', { ending: 'failed' }],
  ] as const)('changes nothing %s', async (_, change) => {
    await using c = await begun()
    const { chatId, attemptId, offer } = await givenUp(c)
    const before = await answerIn(c, chatId)
    await finish(c.server.deps, c.viewer, attemptId, { ...(await take(offer)), ...change })
    expect(await answerIn(c, chatId)).toEqual(before)
  })

  it('changes nothing of one that somebody has stopped, nor of another', async () => {
    await using c = await begun()
    const chatId = await c.chat({ model: 'llama-3-8b' })
    const { attemptId, answerId } = await askDirect(c, chatId)
    const taken = await take(await offered(c, attemptId))
    await pushText(c.db.pool, attemptId, { start: 0, text: 'Run', longest: 99 })
    await stop({ pool: c.db.pool, ...c.server }, c.viewer, answerId)
    await lapse(c, attemptId)
    await c.watch(answerId)
    await finish(c.server.deps, c.viewer, attemptId, { ...taken, ending: 'done' })
    expect(await answerIn(c, chatId)).toMatchObject({ state: 'stopped', text: 'Run' })
    const other = await givenUp(c)
    await finish(c.server.deps, c.viewer, other.attemptId, { ...taken, ending: 'done' })
    expect(await answerIn(c, other.chatId)).toMatchObject({ state: 'interrupted', text: 'Run' })
  })

  it('and another that is asked for in the same moment: one of them is first, and nothing of either is lost', async () => {
    await using c = await begun()
    const { chatId, attemptId, answerId, offer } = await givenUp(c)
    const taken = await take(offer)
    // Somebody who asks for another has the chat locked, and has not said so yet.
    await using stack = new AsyncDisposableStack()
    const { client: asking, waiting } = await locked(c, chatId, stack)
    const finishing = finish(c.server.deps, c.viewer, attemptId, { ...taken, ending: 'done' })
    await expect.poll(waiting).toBe(1)
    const next = await insertAttempt(asking, {
      answerId,
      userId: c.viewer.userId,
      number: 2,
      model: 'm',
      owner: 'other',
    })
    await asking.query("INSERT INTO attempt_chunks (attempt_id, start, text) VALUES ($1, 0, 'Newer')", [
      next.id,
    ])
    await asking.query('COMMIT')
    await finishing
    expect(await answerIn(c, chatId)).toMatchObject({ number: 2, text: 'Newer' })
    expect(await attemptRow(c, attemptId)).toMatchObject({ state: 'interrupted' })
  })
})
