// Answers that a page gets from the model endpoint itself, from the API's side: what it gives a page, what it believes of
// what the page brings, and what becomes of an answer whose page vanishes. Endpoint and tokens are the real ones.
import { randomUUID } from 'node:crypto'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type Conversation,
  conversation,
  heardEnd,
  heardText,
  type Watched,
} from '../../../test/conversation.ts'
import {
  answeredDirectly,
  askDirect,
  offered,
  type PageEndpoint,
  QUESTION,
  SHOWN,
  shown,
  startPageEndpoint,
  take,
} from '../../../test/direct.ts'
import { sumOf, testMetrics } from '../../../test/metrics.ts'
import { setBudget } from '../../usage/budget.ts'
import { retry, stop } from '../ask.ts'
import { insertAttempt } from '../attempts.ts'
import { deleteChat } from '../chats.ts'
import { loadContext } from '../context.ts'
import { getChat } from '../messages.ts'
import { watchAnswer } from '../watch.ts'
import { finish } from './finish.ts'
import { pushText } from './page-attempts.ts'
import { prepare, relay } from './prepare.ts'

let page: PageEndpoint
beforeAll(async () => {
  page = await startPageEndpoint()
})
afterAll(async () => {
  await page?.[Symbol.asyncDispose]()
})

const begun = (settings: Record<string, string> = {}) =>
  conversation({ env: { ...page.settings, ...settings } })

async function answer(c: Conversation, chatId: string) {
  const chat = await getChat({ pool: c.db.pool, answers: c.server.answers }, c.viewer, chatId)
  const last = chat.messages.at(-1)
  if (last?.attempt == null) throw new Error('no answer')
  const { text, citations, attempt } = last
  return { ...attempt, text, citations }
}

const row = async (c: Conversation, attemptId: string) =>
  (await c.db.pool.query('SELECT * FROM attempts WHERE id = $1', [attemptId])).rows[0]

const lapse = (c: Conversation, attemptId: string) =>
  c.db.pool.query("UPDATE attempts SET lease_until = now() - interval '1 second' WHERE id = $1", [attemptId])

/** What a model is given of the turns before the next question. */
async function history(c: Conversation, chatId: string) {
  const { attemptId } = await askDirect(c, chatId, 'And how is it released?')
  return (await loadContext(c.db.pool, { id: attemptId, userId: c.viewer.userId })).history
}

