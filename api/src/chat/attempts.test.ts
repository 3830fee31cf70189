// An owner that was cut off and comes back finds its attempt ended, and can change nothing any more.
import { randomUUID } from 'node:crypto'
import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { type AttemptEnd, saveEnd } from './attempt-end.ts'
import { insertAttempt, renewLeases, requestStop, saveProgress, takeOverLapsed } from './attempts.ts'
import { createChunkWriter } from './chunks.ts'
import { type AttemptIdentity, LiveAttempt } from './live.ts'

const END: AttemptEnd = {
  ...{ state: 'done', text: 'All of it.', citations: [], model: 'm', behind: false, error: null },
  ...{ inputTokens: 1, outputTokens: 2 },
}

async function attempt(db: TestDatabase, owner = 'a'): Promise<AttemptIdentity> {
  const userId = randomUUID()
  await db.pool.query('INSERT INTO users (id, name, email) VALUES ($1, $1, $1)', [userId])
  const { rows } = await db.pool.query<{ id: string }>(
    `WITH c AS (INSERT INTO chats (user_id) VALUES ($1) RETURNING id)
     INSERT INTO messages (chat_id, position, role) SELECT id, 2, 'answer' FROM c RETURNING id`,
    [userId],
  )
  return insertAttempt(db.pool, { answerId: rows[0]?.id ?? '', userId, number: 1, model: 'm', owner })
}

const takeOver = async (...lapsed: Parameters<typeof takeOverLapsed>) =>
  (await takeOverLapsed(...lapsed)).begun

const lapse = (db: TestDatabase, { id }: AttemptIdentity) =>
  db.pool.query(`UPDATE attempts SET lease_until = now() - interval '1 second' WHERE id = $1`, [id])

const state = async (db: TestDatabase, { answerId }: AttemptIdentity) =>
  (
    await db.pool.query(
      `SELECT a.number, a.state, a.owner, m.text FROM attempts a JOIN messages m ON m.id = a.message_id
       WHERE m.id = $1 ORDER BY a.number`,
      [answerId],
    )
  ).rows

describe('an attempt', () => {
  it('belongs to one server: nobody else ends it or notes progress', async () => {
    await using db = await testDatabase()
    const mine = await attempt(db)
    expect(await saveEnd(db.pool, 'b', mine, END)).toBe(false)
    await saveProgress(db.pool, 'b', mine.id, { state: 'streaming', model: 'x', passages: [] })
    expect(await state(db, mine)).toEqual([{ number: 1, state: 'waiting', owner: 'a', text: '' }])
    expect(await saveEnd(db.pool, 'a', mine, END)).toBe(true)
    expect(await saveEnd(db.pool, 'a', mine, { ...END, text: 'Again.' })).toBe(false)
    expect(await state(db, mine)).toEqual([{ number: 1, state: 'done', owner: null, text: 'All of it.' }])
  })

  it('whose lease holds is left alone, and one that lapsed is taken over once', async () => {
    await using db = await testDatabase()
    const [held, lapsed] = [await attempt(db), await attempt(db)]
    await lapse(db, lapsed)
    const [first, second] = await Promise.all([takeOver(db.pool, 'b'), takeOver(db.pool, 'c')])
    expect([...first, ...second].map(({ number, answerId }) => [number, answerId])).toEqual([
      [2, lapsed.answerId],
    ])
    expect((await state(db, held)).map((row) => row.state)).toEqual(['waiting'])
    // The old owner is not told of it any more, and its end comes too late.
    expect([...(await renewLeases(db.pool, 'a', [held.id, lapsed.id])).keys()]).toEqual([held.id])
    expect(await saveEnd(db.pool, 'a', lapsed, END)).toBe(false)
    expect((await state(db, lapsed)).map((row) => [row.state, row.text])).toEqual([
      ['interrupted', ''],
      ['waiting', ''],
    ])
  })

  it('that this server is writing itself is not taken from it', async () => {
    await using db = await testDatabase()
    const lapsed = await attempt(db)
    await lapse(db, lapsed)
    expect(await takeOver(db.pool, 'a', [lapsed.id])).toEqual([])
    expect([...(await renewLeases(db.pool, 'a', [lapsed.id])).keys()]).toEqual([lapsed.id])
    expect(await takeOver(db.pool, 'b')).toEqual([])
  })

  it('that its owner does not know of lapses, however busy the owner is', async () => {
    await using db = await testDatabase()
    const [known, unknown] = [await attempt(db), await attempt(db)]
    await lapse(db, unknown)
    expect([...(await renewLeases(db.pool, 'a', [known.id])).keys()]).toEqual([known.id])
    expect((await takeOver(db.pool, 'b')).map(({ answerId }) => answerId)).toEqual([unknown.answerId])
  })

  it('that another server is just taking over is left to it', async () => {
    await using db = await testDatabase()
    const lapsed = await attempt(db)
    await lapse(db, lapsed)
    const other = await db.pool.connect()
    await other.query('BEGIN')
    await other.query('SELECT 1 FROM attempts WHERE id = $1 FOR UPDATE', [lapsed.id])
    expect(await takeOver(db.pool, 'b')).toEqual([])
    await other.query('ROLLBACK')
    other.release()
    expect(await takeOver(db.pool, 'b')).toHaveLength(1)
  })

  it('that was to be stopped when its server died is stopped, not begun again', async () => {
    await using db = await testDatabase()
    const mine = await attempt(db)
    const other = await attempt(db)
    expect(await requestStop(db.pool, mine.answerId)).toMatchObject({ id: mine.id })
    expect(await renewLeases(db.pool, 'a', [mine.id, other.id])).toEqual(
      new Map([
        [mine.id, { stopRequested: true }],
        [other.id, { stopRequested: false }],
      ]),
    )
    await lapse(db, mine)
    expect(await takeOver(db.pool, 'b')).toEqual([])
    expect((await state(db, mine)).map((row) => row.state)).toEqual(['stopped'])
    expect(await requestStop(db.pool, mine.answerId)).toBeNull()
  })
})

