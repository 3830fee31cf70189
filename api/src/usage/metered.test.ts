import { describe, expect, it } from 'vitest'
import { type Conversation, conversation, heardEnd } from '../../test/conversation.ts'
import { doors, refusal } from '../../test/doors.ts'
import { retry, stop } from '../chat/ask.ts'
import { getChat } from '../chat/messages.ts'
import { estimateTokens } from '../models/tokens.ts'
import { setBudget } from './budget.ts'
import { promptTokens } from './metered.ts'

const HOLD = 'How do I hold a package at its present version?'
const UNDO = 'And how do I undo that?'
const WRITTEN = 'How do I release a held package?'
const PRICE = { input: 0.045, output: 0.384 }

async function calls({ db }: Pick<Conversation, 'db'>) {
  const { rows } = await db.pool.query<{
    who: string
    model: string
    purpose: string
    state: string
    input: number
    output: number
    cost: number | null
    estimated: boolean
  }>(
    `SELECT user_id AS who, model, purpose, state, input_tokens AS input, output_tokens AS output, cost::float8 AS cost, estimated
     FROM usage_calls ORDER BY at, id`,
  )
  return rows
}

const answered = async (c: Conversation, chatId: string, text: string) =>
  heardEnd(await c.watch((await c.ask(chatId, text)).answerId))

describe('an answer', () => {
  it('counts as its provider counted, for the person who asked', async () => {
    await using c = await conversation({ models: [{ price: PRICE }] })
    await answered(c, await c.chat(), HOLD)
    const { rows } = await c.db.pool.query<{ input: number; output: number }>(
      'SELECT input_tokens AS input, output_tokens AS output FROM attempts',
    )
    const [{ input, output } = { input: 0, output: 0 }] = rows
    expect(output).toBeGreaterThan(0)
    expect(await calls(c)).toEqual([
      {
        ...{ who: c.viewer.userId, model: 'm', purpose: 'answer', state: 'settled', input, output },
        ...{
          cost: Math.ceil(Number((input * PRICE.input + output * PRICE.output).toFixed(6))),
          estimated: false,
        },
      },
    ])
  })

  it('is guessed where its provider does not count', async () => {
    await using c = await conversation({ knobs: 'terse=1&text=Well, it is held [1].' })
    await answered(c, await c.chat(), HOLD)
    const input = promptTokens(promptOf(c))
    const output = estimateTokens('Well, it is held [1].')
    expect(await calls(c)).toMatchObject([{ state: 'settled', input, output, estimated: true }])
  })

  it('that was stopped counts as what was said by then', async () => {
    await using c = await conversation({ knobs: 'text=one two three four&stall=3' })
    const { answerId } = await c.ask(await c.chat(), HOLD)
    await expect.poll(() => c.server.answers.live(answerId)?.read(0)).toMatch(/three/)
    expect(await calls(c)).toMatchObject([{ state: 'reserved', output: 1_024 }])
    await stop({ pool: c.db.pool, ...c.server }, c.viewer, answerId)
    await c.watch(answerId)
    const input = promptTokens(promptOf(c))
    const output = estimateTokens('one two three ')
    expect(await calls(c)).toMatchObject([{ state: 'settled', input, output, estimated: true }])
  })

  it('that was stopped before its first word counts as what its model had thought by then', async () => {
    await using c = await conversation({ knobs: 'text=one two three four&thinks=9&stall=3' })
    const { answerId } = await c.ask(await c.chat(), HOLD)
    await expect.poll(() => c.scripted.requests.at(-1)?.sent).toBe(3)
    await stop({ pool: c.db.pool, ...c.server }, c.viewer, answerId)
    expect(heardEnd(await c.watch(answerId))).toMatchObject({ state: 'stopped', text: '' })
    const output = estimateTokens('one two three ')
    expect(await calls(c)).toMatchObject([{ state: 'settled', output, estimated: true }])
  })

  it('that came to no word counts as its provider counted the thoughts', async () => {
    await using c = await conversation({ knobs: 'text=one two three four&thinks=9' })
    expect(await answered(c, await c.chat(), HOLD)).toMatchObject({ state: 'failed', text: '' })
    expect(await calls(c)).toMatchObject([{ state: 'settled', output: 4, estimated: false }])
  })

  it.each(['error=500', 'error=429', 'error=401', 'error=400'])(
    '%s before its first word: nothing was taken',
    async (knobs) => {
      await using c = await conversation({ knobs })
      expect(await answered(c, await c.chat(), HOLD)).toMatchObject({ state: 'failed' })
      expect(await calls(c)).toEqual([])
    },
  )

  it.each([
    ['hang=1', 0],
    ['garbage=-1', 0],
    ['text=a b c d e f&die=3', estimateTokens('a b c')],
    ['text=a b c d e f&error=500&at=3', estimateTokens('a b c')],
  ])('%s: what may have been billed counts', async (knobs, output) => {
    await using c = await conversation({ knobs })
    expect(await answered(c, await c.chat(), HOLD)).toMatchObject({ state: 'failed' })
    expect(await calls(c)).toMatchObject([
      { state: 'settled', input: promptTokens(promptOf(c)), output, estimated: true },
    ])
  })

  it('of the next in line counts for that one', async () => {
    await using c = await conversation({
      models: [{ id: 'old', model: 'scripted?error=410', price: PRICE }, { id: 'new' }],
    })
    expect(await answered(c, await c.chat({ model: 'old' }), HOLD)).toMatchObject({ state: 'done' })
    expect(await calls(c)).toMatchObject([{ model: 'new', state: 'settled', cost: null }])
  })

  it('that takes no model takes nothing', async () => {
    await using c = await conversation({ env: { BUDGET_TOKENS: '0' } })
    expect(await answered(c, await c.chat({ model: 'passages' }), HOLD)).toMatchObject({ state: 'done' })
    expect(await answered(c, await c.chat(), 'zebra')).toMatchObject({ state: 'done' })
    expect(await calls(c)).toEqual([])
  })
})