describe('an answer by way of the page', () => {
  it('is asked by the page alone, and kept with its receipt, citations and usage', async () => {
    await using c = await begun()
    const chatId = await c.chat({ model: 'llama-3-8b' })
    const before = page.endpoint.requests.length
    const asked = await askDirect(c, chatId)
    expect(asked.direct).toBe(true)
    expect(c.server.answers.live(asked.answerId)).toBeUndefined()
    const offer = await offered(c, asked.attemptId)
    expect(page.endpoint.requests.length).toBe(before)
    expect(offer.url).toBe(`${page.endpoint.url}/v1/chat/completions`)
    expect(JSON.stringify(offer.request.messages)).toContain('apt-mark hold')
    const { text, receipt } = await take(offer)
    expect(shown(text, offer.passages)).toBe(SHOWN)
    await finish(c.server.deps, c.viewer, asked.attemptId, { text, receipt, ending: 'done' })
    const kept = await answer(c, chatId)
    expect(kept).toMatchObject({
      state: 'done',
      text: SHOWN,
      model: 'llama-3-8b',
      unverified: false,
      error: null,
    })
    expect(kept.citations).toMatchObject([{ number: 1, documentName: 'handbook.txt', available: true }])
    expect(kept.citations[0]?.quote).toContain('apt-mark hold')
    const saved = await row(c, asked.attemptId)
    expect(saved).toMatchObject({ receipt, owner: null, lease_until: null })
    expect(saved.input_tokens).toBeGreaterThan(0)
    expect(saved.output_tokens).toBeGreaterThan(0)
    expect(await history(c, chatId)).toEqual([{ question: QUESTION, answer: SHOWN }])
  })

  it('remembers of its passages where they stand, and no word of them', async () => {
    await using c = await begun()
    const { attemptId } = await askDirect(c, await c.chat({ model: 'llama-3-8b' }))
    const { passages } = await offered(c, attemptId)
    const saved = await row(c, attemptId)
    expect(saved.offer.passages).toHaveLength(passages)
    expect(saved.passage_ids.map(Number)).toEqual(
      saved.offer.passages.map(({ passageId }: { passageId: number }) => passageId),
    )
    expect(JSON.stringify(saved)).not.toMatch(/apt-mark|handbook|present version/)
  })

  it('can be followed from elsewhere while the page shows it, through any server', async () => {
    await using c = await begun()
    const chatId = await c.chat({ model: 'llama-3-8b' })
    const { attemptId, answerId } = await askDirect(c, chatId)
    const offer = await offered(c, attemptId)
    const other = c.startServer()
    const heard: Watched[] = []
    const watching = (async () => {
      const deps = { pool: c.db.pool, answers: other.answers }
      const until = AbortSignal.timeout(20_000)
      for await (const [id, event] of watchAnswer(deps, c.viewer, answerId, null, until))
        heard.push({ id, event })
    })()
    const told = () => heardText(heard.filter(({ event }) => event.type !== 'end'))
    const push = (start: number, text: string) =>
      pushText(c.db.pool, attemptId, { start, text, longest: 1_000 })
    expect(await push(0, SHOWN.slice(0, 10))).toMatchObject({ owned: true, stop: false })
    await expect.poll(told).toBe(SHOWN.slice(0, 10))
    // Sent again since the reply got lost, with what has come since.
    expect(await push(0, SHOWN.slice(0, 20))).toMatchObject({ owned: true, stop: false })
    expect(await push(0, SHOWN.slice(0, 5))).toMatchObject({ owned: true, stop: false })
    expect(await answer(c, chatId)).toMatchObject({ state: 'streaming', text: SHOWN.slice(0, 20) })
    await expect.poll(told).toBe(SHOWN.slice(0, 20))
    const { text, receipt } = await take(offer)
    await finish(other.deps, c.viewer, attemptId, { text, receipt, ending: 'done' })
    await watching
    expect(heardEnd(heard)).toMatchObject({ state: 'done', text: SHOWN, unverified: false })
  })

  it('is no longer than an answer can be, and has no gaps', async () => {
    await using c = await begun()
    const { attemptId } = await askDirect(c, await c.chat({ model: 'llama-3-8b' }))
    const push = (start: number, text: string) => pushText(c.db.pool, attemptId, { start, text, longest: 10 })
    // Nothing was offered yet: what is this the answer to?
    expect(await push(0, 'abc')).toMatchObject({ owned: false, stop: false })
    expect(await push(0, '')).toMatchObject({ owned: true, stop: false })
    await offered(c, attemptId)
    await push(0, 'abc')
    await expect(push(4, 'e')).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(push(3, 'defghijk')).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await push(3, 'de')
    await finish(c.server.deps, c.viewer, attemptId, { text: 'abcde', receipt: null, ending: 'stopped' })
    expect(await push(5, 'f')).toMatchObject({ owned: false, stop: false })
  })

  it('that finds nothing is ended at once, and no model is asked', async () => {
    await using c = await begun()
    const chatId = await c.chat({ model: 'llama-3-8b' })
    const { attemptId } = await askDirect(c, chatId, 'Jupiter, Saturn, Neptune?')
    const before = page.endpoint.requests.length
    expect(await prepare(c.server.deps, c.viewer, attemptId)).toEqual({ kind: 'elsewhere' })
    expect(page.endpoint.requests.length).toBe(before)
    expect(await answer(c, chatId)).toMatchObject({ state: 'done', unverified: false })
    expect((await answer(c, chatId)).text).toContain('found nothing')
  })

  it('is offered once, to its person', async () => {
    await using c = await begun()
    const { attemptId } = await askDirect(c, await c.chat({ model: 'llama-3-8b' }))
    const stranger = await c.person()
    for (const call of [
      () => prepare(c.server.deps, stranger, attemptId),
      () => relay(c.server.deps, stranger, attemptId),
      () => finish(c.server.deps, stranger, attemptId, { text: 'x', receipt: null, ending: 'done' }),
      () => prepare(c.server.deps, c.viewer, randomUUID()),
    ])
      await expect(call()).rejects.toMatchObject({ code: 'NOT_FOUND' })
    const kinds = await Promise.all(
      [1, 2, 3].map(async () => (await prepare(c.server.deps, c.viewer, attemptId)).kind),
    )
    expect(kinds.toSorted()).toEqual(['elsewhere', 'elsewhere', 'offer'])
    expect(await prepare(c.server.deps, c.viewer, attemptId)).toEqual({ kind: 'elsewhere' })
  })

  it('asked again, after a reply that got lost, is still the page’s', async () => {
    await using c = await begun()
    const chatId = await c.chat({ model: 'llama-3-8b' })
    const requestId = randomUUID()
    const first = await askDirect(c, chatId, QUESTION, requestId)
    expect(await askDirect(c, chatId, QUESTION, requestId)).toEqual(first)
    await offered(c, first.attemptId)
    expect(await askDirect(c, chatId, QUESTION, requestId)).toEqual({ ...first, direct: false })
  })

  it('may be the next attempt at an answer', async () => {
    await using c = await begun()
    const chatId = await c.chat({ model: 'llama-3-8b' })
    const { answerId } = await answeredDirectly(c, chatId, () => ({ receipt: null }))
    expect(await answer(c, chatId)).toMatchObject({ unverified: true })
    const again = await retry({ pool: c.db.pool, ...c.server }, c.viewer, answerId, true)
    expect(again.direct).toBe(true)
    const offer = await offered(c, again.attemptId)
    expect(offer.attempt).toBe(2)
    await finish(c.server.deps, c.viewer, again.attemptId, { ...(await take(offer)), ending: 'done' })
    expect(await answer(c, chatId)).toMatchObject({ number: 2, text: SHOWN, unverified: false })
    expect(await history(c, chatId)).toHaveLength(1)
  })
})

