// What a person's budget holds and counts of answers whose page was given a token, however they go on.
import { decodeJwt } from 'jose'
import { describe, expect, it } from 'vitest'
import { type Conversation, heardEnd } from '../../../test/conversation.ts'
import {
  answeredDirectly,
  answerIn,
  askDirect,
  attemptRow,
  lapse,
  offered,
  pageEndpoint,
  SHOWN,
  take,
} from '../../../test/direct.ts'
import { setBudget } from '../../usage/budget.ts'
import { retry, stop } from '../ask.ts'
import { finish } from './finish.ts'
import { pushText } from './page-attempts.ts'
import { prepare, relay } from './prepare.ts'

const page = pageEndpoint()
const { begun } = page

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
    const { input_tokens: input, output_tokens: output } = await attemptRow(c, attemptId)
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
    expect(await answerIn(c, chatId)).toMatchObject({ number: 2, state: 'waiting', text: '' })
    expect(await attemptRow(c, attemptId)).toMatchObject({
      state: 'interrupted',
      receipt: null,
      unverified: true,
    })
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
    expect(decodeJwt(offer.token).exp).toBe((await attemptRow(c, attemptId)).offer.expires)
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
