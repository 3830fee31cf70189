import { describe, expect, it, vi } from 'vitest'
import { conversation, heardEnd, heardText } from '../../test/conversation.ts'
import { retry } from './ask.ts'
import { getChat } from './messages.ts'

const HOLD = 'How do I hold a package at its present version?'

describe('a model that fails', () => {
  it.each([
    ['hang=1', 'MODEL_STALLED', 0],
    ['stall=3&rate=50', 'MODEL_STALLED', 3],
    ['die=3', 'MODEL_STALLED', 3],
    ['error=401', 'MODEL_REFUSED_KEY', 0],
    ['error=429&retryAfter=9', 'MODEL_BUSY', 0],
    ['error=500', 'MODEL_UNAVAILABLE', 0],
    ['error=500&at=3', 'MODEL_UNAVAILABLE', 3],
    ['garbage=-1', 'MODEL_BROKEN', 0],
    ['garbage=3', 'MODEL_BROKEN', 3],
  ])('%s: the answer fails as %s and keeps %i tokens', async (knobs, code, tokens) => {
    await using c = await conversation({ knobs: `text=a b c d e f&${knobs}` })
    const { answerId } = await c.ask(await c.chat(), HOLD)
    const heard = await c.watch(answerId)
    const end = heardEnd(heard)
    expect(end).toMatchObject({ state: 'failed', text: 'a b c d e f'.slice(0, Math.max(0, 2 * tokens - 1)) })
    expect(end.error?.code).toBe(code)
    expect(end.error?.message).not.toBe('')
    expect(heardText(heard)).toBe(end.text)
  })

  it('can be asked again: its old text goes, a new attempt begins', async () => {
    await using c = await conversation({ knobs: 'text=a b c d e f&error=500&at=3' })
    const chatId = await c.chat()
    const { answerId } = await c.ask(chatId, HOLD)
    const before = await c.watch(answerId)
    c.scripted.script({ text: 'Better now [1].', error: 0, rate: 50 })
    const deps = { pool: c.db.pool, ...c.server }
    await retry(deps, c.viewer, answerId)
    await expect(retry(deps, c.viewer, answerId)).rejects.toMatchObject({ code: 'CONFLICT' })
    const after = await c.watch(answerId, { lastEventId: before.at(-1)?.id ?? '' })
    expect(after[0]).toEqual({ id: '2:0', event: { type: 'reset', attempt: 2 } })
    expect(heardText(after)).toBe('Better now [1].')
    expect(heardEnd(after)).toMatchObject({ state: 'done', error: null, text: 'Better now [1].' })
    expect((await getChat(deps, c.viewer, chatId)).messages[1]?.attempt).toMatchObject({
      number: 2,
      state: 'done',
    })
  })

  it.each([404, 410])('%i: the model is retired and the next in line answers', async (status) => {
    await using c = await conversation({
      models: [
        { id: 'old', model: `scripted?error=${status}` },
        { id: 'new', model: 'scripted?text=From the new one [1].' },
      ],
    })
    const chatId = await c.chat({ model: 'old' })
    const { answerId } = await c.ask(chatId, HOLD)
    expect(heardEnd(await c.watch(answerId))).toMatchObject({ state: 'done', text: 'From the new one [1].' })
    const { messages } = await getChat({ pool: c.db.pool, answers: c.server.answers }, c.viewer, chatId)
    expect(messages[1]?.attempt).toMatchObject({ model: 'new', askedModel: 'old' })
    expect((await c.server.models.list()).models[0]).toMatchObject({ id: 'old', available: false })
    // The next question does not ask it again.
    await c.watch((await c.ask(chatId, HOLD)).answerId)
    expect(c.scripted.requests.map(({ model }) => model.split('?')[1]?.slice(0, 5))).toEqual([
      'error',
      'text=',
      'text=',
    ])
  })

  it('when none is left, passages answer', async () => {
    await using c = await conversation({ knobs: 'error=410' })
    const chatId = await c.chat()
    const { answerId } = await c.ask(chatId, HOLD)
    const end = heardEnd(await c.watch(answerId))
    expect(end).toMatchObject({ state: 'done', text: '' })
    expect(end.citations.length).toBeGreaterThan(0)
    const { messages } = await getChat({ pool: c.db.pool, answers: c.server.answers }, c.viewer, chatId)
    expect(messages[1]?.attempt).toMatchObject({ model: 'passages', askedModel: 'm' })
  })

  it('one that a person chose is asked although it could not be reached, and named', async () => {
    await using c = await conversation({
      models: [{ id: 'first' }, { id: 'chosen', model: 'scripted?error=500' }],
    })
    const chatId = await c.chat({ model: 'chosen' })
    expect(heardEnd(await c.watch((await c.ask(chatId, HOLD)).answerId)).error?.code).toBe(
      'MODEL_UNAVAILABLE',
    )
    const { models } = await c.server.models.list()
    expect(models[1]).toMatchObject({ available: true, availability: { state: 'unreachable' } })
    c.scripted.script({ text: 'There again [1].', error: 0 })
    expect(heardEnd(await c.watch((await c.ask(chatId, HOLD)).answerId))).toMatchObject({
      state: 'done',
      text: 'There again [1].',
    })
    const chat = await getChat({ pool: c.db.pool, answers: c.server.answers }, c.viewer, chatId)
    expect(chat.messages[3]?.attempt).toMatchObject({ model: 'chosen', askedModel: 'chosen' })
    expect((await c.server.models.list()).models[1]?.availability.state).toBe('available')
  })

  it('whoever takes an answer over asks for what was asked for', async () => {
    await using c = await conversation({
      models: [
        { id: 'old', model: 'scripted?error=410' },
        { id: 'new', model: 'scripted?rate=20&tokens=400' },
      ],
    })
    const chatId = await c.chat({ model: 'old' })
    const { answerId } = await c.ask(chatId, HOLD)
    await vi.waitFor(() => expect(c.server.answers.live(answerId)?.state).toBe('streaming'), 10_000)
    const second = c.startServer()
    await c.server.stop()
    c.scripted.script({ text: 'From the second server [1].', tokens: 10, rate: 10 })
    await vi.waitFor(() => expect(second.answers.live(answerId)).toBeDefined(), 10_000)
    await c.watch(answerId, { server: second })
    const { messages } = await getChat({ pool: c.db.pool, answers: second.answers }, c.viewer, chatId)
    expect(messages[1]?.attempt).toMatchObject({
      ...{ number: 2, state: 'done', model: 'new', askedModel: 'old' },
    })
  })
})