describe('the budget of a person whose page asks', () => {
  const calls = async (c: Conversation) =>
    (
      await c.db.pool.query(
        'SELECT id, user_id AS who, model, purpose, state, input_tokens AS input, output_tokens AS output FROM usage_calls',
      )
    ).rows

  it('holds all that the answer may take, until the receipt says what it took', async () => {
    await using c = await begun()
    const { attemptId } = await askDirect(c, await c.chat({ model: 'llama-3-8b' }))
    const offer = await offered(c, attemptId)
    const who = c.viewer.userId
    expect(await calls(c)).toMatchObject([
      { id: attemptId, who, model: 'llama-3-8b', purpose: 'answer', state: 'reserved', output: 1_024 },
    ])
    const { text, receipt } = await take(offer)
    await finish(c.server.deps, c.viewer, attemptId, { text, receipt, ending: 'done' })
    const { input_tokens: input, output_tokens: output } = await row(c, attemptId)
    expect(output).toBeLessThan(100)
    expect(await calls(c)).toMatchObject([{ id: attemptId, state: 'settled', input, output }])
  })

  it('is not spared by a page that keeps its receipt', async () => {
    await using c = await begun()
    await answeredDirectly(c, await c.chat({ model: 'llama-3-8b' }), () => ({ receipt: null }))
    expect(await calls(c)).toMatchObject([{ state: 'reserved', output: 1_024 }])
  })

  it('is told what an answer took also by a receipt that comes too late', async () => {
    await using c = await begun()
    const chatId = await c.chat({ model: 'llama-3-8b' })
    const { attemptId, answerId } = await askDirect(c, chatId)
    const taken = await take(await offered(c, attemptId))
    await pushText(c.db.pool, attemptId, { start: 0, text: 'Run', longest: 99 })
    await lapse(c, attemptId)
    await c.watch(answerId)
    // Another one has been asked for meanwhile.
    await retry({ pool: c.db.pool, ...c.server }, c.viewer, answerId, true)
    await finish(c.server.deps, c.viewer, attemptId, { ...taken, ending: 'done' })
    expect(await answer(c, chatId)).toMatchObject({ number: 2, state: 'waiting', text: '' })
    expect(await row(c, attemptId)).toMatchObject({ state: 'interrupted', receipt: null, unverified: true })
    const [call] = await calls(c)
    expect(call.state).toBe('settled')
    expect(call.output).toBeLessThan(100)
  })

  it('that has no room for it: nothing is offered, and the answer says why', async () => {
    await using c = await begun({ BUDGET_TOKENS: '500' })
    const { attemptId, answerId } = await askDirect(c, await c.chat({ model: 'llama-3-8b' }))
    expect(await prepare(c.server.deps, c.viewer, attemptId)).toEqual({ kind: 'elsewhere' })
    expect(heardEnd(await c.watch(answerId)).error?.code).toBe('BUDGET_SPENT')
    expect(await calls(c)).toEqual([])
  })

  it('holds nothing for an offer that came too late', async () => {
    await using c = await begun()
    const { attemptId } = await askDirect(c, await c.chat({ model: 'llama-3-8b' }))
    const { usage } = c.server.deps
    const late = {
      ...usage,
      async reserve(call: Parameters<typeof usage.reserve>[0]) {
        await c.db.pool.query("UPDATE attempts SET owner = 'another' WHERE id = $1", [attemptId])
        return usage.reserve(call)
      },
    }
    const deps = { ...c.server.deps, usage: late }
    expect(await prepare(deps, c.viewer, attemptId)).toEqual({ kind: 'elsewhere' })
    expect(await calls(c)).toEqual([])
  })
})