describe('a budget that is spent', () => {
  it('fails the answer before the model is asked; passages still answer it', async () => {
    await using c = await conversation({ env: { BUDGET_TOKENS: '500' } })
    const chatId = await c.chat()
    const { answerId } = await c.ask(chatId, HOLD)
    const end = heardEnd(await c.watch(answerId))
    expect(end).toMatchObject({ state: 'failed', text: '', error: { code: 'BUDGET_SPENT' } })
    expect(end.error?.detail).toMatchObject({ limit: 500, used: 0, unit: 'tokens' })
    expect(end.error?.message).toMatch(/500 tokens.*starts again on 1 [A-Z][a-z]+;.*Most relevant passages/)
    expect(c.scripted.requests).toHaveLength(0)
    const deps = { pool: c.db.pool, ...c.server }
    await c.db.pool.query("UPDATE chats SET model = 'passages' WHERE id = $1", [chatId])
    await retry(deps, c.viewer, answerId)
    expect(heardEnd(await c.watch(answerId))).toMatchObject({ state: 'done' })
    const { messages } = await getChat(deps, c.viewer, chatId)
    expect(messages[1]?.attempt).toMatchObject({ model: 'passages', state: 'done' })
  })

  it('lets exactly as many of twenty questions through as it has room for', async () => {
    await using c = await conversation({ knobs: 'hold=1' })
    await c.ask(await c.chat(), HOLD)
    await expect.poll(async () => (await calls(c)).length).toBe(1)
    const [{ input, output } = { input: 0, output: 0 }] = await calls(c)
    await setBudget(c.db, c.viewer.userId, { tokens: Math.floor(4.5 * (input + output)), usd: null })
    const chats = await Promise.all(Array.from({ length: 20 }, () => c.chat()))
    const servers = [c.server, c.startServer()]
    await Promise.all(chats.map((chatId, i) => c.ask(chatId, HOLD, servers[i % 2])))
    const inState = async (state: string) => {
      const { rows } = await c.db.pool.query<{ n: number }>(
        'SELECT count(*)::int AS n FROM attempts WHERE state = $1',
        [state],
      )
      return rows[0]?.n
    }
    // Held: none is settled, and so none makes room for another.
    await expect.poll(() => inState('failed'), { timeout: 15_000 }).toBe(17)
    expect(await calls(c)).toHaveLength(4)
    c.scripted.script({ hold: false })
    await expect.poll(() => inState('done'), { timeout: 15_000 }).toBe(4)
  })
})

