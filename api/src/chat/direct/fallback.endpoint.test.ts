// What becomes of an answer whose page can't get it, or vanishes.
import { describe, expect, it } from 'vitest'
import { conversation, heardEnd } from '../../../test/conversation.ts'
import {
  answeredDirectly,
  answerIn,
  askDirect,
  historyOf,
  lapse,
  offered,
  pageEndpoint,
  SHOWN,
} from '../../../test/direct.ts'
import { retry, stop } from '../ask.ts'
import { deleteChat } from '../chats.ts'
import { loadContext } from '../context.ts'
import { finish } from './finish.ts'
import { pushText } from './page-attempts.ts'
import { prepare, relay } from './prepare.ts'

const page = pageEndpoint()
const { begun } = page

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
    expect(await answerIn(c, chatId)).toMatchObject({ id: attemptId, number: 1, text: SHOWN })
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
    expect(await answerIn(c, chatId)).toMatchObject({ state: 'streaming', text: 'Run' })
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
    expect(await answerIn(c, chatId)).toMatchObject({ number: 2 })
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
    expect(await answerIn(c, chatId)).toMatchObject({ id: attemptId, number: 1, unverified: true })
    expect(await pushText(c.db.pool, attemptId, { start: 12, text: ' on', longest: 99 })).toMatchObject({
      owned: false,
    })
    expect(await historyOf(c, chatId)).toEqual([])
  })

  it('come back in mid-answer, the second time: no source of the first answer stands under it', async () => {
    await using c = await begun()
    const chatId = await c.chat({ model: 'llama-3-8b' })
    const { answerId } = await answeredDirectly(c, chatId)
    expect((await answerIn(c, chatId)).citations).toHaveLength(1)
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
    expect((await answerIn(c, chatId)).citations).toEqual([])
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
    expect(await answerIn(c, chatId)).toMatchObject({
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