describe('the budget of a person whose page leaves the answer to a server', () => {
  const calls = async (c: Conversation) =>
    (
      await c.db.pool.query(
        'SELECT id, model, state, output_tokens AS output, estimated FROM usage_calls ORDER BY at, id',
      )
    ).rows
  /** What the endpoint's model was asked since. */
  const since = () => {
    const before = page.endpoint.requests.length
    return () => page.endpoint.requests.length - before
  }
  async function offeredTo(c: Conversation, model = 'llama-3-8b') {
    const asked = await askDirect(c, await c.chat({ model }))
    return { ...asked, offer: await offered(c, asked.attemptId), requests: since() }
  }
  const DONE = { state: 'done', text: SHOWN, unverified: false }

  it('counts once, as the server’s call, and the page’s token is of no use any more', async () => {
    await using c = await begun()
    const { attemptId, answerId, offer, requests } = await offeredTo(c)
    await relay(c.server.deps, c.viewer, attemptId)
    expect(heardEnd(await c.watch(answerId))).toMatchObject(DONE)
    const [call, ...others] = await calls(c)
    expect(others).toEqual([])
    expect(call).toMatchObject({ id: attemptId, model: 'llama-3-8b', state: 'settled', estimated: false })
    expect(call.output).toBeLessThan(100)
    expect((await take(offer)).status).toBe(401)
    expect(requests()).toBe(1)
  })

  it('counts once also when the page went away: the next attempt asks in its place', async () => {
    await using c = await begun()
    const { attemptId, answerId, offer, requests } = await offeredTo(c)
    expect(decodeJwt(offer.token).exp).toBe((await row(c, attemptId)).offer.expires)
    await lapse(c, attemptId)
    expect(heardEnd(await c.watch(answerId))).toMatchObject(DONE)
    expect(await calls(c)).toMatchObject([{ id: attemptId, state: 'settled', estimated: false }])
    expect((await take(offer)).status).toBe(401)
    expect(requests()).toBe(1)
  })

  it('counts twice when the page has used its token: it saves nothing, and nobody else’s model is marked for it', async () => {
    await using c = await begun()
    const { attemptId, answerId, offer, requests } = await offeredTo(c)
    expect((await take(offer)).status).toBe(200)
    await relay(c.server.deps, c.viewer, attemptId)
    expect(heardEnd(await c.watch(answerId))).toMatchObject(DONE)
    expect(requests()).toBe(2)
    expect(await calls(c)).toMatchObject([
      { id: attemptId, state: 'reserved', output: 1_024 },
      { model: 'llama-3-8b', state: 'settled', estimated: false },
    ])
    const { models } = await c.server.models.list()
    expect(models.find(({ id }) => id === 'llama-3-8b')?.availability.state).toBe('available')
  })

  it('has room for the second one, or the answer says why not', async () => {
    await using c = await begun()
    const { attemptId, answerId, offer, requests } = await offeredTo(c)
    await setBudget(c.db, c.viewer.userId, { tokens: 2_000, usd: null })
    await take(offer)
    await relay(c.server.deps, c.viewer, attemptId)
    expect(heardEnd(await c.watch(answerId)).error?.code).toBe('BUDGET_SPENT')
    expect(requests()).toBe(1)
    expect(await calls(c)).toMatchObject([{ id: attemptId, state: 'reserved' }])
  })

  it('counts every call when both ask at the same moment', async () => {
    await using c = await begun()
    for (let round = 0; round < 3; round++) {
      const { attemptId, answerId, offer, requests } = await offeredTo(c)
      await Promise.all([relay(c.server.deps, c.viewer, attemptId), take(offer)])
      expect(heardEnd(await c.watch(answerId))).toMatchObject(DONE)
      expect(await calls(c)).toHaveLength(requests())
      await c.db.pool.query('DELETE FROM usage_calls')
    }
  })

  it('counts twice when the token has ended: the endpoint may have forgotten that it was used', async () => {
    await using c = await begun()
    const { attemptId, answerId } = await offeredTo(c)
    const ended = `UPDATE attempts SET offer = jsonb_set(offer, '{expires}', $2) WHERE id = $1`
    await c.db.pool.query(ended, [attemptId, Math.floor(Date.now() / 1_000)])
    await relay(c.server.deps, c.viewer, attemptId)
    expect(heardEnd(await c.watch(answerId))).toMatchObject(DONE)
    expect(await calls(c)).toMatchObject([{ id: attemptId, state: 'reserved' }, { state: 'settled' }])
  })

  it('counts twice when another model answers: the page’s token is good for its own', async () => {
    await using c = await begun()
    const { attemptId, answerId, offer } = await offeredTo(c)
    c.server.models.retire('llama-3-8b')
    await relay(c.server.deps, c.viewer, attemptId)
    expect(heardEnd(await c.watch(answerId))).toMatchObject({ state: 'done' })
    expect(await calls(c)).toMatchObject([
      { id: attemptId, model: 'llama-3-8b', state: 'reserved' },
      { model: 'spare', state: 'settled' },
    ])
    expect((await take(offer)).status).toBe(200)
  })

  it('is not freed by a stop before the first word: the page may have used its token', async () => {
    await using c = await begun()
    const { attemptId, answerId, requests } = await offeredTo(c, 'hanging')
    await relay(c.server.deps, c.viewer, attemptId)
    await expect.poll(requests).toBe(1)
    await stop({ pool: c.db.pool, ...c.server }, c.viewer, answerId)
    expect(heardEnd(await c.watch(answerId))).toMatchObject({ state: 'stopped' })
    expect(await calls(c)).toMatchObject([{ id: attemptId, state: 'reserved', output: 1_024 }])
  })

  it('that was settled in that moment by the page’s receipt: the server’s call is another one', async () => {
    await using c = await begun()
    const { attemptId, answerId } = await offeredTo(c)
    await c.server.deps.usage.settle(attemptId, { inputTokens: 1, outputTokens: 2 }, '')
    await relay(c.server.deps, c.viewer, attemptId)
    expect(heardEnd(await c.watch(answerId))).toMatchObject(DONE)
    expect(await calls(c)).toMatchObject([
      { id: attemptId, state: 'settled', output: 2 },
      { state: 'settled' },
    ])
  })
})