describe('a question that is written out', () => {
  const knobs = new URLSearchParams({ cite: '1', rewrite: WRITTEN }).toString()

  it('counts as well', async () => {
    await using c = await conversation({ knobs })
    const chatId = await c.chat()
    await answered(c, chatId, HOLD)
    await answered(c, chatId, UNDO)
    expect(c.scripted.rewritings).toHaveLength(1)
    expect((await calls(c)).map(({ purpose, state, estimated }) => [purpose, state, estimated])).toEqual([
      ['answer', 'settled', false],
      ['rewriting', 'settled', false],
      ['answer', 'settled', false],
    ])
  })

  it('is searched as it is when the budget does not allow it, which costs nobody else theirs', async () => {
    await using c = await conversation({ knobs })
    const chatId = await c.chat()
    await answered(c, chatId, HOLD)
    await setBudget(c.db, c.viewer.userId, { tokens: 1, usd: null })
    for (let i = 0; i < 3; i++) expect((await answered(c, chatId, UNDO)).error?.code).toBe('BUDGET_SPENT')
    expect(c.scripted.rewritings).toHaveLength(0)
    // Three in a row would rest a model that is of no use for it.
    await setBudget(c.db, c.viewer.userId, { tokens: null, usd: null })
    expect(await answered(c, chatId, UNDO)).toMatchObject({ state: 'done' })
    expect(c.scripted.rewritings).toHaveLength(1)
  })
})

describe('a program', () => {
  const ask = (content: string) => ({
    model: 'terrace/handbook',
    messages: [{ role: 'user' as const, content }],
  })

  it('spends its person’s budget, with what it has written out', async () => {
    await using world = await doors({ knobs: `rewrite=${WRITTEN}` })
    const client = world.openai(await world.key(world.owner))
    await client.chat.completions.create({
      model: 'terrace/handbook',
      messages: [
        { role: 'user', content: HOLD },
        { role: 'assistant', content: 'With apt-mark hold [1].' },
        { role: 'user', content: UNDO },
      ],
    })
    expect(await calls(world)).toMatchObject([
      { who: world.owner.viewer.userId, purpose: 'rewriting', state: 'settled', estimated: false },
      { who: world.owner.viewer.userId, purpose: 'answer', state: 'settled', estimated: false },
    ])
  })

  it.each([false, true])(
    'is told by OpenAI’s own name that it is spent, and to stay away; streamed: %s',
    async (stream) => {
      await using world = await doors({ env: { BUDGET_TOKENS: '500' } })
      const key = await world.key(world.owner)
      const client = world.openai(key).withOptions({ maxRetries: 2 })
      expect(await refusal(client.chat.completions.create({ ...ask(HOLD), stream }))).toEqual([
        'RateLimitError',
        429,
        'insufficient_quota',
      ])
      expect(world.scripted.requests).toHaveLength(0)
      const response = await world.post('/v1/chat/completions', key, { ...ask(HOLD), stream })
      expect([
        response.status,
        response.headers.get('x-should-retry'),
        response.headers.get('retry-after'),
      ]).toEqual([429, 'false', null])
      expect(await response.json()).toMatchObject({
        error: {
          ...{ type: 'insufficient_quota', code: 'insufficient_quota', param: null },
          message: expect.stringMatching(/500 tokens/) as string,
        },
      })
    },
  )

  it('without any is refused', async () => {
    await using world = await doors({ env: { BUDGET_USD: '0' } })
    const client = world.openai(await world.key(world.owner))
    expect(await refusal(client.chat.completions.create(ask(HOLD)))).toEqual([
      'PermissionDeniedError',
      403,
      'BUDGET_NONE',
    ])
  })
})

const promptOf = (c: Conversation) => c.scripted.requests.at(-1)?.messages ?? []
