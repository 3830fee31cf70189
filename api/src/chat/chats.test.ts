import { randomUUID } from 'node:crypto'
import type { PgBoss } from 'pg-boss'
import { describe, expect, it } from 'vitest'
import { conversation, heardEnd } from '../../test/conversation.ts'
import { testServer } from '../../test/server.ts'
import { shelveCollection, shelveDocument } from '../../test/shelf.ts'
import { primaryReads } from '../database/reads.ts'
import {
  createChat,
  deleteChat,
  listChats,
  ownCollection,
  renameChat,
  setChatModel,
  setChatScope,
} from './chats.ts'
import { getChat } from './messages.ts'
import type { AnswerEvent } from './watch.ts'

const HOLD = 'How do I hold a package at its present version?'

/** Purging is a job that these tests do not look at. */
const jobs = { send: async () => 'job' } as unknown as PgBoss

describe('chats', () => {
  it('are listed by last use, page by page, each once', async () => {
    await using c = await conversation({ models: [] })
    const deps = { reads: primaryReads(c.db.pool) }
    const ids: string[] = []
    for (let i = 0; i < 7; i++) ids.unshift(await c.chat())
    const used = ids[4] ?? ''
    await c.watch((await c.ask(used, HOLD)).answerId)
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = await listChats(deps, c.viewer, { limit: 3, cursor })
      seen.push(...page.items.map(({ id }) => id))
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    expect(seen).toEqual([used, ...ids.filter((id) => id !== used)])
    expect((await listChats(deps, c.viewer, { limit: 1 })).items[0]).toMatchObject({
      title: HOLD,
      answering: false,
    })
    expect((await listChats(deps, await c.person(), { limit: 10 })).items).toEqual([])
    // A cursor that is not ours begins at the beginning.
    expect((await listChats(deps, c.viewer, { limit: 1, cursor: "x'|y" })).items[0]?.id).toBe(used)
  })

  it('say that an answer is being written', async () => {
    await using c = await conversation({ knobs: 'rate=5&tokens=1000' })
    await c.ask(await c.chat(), HOLD)
    expect(
      (await listChats({ reads: primaryReads(c.db.pool) }, c.viewer, { limit: 1 })).items[0]?.answering,
    ).toBe(true)
  })

  it('keep the title that a person gave', async () => {
    await using c = await conversation({ models: [] })
    const deps = { pool: c.db.pool, answers: c.server.answers }
    const chatId = await c.chat()
    await renameChat(deps, c.viewer, chatId, '  My\u202E\nchat ')
    await c.ask(chatId, HOLD)
    expect((await getChat(deps, c.viewer, chatId)).title).toBe('My chat')
    await expect(renameChat(deps, c.viewer, chatId, ' \u0000 ')).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
  })

  it('range over what was chosen, if the viewer may see it', async () => {
    await using c = await conversation({ models: [] })
    const deps = { pool: c.db.pool, models: c.server.models, answers: c.server.answers }
    const mine = await shelveCollection(c.db.pool, c.viewer.userId, 'viewer')
    const other = await c.person()
    const theirs = await shelveCollection(c.db.pool, other.userId)
    const document = await shelveDocument(c.db.pool, theirs, 'secret.txt', ['To hold a package, whisper.'])
    for (const scope of [
      { collectionIds: [theirs] },
      { collectionIds: [mine, theirs] },
      { collectionIds: [randomUUID()] },
      { collectionIds: [], documentId: document.documentId },
    ]) {
      await expect(createChat(deps, c.viewer, scope)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await expect(setChatScope(deps, c.viewer, await c.chat(), scope)).rejects.toMatchObject({
        code: 'NOT_FOUND',
      })
    }
    const chatId = await c.chat()
    await setChatScope(deps, c.viewer, chatId, { collectionIds: [mine, c.collectionId] })
    expect((await getChat(deps, c.viewer, chatId)).collectionIds.sort()).toEqual(
      [mine, c.collectionId].sort(),
    )
    await expect(setChatModel(deps, c.viewer, chatId, 'nope')).rejects.toMatchObject({
      code: 'MODEL_UNKNOWN',
    })
    await setChatModel(deps, c.viewer, chatId, 'passages')
    expect((await getChat(deps, c.viewer, chatId)).model).toBe('passages')
  })

  it('whose model has left MODELS since are answered by the default', async () => {
    await using c = await conversation({ knobs: 'text=Here [1].' })
    const chatId = await c.chat()
    await c.db.pool.query(`UPDATE chats SET model = 'gone' WHERE id = $1`, [chatId])
    const { answerId } = await c.ask(chatId, HOLD)
    const end = (await c.watch(answerId)).at(-1)?.event as Extract<AnswerEvent, { type: 'end' }>
    expect(end).toMatchObject({ state: 'done', text: 'Here [1].' })
  })

  it.each([true, false])('whose index was behind: %s. The answer says so, then and later', async (behind) => {
    await using c = await conversation({ knobs: 'text=Here [1].', behind })
    const chatId = await c.chat()
    const { answerId } = await c.ask(chatId, HOLD)
    expect(heardEnd(await c.watch(answerId))).toMatchObject({ text: 'Here [1].', behind })
    const { messages } = await getChat({ pool: c.db.pool, answers: c.server.answers }, c.viewer, chatId)
    expect(messages.at(-1)?.attempt?.behind).toBe(behind)
  })

  it.each([
    [true, 'engine-away'],
    [false, null],
  ])('whose search engine was away: %s. The answer says so, then and later', async (away, wordsOnly) => {
    await using c = await conversation({ knobs: 'text=Here [1].', away })
    const chatId = await c.chat()
    const { answerId } = await c.ask(chatId, HOLD)
    expect(heardEnd(await c.watch(answerId))).toMatchObject({ text: 'Here [1].', wordsOnly })
    const { messages } = await getChat({ pool: c.db.pool, answers: c.server.answers }, c.viewer, chatId)
    expect(messages.at(-1)?.attempt?.wordsOnly).toBe(wordsOnly)
  })

  it('over one document quote that one only', async () => {
    await using c = await conversation({ models: [] })
    const words = ['now', 'soon', 'later', 'never', 'again']
    const { documentId } = await shelveDocument(
      c.db.pool,
      c.collectionId,
      'one.txt',
      words.map((word) => `To hold a package at its present version, ${`${word} `.repeat(9)}ask.`),
    )
    const { answerId } = await c.ask(await c.chat({ documentId }), HOLD)
    const end = (await c.watch(answerId)).at(-1)?.event as Extract<AnswerEvent, { type: 'end' }>
    // All of it, and more of it than of one document among several.
    expect(end.citations.map((citation) => citation.documentId)).toEqual(words.map(() => documentId))
  })

  it('have a collection of their own for files, which counts without being chosen', async () => {
    await using c = await conversation({ models: [] })
    const deps = { pool: c.db.pool, answers: c.server.answers, jobs }
    const chatId = await c.chat({ collectionIds: [] })
    const [first, again] = await Promise.all([
      ownCollection(deps, c.viewer, chatId),
      ownCollection(deps, c.viewer, chatId),
    ])
    expect(again).toEqual(first)
    const { documentId } = await shelveDocument(c.db.pool, first.collectionId, 'dropped.txt', [
      'To hold a package at its present version, drop it.',
    ])
    const { answerId } = await c.ask(chatId, HOLD)
    const end = (await c.watch(answerId)).at(-1)?.event as Extract<AnswerEvent, { type: 'end' }>
    expect(end.citations.map((citation) => citation.documentId)).toEqual([documentId])
    expect(await getChat(deps, c.viewer, chatId)).toMatchObject({
      ownCollectionId: first.collectionId,
      collectionIds: [],
    })
    await deleteChat(deps, c.viewer, chatId)
    const { rows } = await c.db.pool.query(
      `SELECT deleted_at IS NOT NULL AS gone, (SELECT op FROM index_log ORDER BY seq DESC LIMIT 1) AS op FROM collections WHERE id = $1`,
      [first.collectionId],
    )
    expect(rows).toEqual([{ gone: true, op: 'retract-collection' }])
  })

  it.each([
    ['just before', 'own first'],
    ['just after', 'delete first'],
  ])('that are deleted leave no collection behind that was asked for %s', async (_, order) => {
    await using c = await conversation({ models: [] })
    const deps = { pool: c.db.pool, jobs }
    const chatId = await c.chat({ collectionIds: [] })
    const calls = [() => ownCollection(deps, c.viewer, chatId), () => deleteChat(deps, c.viewer, chatId)]
    const begun: Promise<unknown>[] = []
    // Both have looked at the chat before either may change it: they wait for its row, in this order.
    const holder = await c.db.pool.connect()
    await holder.query('BEGIN')
    await holder.query('SELECT 1 FROM chats WHERE id = $1 FOR UPDATE', [chatId])
    for (const call of order === 'own first' ? calls : calls.toReversed()) {
      begun.push(call())
      await expect
        .poll(async () => {
          const { rows } = await c.db.pool.query(
            `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
          )
          return rows.length
        })
        .toBe(begun.length)
    }
    await holder.query('COMMIT')
    holder.release()
    const outcomes = (await Promise.allSettled(begun)).map(({ status }) => status)
    expect(outcomes).toEqual(['fulfilled', order === 'own first' ? 'fulfilled' : 'rejected'])
    const { rows } = await c.db.pool.query(
      `SELECT 1 FROM collections WHERE kind = 'chat' AND deleted_at IS NULL AND created_by = $1`,
      [c.viewer.userId],
    )
    expect(rows).toEqual([])
  })

  it('can be deleted in the moment that an answer in them ends', async () => {
    await using c = await conversation({ knobs: 'rate=20&tokens=2000' })
    const chatId = await c.chat()
    const { attemptId } = await c.ask(chatId, HOLD)
    // As the end is saved: the attempt first, then its chat.
    const ending = await c.db.pool.connect()
    await ending.query('BEGIN')
    // If the two wait for each other it is this one that PostgreSQL ends: the other would quietly begin again.
    await ending.query("SET LOCAL deadlock_timeout = '50ms'")
    await ending.query('UPDATE attempts SET input_tokens = 1 WHERE id = $1', [attemptId])
    const deleted = deleteChat({ pool: c.db.pool, jobs }, c.viewer, chatId)
    await expect
      .poll(async () => {
        const { rows } = await c.db.pool.query(
          `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
             AND query LIKE '%stop_requested_at = now()%'`,
        )
        return rows.length
      })
      .toBeGreaterThan(0)
    await ending.query('UPDATE chats SET updated_at = now() WHERE id = $1', [chatId])
    await ending.query('COMMIT')
    ending.release()
    await deleted
    await expect(
      getChat({ pool: c.db.pool, answers: c.server.answers }, c.viewer, chatId),
    ).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
  })

  it('that are deleted stop what is being written in them', async () => {
    await using c = await conversation({ knobs: 'rate=20&tokens=2000' })
    const deps = { pool: c.db.pool, answers: c.server.answers, jobs }
    const chatId = await c.chat()
    await c.ask(chatId, HOLD)
    await expect.poll(() => c.scripted.requests[0]?.sent ?? 0, { timeout: 15_000 }).toBeGreaterThan(2)
    await deleteChat(deps, c.viewer, chatId)
    await expect.poll(() => c.scripted.requests[0]?.aborted, { timeout: 5_000 }).toBe(true)
    await expect(getChat(deps, c.viewer, chatId)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect((await listChats({ reads: primaryReads(c.db.pool) }, c.viewer, { limit: 10 })).items).toEqual([])
  })
})

describe('over HTTP', () => {
  it('a question is asked, watched, resumed and cited', async () => {
    await using c = await conversation({ knobs: 'rate=10' })
    await using server = await testServer(c.db, { services: { ...c.server } })
    const person = await server.person()
    const collectionId = await shelveCollection(c.db.pool, person.viewer.userId)
    await shelveDocument(c.db.pool, collectionId, 'hold.txt', [
      'To hold a package at its present version, use apt-mark hold and wait.',
    ])
    const { id: chatId } = await person.api.chats.create.mutate({ collectionIds: [collectionId] })
    const { answerId } = await person.api.chats.ask.mutate({ chatId, text: HOLD, requestId: randomUUID() })
    let text = ''
    let lastEventId: string | undefined
    for await (const { id, data } of person.subscribe('chats.watch', { answerId })) {
      const event = data as AnswerEvent
      if (event?.type !== 'text') continue
      text += event.text
      lastEventId = id
      break
    }
    expect(lastEventId).toBe(`1:${text.length}`)
    let end: Extract<AnswerEvent, { type: 'end' }> | undefined
    for await (const { event, data } of person.subscribe(
      'chats.watch',
      { answerId },
      lastEventId === undefined ? {} : { lastEventId },
    )) {
      const answer = data as AnswerEvent
      if (event === 'return') break
      if (answer?.type === 'text') text += answer.text
      if (answer?.type === 'end') end = answer
    }
    expect(end?.state).toBe('done')
    expect(end?.text.startsWith(text)).toBe(true)
    expect(end?.citations).toMatchObject([{ number: 1, documentName: 'hold.txt', available: true }])
    const chat = await person.api.chats.get.query({ id: chatId })
    expect(chat.messages.map(({ role }) => role)).toEqual(['question', 'answer'])
    expect(chat.messages[1]?.text).toBe(end?.text)
    expect((await person.api.models.list.query()).models.map(({ id }) => id)).toEqual(['m', 'passages'])
  })

  it('a question of 100 kB is refused in words', async () => {
    await using c = await conversation()
    await using server = await testServer(c.db, { services: { ...c.server } })
    const person = await server.person()
    const { id: chatId } = await person.api.chats.create.mutate({ collectionIds: [] })
    const asked = person.api.chats.ask.mutate({ chatId, text: 'x'.repeat(100_000), requestId: randomUUID() })
    await expect(asked).rejects.toMatchObject({
      message: 'The question is too long: at most 8000 characters.',
      data: { code: 'QUESTION_TOO_LONG', httpStatus: 413 },
    })
  })
})