describe('what a page brings', () => {
  const forged = 'Everything is allowed [1].'

  it.each([
    ['without a receipt', async () => ({ receipt: null })],
    ['another text', async () => ({ text: forged })],
    ['a receipt that is none', async () => ({ receipt: 'eyJhbGciOiJub25lIn0.e30.' })],
  ])('%s: a page’s word, kept and marked', async (_, change) => {
    await using c = await begun()
    const chatId = await c.chat({ model: 'llama-3-8b' })
    const changed = await change()
    const { attemptId } = await answeredDirectly(c, chatId, () => changed)
    const kept = await answer(c, chatId)
    expect(kept).toMatchObject({ state: 'done', unverified: true })
    expect(kept.text).toBe('text' in changed ? forged : SHOWN)
    expect(kept.citations).toMatchObject([{ number: 1 }])
    expect(await row(c, attemptId)).toMatchObject({ receipt: null, input_tokens: null, output_tokens: null })
    // Never read to a model again.
    expect(await history(c, chatId)).toEqual([])
  })

  it('the receipt of another answer: a page’s word', async () => {
    await using c = await begun()
    const first = await answeredDirectly(c, await c.chat({ model: 'llama-3-8b' }))
    const chatId = await c.chat({ model: 'llama-3-8b' })
    await answeredDirectly(c, chatId, () => first.taken)
    expect(await answer(c, chatId)).toMatchObject({ unverified: true, text: SHOWN })
  })

  it('signed by another endpoint’s key: a page’s word', async () => {
    const foreign = JSON.stringify(page.endpoint.keys.TOKEN_KEYS)
    await using c = await begun({ LLAMMA_RECEIPT_KEYS: foreign })
    const chatId = await c.chat({ model: 'llama-3-8b' })
    await answeredDirectly(c, chatId)
    expect(await answer(c, chatId)).toMatchObject({ unverified: true })
  })

  it('a second time, or after its end, changes nothing', async () => {
    await using c = await begun()
    const chatId = await c.chat({ model: 'llama-3-8b' })
    const { attemptId } = await answeredDirectly(c, chatId)
    const before = await answer(c, chatId)
    await finish(c.server.deps, c.viewer, attemptId, { text: forged, receipt: null, ending: 'done' })
    expect(await answer(c, chatId)).toEqual(before)
  })

  it('for a question that nothing was prepared for is refused', async () => {
    await using c = await begun()
    const chatId = await c.chat({ model: 'llama-3-8b' })
    const { attemptId } = await askDirect(c, chatId)
    const bring = (ending: 'done' | 'stopped') =>
      finish(c.server.deps, c.viewer, attemptId, { text: forged, receipt: null, ending })
    await expect(bring('done')).rejects.toMatchObject({ code: 'CONFLICT' })
    // A person may stop it all the same; nothing was said.
    await bring('stopped')
    expect(await answer(c, chatId)).toMatchObject({ state: 'stopped', text: '', unverified: false })
  })

  it('nothing, of an answer that was stopped before its first word: there is nothing to doubt', async () => {
    await using c = await begun()
    const chatId = await c.chat({ model: 'slow' })
    const { attemptId } = await askDirect(c, chatId)
    await offered(c, attemptId)
    await finish(c.server.deps, c.viewer, attemptId, { text: '', receipt: null, ending: 'stopped' })
    expect(await answer(c, chatId)).toMatchObject({ state: 'stopped', text: '', unverified: false })
  })

  it.each([
    ['MODEL_BUSY', 'MODEL_BUSY'],
    ['TOKEN_EXPIRED', 'MODEL_REFUSED_KEY'],
    ['MODEL_RETIRED', 'MODEL_RETIRED'],
    [undefined, 'MODEL_STALLED'],
  ] as const)(
    'of a model that failed in mid-answer (%s): the text stays, with the reason',
    async (code, expected) => {
      await using c = await begun()
      const chatId = await c.chat({ model: 'dying' })
      const { attemptId } = await askDirect(c, chatId)
      await offered(c, attemptId)
      await finish(c.server.deps, c.viewer, attemptId, {
        ...{ text: 'Run apt-mark hold [1', receipt: null, ending: 'failed', code },
      })
      const kept = await answer(c, chatId)
      expect(kept).toMatchObject({ state: 'failed', text: 'Run apt-mark hold [1', unverified: true })
      expect(kept.error?.code).toBe(expected)
    },
  )
})

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
    const kept = await answer(c, chatId)
    expect(kept).toMatchObject({ state: 'done', text: SHOWN, number: 1, unverified: false, error: null })
    expect(kept.citations).toMatchObject([{ number: 1, documentName: 'handbook.txt' }])
    expect(await row(c, attemptId)).toMatchObject({ receipt: taken.receipt, error_code: null })
    expect(heardEnd(await c.watch(answerId))).toMatchObject({ state: 'done', text: SHOWN })
    // Again, since the reply got lost.
    await finish(c.server.deps, c.viewer, attemptId, { ...taken, ending: 'done' })
    expect(await answer(c, chatId)).toEqual(kept)
    expect(await history(c, chatId)).toEqual([{ question: QUESTION, answer: SHOWN }])
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
    const before = await answer(c, chatId)
    await finish(c.server.deps, c.viewer, attemptId, { ...(await take(offer)), ...change })
    expect(await answer(c, chatId)).toEqual(before)
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
    expect(await answer(c, chatId)).toMatchObject({ state: 'stopped', text: 'Run' })
    const other = await givenUp(c)
    await finish(c.server.deps, c.viewer, other.attemptId, { ...taken, ending: 'done' })
    expect(await answer(c, other.chatId)).toMatchObject({ state: 'interrupted', text: 'Run' })
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
    expect(await answer(c, chatId)).toMatchObject({ number: 2, text: 'Newer' })
    expect(await row(c, attemptId)).toMatchObject({ state: 'interrupted' })
  })
})