describe('chunks', () => {
  const rows = async (db: TestDatabase) =>
    (
      await db.pool.query(
        'SELECT attempt_id AS id, start, text FROM attempt_chunks ORDER BY attempt_id, start',
      )
    ).rows

  it('of all attempts go in one statement, and join up', async () => {
    await using db = await testDatabase()
    const writer = createChunkWriter(db.pool, pino({ level: 'silent' }))
    const live = [
      new LiveAttempt(await attempt(db), 'waiting'),
      new LiveAttempt(await attempt(db), 'waiting'),
    ]
    const say = (text: string) => {
      for (const one of live) {
        one.append(text)
        writer.add(one)
      }
    }
    say('Grüße ')
    say('👩‍🔬')
    await writer.flush()
    say(' "quoted" \\ and\nmore')
    await writer.flush()
    const saved = await rows(db)
    expect(saved).toHaveLength(4)
    for (const { id } of live)
      expect(saved.filter((row) => row.id === id).map(({ start, text }) => [start, text])).toEqual([
        [0, 'Grüße 👩‍🔬'],
        [11, ' "quoted" \\ and\nmore'],
      ])
    writer.stop()
  })

  it('of an attempt that has ended, or whose chat is gone, do not fail the others', async () => {
    await using db = await testDatabase()
    const writer = createChunkWriter(db.pool, pino({ level: 'silent' }))
    const [gone, ended, good] = [await attempt(db), await attempt(db), await attempt(db)]
    await db.pool.query('DELETE FROM chats WHERE user_id = $1', [gone.userId])
    await saveEnd(db.pool, 'a', ended, END)
    for (const identity of [gone, ended, good]) {
      const live = new LiveAttempt(identity, 'streaming')
      live.append('text')
      writer.add(live)
    }
    await writer.flush()
    expect(await rows(db)).toEqual([{ id: good.id, start: 0, text: 'text' }])
    writer.stop()
  })

  it('whose reply got lost are written again, with what has come since', async () => {
    await using db = await testDatabase()
    const live = new LiveAttempt(await attempt(db), 'streaming')
    const lossy = {
      query: async (query: never) => {
        await db.pool.query(query)
        throw new Error('the reply got lost')
      },
    }
    const failing = createChunkWriter(lossy as never, pino({ level: 'silent' }))
    live.append('abc')
    failing.add(live)
    await expect(failing.flush()).rejects.toThrow('lost')
    failing.stop()
    const writer = createChunkWriter(db.pool, pino({ level: 'silent' }))
    live.append('def')
    writer.add(live)
    await writer.flush()
    live.append('ghi')
    writer.add(live)
    await writer.flush()
    expect((await rows(db)).map(({ start, text }) => [start, text])).toEqual([
      [0, 'abcdef'],
      [6, 'ghi'],
    ])
    writer.stop()
  })
})