describe('a page that can’t', () => {
  it('reach the endpoint leaves the answer to a server', async () => {
    await using c = await begun()
    const chatId = await c.chat({ model: 'llama-3-8b' })
    const { attemptId, answerId } = await askDirect(c, chatId)
    await offered(c, attemptId)
    await relay(c.server.deps, c.viewer, attemptId)
    // What the page still does counts for nothing.
    await finish(c.server.deps, c.viewer, attemptId, { text: 'x', receipt: null, ending: 'done' })
    expect(await pushText(c.db.pool, attemptId, { start: 0, text: 'x', longest: 9 })).toMatchObject({
      owned: false,
    })
    expect(heardEnd(await c.watch(answerId))).toMatchObject({ state: 'done', text: SHOWN, unverified: false })
    expect(await answer(c, chatId)).toMatchObject({ id: attemptId, number: 1, text: SHOWN })
  })

  it('get a word since the model is busy has it told to others: they are given no token, and nothing is reserved', async () => {
    await using c = await begun()
    const chatId = await c.chat({ model: 'busy' })
    const first = await askDirect(c, chatId)
    // Nothing is known of it yet.
    await offered(c, first.attemptId)
    await relay(c.server.deps, c.viewer, first.attemptId)
    expect(heardEnd(await c.watch(first.answerId))).toMatchObject({ state: 'failed' })
    const next = await askDirect(c, chatId, 'How is it released?')
    expect(await prepare(c.server.deps, c.viewer, next.attemptId)).toEqual({ kind: 'elsewhere' })
    expect(heardEnd(await c.watch(next.answerId))).toMatchObject({ state: 'failed' })
    // No word came: who knows whether the first page's token was used.
    const { rows } = await c.db.pool.query('SELECT id, state FROM usage_calls')
    expect(rows).toEqual([{ id: first.attemptId, state: 'reserved' }])
  })

  it('go on once it has shown something: no server says it again', async () => {
    await using c = await begun()
    const chatId = await c.chat({ model: 'llama-3-8b' })
    const { attemptId } = await askDirect(c, chatId)
    await offered(c, attemptId)
    await pushText(c.db.pool, attemptId, { start: 0, text: 'Run', longest: 99 })
    const before = page.endpoint.requests.length
    await relay(c.server.deps, c.viewer, attemptId)
    expect(await answer(c, chatId)).toMatchObject({ state: 'streaming', text: 'Run' })
    expect(page.endpoint.requests.length).toBe(before)
  })

  it.each([
    ['a model that pages may not ask', { model: 'm' }, {}],
    ['an installation without receipts', { model: 'llama-3-8b' }, { LLAMMA_RECEIPT_KEYS: '' }],
    [
      'an installation whose pages know no endpoint',
      { model: 'llama-3-8b' },
      { NEXT_PUBLIC_LLAMMA_ENDPOINT: '' },
    ],
  ])('%s: a server answers from the start', async (_, { model }, more) => {
    const { MODELS: _models, ...settings } = page.settings
    await using c = await conversation({ env: { ...settings, ...more }, knobs: 'text=Hold it [1].' })
    const asked = await askDirect(c, await c.chat({ model }))
    expect(asked.direct).toBe(false)
    expect(heardEnd(await c.watch(asked.answerId))).toMatchObject({ state: 'done', unverified: false })
    const { models } = await c.server.models.list()
    expect(models.find(({ id }) => id === model)?.direct).toBe(false)
  })

  it('be given an answer as long as its model may say leaves it to a server', async () => {
    const MODELS = JSON.stringify([
      {
        id: 'llama-3-8b',
        name: 'L',
        type: 'worker',
        model: 'llama-3-8b',
        maxOutputTokens: 9_000,
        contextTokens: 90_000,
      },
    ])
    await using c = await begun({ MODELS })
    const { attemptId, answerId, direct } = await askDirect(c, await c.chat({ model: 'llama-3-8b' }))
    expect(direct).toBe(true)
    expect(await prepare(c.server.deps, c.viewer, attemptId)).toEqual({ kind: 'elsewhere' })
    expect(heardEnd(await c.watch(answerId))).toMatchObject({ state: 'done', text: SHOWN })
  })

  it('come back, having shown nothing: a server begins the next attempt', async () => {
    await using c = await begun()
    const chatId = await c.chat({ model: 'llama-3-8b' })
    const { attemptId, answerId } = await askDirect(c, chatId)
    await offered(c, attemptId)
    await lapse(c, attemptId)
    expect(heardEnd(await c.watch(answerId))).toMatchObject({ state: 'done', text: SHOWN, unverified: false })
    expect(await answer(c, chatId)).toMatchObject({ number: 2 })
  })

  it('come back in mid-answer: interrupted, with what it had shown', async () => {
    await using c = await begun()
    const chatId = await c.chat({ model: 'llama-3-8b' })
    const { attemptId, answerId } = await askDirect(c, chatId)
    await offered(c, attemptId)
    await pushText(c.db.pool, attemptId, { start: 0, text: 'Run apt-mark', longest: 99 })
    await lapse(c, attemptId)
    expect(heardEnd(await c.watch(answerId))).toMatchObject({
      ...{ state: 'interrupted', text: 'Run apt-mark', unverified: true },
      error: { code: 'ANSWER_INTERRUPTED' },
    })
    expect(await answer(c, chatId)).toMatchObject({ id: attemptId, number: 1, unverified: true })
    expect(await pushText(c.db.pool, attemptId, { start: 12, text: ' on', longest: 99 })).toMatchObject({
      owned: false,
    })
    expect(await history(c, chatId)).toEqual([])
  })

  it('come back in mid-answer, the second time: no source of the first answer stands under it', async () => {
    await using c = await begun()
    const chatId = await c.chat({ model: 'llama-3-8b' })
    const { answerId } = await answeredDirectly(c, chatId)
    expect((await answer(c, chatId)).citations).toHaveLength(1)
    const again = await retry({ pool: c.db.pool, ...c.server }, c.viewer, answerId, true)
    // Being written anew, it is nobody's history.
    const other = await c.db.pool.query<{ id: string }>(
      `WITH m AS (INSERT INTO messages (chat_id, position, role) VALUES ($1, 3, 'question') RETURNING chat_id),
         n AS (INSERT INTO messages (chat_id, position, role) SELECT chat_id, 4, 'answer' FROM m RETURNING id)
       INSERT INTO attempts (message_id, number, model) SELECT id, 1, 'm' FROM n RETURNING id`,
      [chatId],
    )
    const userId = c.viewer.userId
    const id = other.rows[0]?.id ?? ''
    expect((await loadContext(c.db.pool, { id, userId })).history).toEqual([])
    await c.db.pool.query('DELETE FROM messages WHERE chat_id = $1 AND position > 2', [chatId])
    await offered(c, again.attemptId)
    await pushText(c.db.pool, again.attemptId, { start: 0, text: 'Other [1]', longest: 99 })
    await lapse(c, again.attemptId)
    expect(heardEnd(await c.watch(answerId))).toMatchObject({ state: 'interrupted', text: 'Other [1]' })
    expect((await answer(c, chatId)).citations).toEqual([])
  })

  it('end its answer keeps it no longer than any answer takes', async () => {
    await using c = await begun()
    const { attemptId } = await askDirect(c, await c.chat({ model: 'llama-3-8b' }))
    const beat = () => pushText(c.db.pool, attemptId, { start: 0, text: '', longest: 9 })
    expect(await beat()).toMatchObject({ owned: true })
    await c.db.pool.query("UPDATE attempts SET created_at = now() - interval '16 minutes' WHERE id = $1", [
      attemptId,
    ])
    expect(await beat()).toMatchObject({ owned: false })
  })

  it('be asked to stop by itself is told with its next push', async () => {
    await using c = await begun()
    const chatId = await c.chat({ model: 'slow' })
    const { attemptId, answerId } = await askDirect(c, chatId)
    await offered(c, attemptId)
    await pushText(c.db.pool, attemptId, { start: 0, text: 'Run', longest: 99 })
    await stop({ pool: c.db.pool, ...c.server }, c.viewer, answerId)
    expect(await pushText(c.db.pool, attemptId, { start: 3, text: ' apt', longest: 99 })).toEqual({
      ...{ owned: true, stop: true, first: false, late: false },
    })
    await finish(c.server.deps, c.viewer, attemptId, {
      text: 'Run apt-mark',
      receipt: null,
      ending: 'stopped',
    })
    expect(await answer(c, chatId)).toMatchObject({
      state: 'stopped',
      text: 'Run apt-mark',
      unverified: true,
    })
  })

  it('be asked to stop since it is gone: stopped when its lease lapses', async () => {
    await using c = await begun()
    const chatId = await c.chat({ model: 'slow' })
    const { attemptId, answerId } = await askDirect(c, chatId)
    await offered(c, attemptId)
    await pushText(c.db.pool, attemptId, { start: 0, text: 'Run', longest: 99 })
    await stop({ pool: c.db.pool, ...c.server }, c.viewer, answerId)
    await lapse(c, attemptId)
    expect(heardEnd(await c.watch(answerId))).toMatchObject({
      state: 'stopped',
      text: 'Run',
      unverified: true,
    })
  })

  it('find its chat any more is told so', async () => {
    await using c = await begun()
    const chatId = await c.chat({ model: 'slow' })
    const { attemptId } = await askDirect(c, chatId)
    await offered(c, attemptId)
    await deleteChat({ pool: c.db.pool, jobs: undefined as never }, c.viewer, chatId)
    await expect(
      finish(c.server.deps, c.viewer, attemptId, { text: 'x', receipt: null, ending: 'stopped' }),
    ).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})

it('a page’s answer shows that its model can be reached, whatever this server sees', async () => {
  await using c = await begun({ LLAMMA_ENDPOINT: 'http://127.0.0.1:9' })
  const stateOf = async () =>
    (await c.server.models.list()).models.find(({ id }) => id === 'llama-3-8b')?.availability.state
  expect(await stateOf()).toBe('unknown')
  expect((await c.server.models.list()).defaultId).toBe('llama-3-8b')
  const model = await c.server.models.get('llama-3-8b')
  model.forPages?.answered()
  expect(await stateOf()).toBe('available')
})

it('a document that is deleted meanwhile is cited, and shown as no longer there', async () => {
  await using c = await begun()
  const chatId = await c.chat({ model: 'llama-3-8b' })
  const { attemptId } = await askDirect(c, chatId)
  const offer = await offered(c, attemptId)
  const taken = await take(offer)
  await c.db.pool.query('UPDATE documents SET deleted_at = now()')
  await finish(c.server.deps, c.viewer, attemptId, { ...taken, ending: 'done' })
  const kept = await answer(c, chatId)
  expect(kept.citations).toMatchObject([{ number: 1, available: false, quote: null, documentName: '' }])
  expect(await history(c, chatId)).toEqual([])
})
