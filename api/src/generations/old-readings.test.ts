// Readings that no generation has any more: their texts go, what was cited of them moves, and nothing goes that a search
// sees.
import { randomUUID } from 'node:crypto'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { addGeneration, addReading, isRead, readSo } from '../../test/readings.ts'
import { type ShelvedDocument, shelveCollection, shelveDocument } from '../../test/shelf.ts'
import { citationsOf } from '../chat/shown.ts'
import { type Pool, transaction } from '../database/pool.ts'
import { append } from '../index/log.ts'
import { removeOldReadings } from './old-readings.ts'

const log = pino({ enabled: false })
const viewer = { userId: 'reader', sessionId: '', name: '', email: 'r@example.org', role: 'member' } as const

let db: TestDatabase
let pool: Pool
let collectionId: string
/** What searches see by meaning; the first reading is the old one. */
let active: number
beforeEach(async () => {
  db = await testDatabase()
  pool = db.pool
  await pool.query("INSERT INTO users (id, name, email) VALUES ($1, 'Reader', 'r@example.org')", [
    viewer.userId,
  ])
  collectionId = await shelveCollection(pool, viewer.userId)
  await addGeneration(pool, 1, 'removed')
  active = await addReading(pool, 320)
  await addGeneration(pool, active, 'active')
})
afterEach(() => db[Symbol.asyncDispose]())

/** As if all was published long ago. */
async function remove(signal = new AbortController().signal, on = pool): Promise<void> {
  await pool.query("UPDATE document_versions SET updated_at = now() - interval '1 hour'")
  await removeOldReadings(on, log, signal)
}

/** Read by the first reading, each text a passage. */
async function shelve(...texts: string[]): Promise<ShelvedDocument> {
  const document = await shelveDocument(pool, collectionId, 'a.txt', texts)
  await isRead(pool, document.versionId, 1, 1, texts.length)
  return document
}

/** By both. */
async function both(texts: readonly string[], pages: readonly (readonly string[])[]) {
  const document = await shelve(...texts)
  return { ...document, again: await readSo(pool, document.versionId, active, pages) }
}

/** How many rows of passages, pages and version_readings a version has of a reading. */
async function left({ versionId }: { versionId: string }, readingId: number): Promise<number[]> {
  const counts = ['passages', 'pages', 'version_readings'].map(
    (table) => `(SELECT count(*)::int FROM ${table} WHERE version_id = $1 AND reading_id = $2) AS ${table}`,
  )
  const { rows } = await pool.query<Record<string, number>>(`SELECT ${counts.join(', ')}`, [
    versionId,
    readingId,
  ])
  return Object.values(rows[0] ?? {})
}

const NOTHING = [0, 0, 0]

describe('texts of a reading', () => {
  test('go where another one is seen, which stays; words go by what they were published with', async () => {
    const searchable = await both(['One.', 'Two.'], [['One. Two.'], ['Three.']])
    const neverReadAnew = await shelve('One.')
    const words = await both(['One.'], [['One.']])
    const wordsOfOld = await both(['One.'], [['One.']])
    await pool.query("UPDATE document_versions SET stage = 'words', reading_id = $2 WHERE id = $1", [
      words.versionId,
      active,
    ])
    await pool.query("UPDATE document_versions SET stage = 'words' WHERE id = $1", [wordsOfOld.versionId])
    await remove()
    expect(await left(searchable, 1)).toEqual(NOTHING)
    expect(await left(searchable, active)).toEqual([2, 2, 1])
    expect(await left(neverReadAnew, 1)).toEqual([1, 1, 1])
    expect(await left(words, 1)).toEqual(NOTHING)
    expect(await left(words, active)).toEqual([1, 1, 1])
    expect(await left(wordsOfOld, 1)).toEqual([1, 1, 1])
    expect(await left(wordsOfOld, active)).toEqual([1, 1, 1])
    // Once it has its vectors, that one, too.
    await pool.query("UPDATE document_versions SET stage = 'searchable', reading_id = $2 WHERE id = $1", [
      wordsOfOld.versionId,
      active,
    ])
    await remove()
    expect(await left(wordsOfOld, 1)).toEqual(NOTHING)
    expect(await left(wordsOfOld, active)).toEqual([1, 1, 1])
  })

  test.each(['building', 'retired'])('stay while a generation that is %s has it', async (state) => {
    const document = await both(['One.'], [['One.']])
    const id = await addGeneration(pool, 1, state)
    await remove()
    expect(await left(document, 1)).toEqual([1, 1, 1])
    await pool.query("UPDATE generations SET state = 'removing' WHERE id = $1", [id])
    await remove()
    expect(await left(document, 1)).toEqual(NOTHING)
  })

  test('stay for ten minutes after a switch: an index may still answer by them', async () => {
    const document = await both(['One.'], [['One.']])
    await transaction(pool, (client) => append(client, { op: 'switch-generation', generationId: 1 }))
    const ago = (interval: string) =>
      pool.query("UPDATE index_log SET at = now() - $1::interval WHERE op = 'switch-generation'", [interval])
    await ago('9 minutes')
    await remove()
    expect(await left(document, 1)).toEqual([1, 1, 1])
    await pool.query("UPDATE document_versions SET updated_at = now() - interval '9 minutes'")
    await removeOldReadings(pool, log, new AbortController().signal, { settleMinutes: 8 })
    expect(await left(document, 1)).toEqual(NOTHING)
    const other = await both(['One.'], [['One.']])
    await ago('11 minutes')
    // Nor is one left alone for less that was published by the newer reading after the switch.
    await removeOldReadings(pool, log, new AbortController().signal)
    expect(await left(other, 1)).toEqual([1, 1, 1])
    await remove()
    expect(await left(other, 1)).toEqual(NOTHING)
  })

  test('of any length, of many documents', async () => {
    const many: ShelvedDocument[] = []
    for (let i = 0; i < 103; i++) many.push(await both(['One.'], [['One.']]))
    const long = await both(['One.'], [['One.']])
    await pool.query(
      `INSERT INTO passages (version_id, ordinal, page, char_start, char_end, text, tokens)
       SELECT $1, n, 1, 0, 4, 'One.', 1 FROM generate_series(1, 4500) n`,
      [long.versionId],
    )
    await remove()
    for (const document of [...many, long]) {
      expect(await left(document, 1)).toEqual(NOTHING)
      expect(await left(document, active)).toEqual([1, 1, 1])
    }
  })

  test('are removed by one process at a time', async () => {
    const document = await both(['One.'], [['One.']])
    const other = await pool.connect()
    await other.query('SELECT pg_advisory_lock(1743910000)')
    await remove().finally(() => other.query('SELECT pg_advisory_unlock(1743910000)'))
    other.release()
    expect(await left(document, 1)).toEqual([1, 1, 1])
    await remove()
    expect(await left(document, 1)).toEqual(NOTHING)
    // It held it no longer than that.
    const { rows } = await pool.query(
      "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 1743910000",
    )
    expect(rows).toEqual([])
  })

  test('are whole or gone wherever it is broken off, and go the next time', async () => {
    const documents = [
      await both(['One.'], [['One.']]),
      await both(['One.'], [['One.']]),
      await both(['One.'], [['One.']]),
    ]
    const stop = new AbortController()
    let versions = 0
    const stopping = watched(async (sql) => {
      if (/^DELETE FROM pages/.test(sql) && ++versions === 2) stop.abort()
    })
    await expect(remove(stop.signal, stopping)).rejects.toThrow()
    const states = async () => {
      const all = await Promise.all(documents.map((document) => left(document, 1)))
      return all.map((counts) => counts.join()).sort()
    }
    expect(await states()).toEqual(['0,0,0', '0,0,0', '1,1,1'])
    // As when the process, or its connection, is lost in the middle of a version.
    const dying = watched(async (sql) => {
      if (/^DELETE FROM pages/.test(sql)) throw new Error('lost')
    })
    await expect(remove(undefined, dying)).rejects.toThrow('lost')
    expect(await states()).toEqual(['0,0,0', '0,0,0', '1,1,1'])
    await remove()
    expect(await states()).toEqual(['0,0,0', '0,0,0', '0,0,0'])
  })

  test.each([
    [
      'a new one',
      () =>
        addGenerationLater(
          "INSERT INTO generations (digest, reading_id, key, dimensions, state) VALUES ('new', 1, '{}', 8, 'building')",
        ),
    ],
    [
      'one that was removed before',
      () => addGenerationLater("UPDATE generations SET state = 'building' WHERE reading_id = 1"),
    ],
  ])('stay when a generation begins in the same moment: %s', async (_, begin) => {
    const document = await both(['One.'], [['One.']])
    const commit = await begin()
    const removal = remove()
    await expect.poll(waiting, { interval: 20 }).toBe(1).finally(commit)
    await removal
    expect(await left(document, 1)).toEqual([1, 1, 1])
  })

  test('stay when the version goes back to them in the same moment', async () => {
    const document = await both(['One.'], [['One.']])
    const { promise: mayCommit, resolve: commit } = Promise.withResolvers<void>()
    const { promise: changed, resolve: hasChanged } = Promise.withResolvers<void>()
    const change = transaction(pool, async (client) => {
      await client.query('SELECT 1 FROM documents WHERE id = $1 FOR NO KEY UPDATE', [document.documentId])
      await client.query("UPDATE document_versions SET stage = 'words' WHERE id = $1", [document.versionId])
      hasChanged()
      await mayCommit
    })
    await changed
    const removal = remove()
    await expect.poll(waiting, { interval: 20 }).toBe(1).finally(commit)
    await Promise.all([change, removal])
    expect(await left(document, 1)).toEqual([1, 1, 1])
  })
})

describe('what was cited', () => {
  const FOX = 'The quick brown fox jumps over the lazy dog.'
  const HEN = 'A small grey hen sits under an old tree.'
  const OWL = 'Owls fly at night without any noise.'

  test('moves to the passage that has most of its words, and shows it', async () => {
    const document = await both([FOX, HEN, OWL], [[OWL], [`${FOX} ${HEN}`]])
    const answer = await cite(document, document.passageIds)
    const question = await golden(document, document.passageIds[1])
    await remove()
    const long = { passageId: document.again[1], readingId: active, page: 2, charStart: 0, charEnd: 85 }
    const short = { passageId: document.again[0], readingId: active, page: 1, charStart: 0, charEnd: 36 }
    expect(await shown(answer)).toMatchObject([
      { number: 1, ...long, quote: `${FOX} ${HEN}`, available: true },
      { number: 2, ...long, quote: `${FOX} ${HEN}`, available: true },
      { number: 3, ...short, quote: OWL, available: true },
    ])
    const { rows } = await pool.query(
      'SELECT reading_id, page, char_start, char_end FROM golden_answers WHERE question_id = $1',
      [question],
    )
    expect(rows).toEqual([{ reading_id: active, page: 2, char_start: 0, char_end: 85 }])
    const saved = await pool.query(
      'SELECT number, passage_id, reading_id, page, char_start, char_end FROM citations WHERE number = 3',
    )
    expect(saved.rows).toEqual([
      {
        ...{ number: 3, passage_id: String(document.again[0]), reading_id: active, page: 1 },
        ...{ char_start: 0, char_end: 36 },
      },
    ])
  })

  test('moves to the largest part of it where passages are shorter now', async () => {
    const long = 'one two three four five six seven eight nine ten'
    const document = await both([long], [['one two three', 'four five six seven', 'eight nine ten more']])
    const answer = await cite(document, document.passageIds)
    await remove()
    expect(await shown(answer)).toMatchObject([
      { passageId: document.again[1], quote: 'four five six seven' },
    ])
  })

  test('stays where it is when no passage has half of its words, and is shown as no longer available', async () => {
    const words = ['one two three four', 'one two three four five six seven eight nine']
    const document = await both(words, [['one two', 'three ONE'], ['eight seven six and more']])
    const answer = await cite(document, document.passageIds)
    const { rows: before } = await pool.query('SELECT * FROM citations WHERE number = 2')
    await remove()
    expect(await shown(answer)).toMatchObject([
      { number: 1, passageId: document.again[0], available: true },
      { number: 2, passageId: document.passageIds[1], available: false, quote: null },
    ])
    expect((await pool.query('SELECT * FROM citations WHERE number = 2')).rows).toEqual(before)
  })

  test('counts a word as often as it is there', async () => {
    const document = await both(['no no no yes'], [['yes no', 'no no no']])
    const answer = await cite(document, document.passageIds)
    await remove()
    expect(await shown(answer)).toMatchObject([{ passageId: document.again[1] }])
  })

  test('of passages that are alike, goes to that of its page, and then to the nearest', async () => {
    const document = await shelve(FOX)
    await pool.query('DELETE FROM version_readings')
    await pool.query('DELETE FROM passages')
    const old = await addReading(pool, 120)
    const ids = await readSo(pool, document.versionId, old, [
      [OWL, OWL],
      [FOX, OWL, OWL, OWL, FOX],
    ])
    const again = await readSo(pool, document.versionId, active, [
      [OWL, OWL, FOX],
      [HEN, FOX, HEN, HEN, FOX],
    ])
    const answer = await cite(document, [ids[2], ids[6]])
    await remove()
    expect((await shown(answer)).map(({ passageId }) => passageId)).toEqual([again[4], again[7]])
  })

  test('is looked for in all of a long document', async () => {
    const document = await both([FOX], [[...Array.from({ length: 450 }, () => HEN), FOX]])
    const answer = await cite(document, document.passageIds)
    await remove()
    expect(await shown(answer)).toMatchObject([{ passageId: document.again[450] }])
  })

  test('is found in scripts without spaces, and whatever the case', async () => {
    const chinese = '今天天气很好。'
    const document = await both(
      [`${chinese}我们去公园散步。`, 'ΟΔΟΣ ΑΘΗΝΑΣ'],
      [['οδος αθηνας', `说起来${chinese}然后我们去公园散步了`, '完全不同的句子在这里']],
    )
    const answer = await cite(document, document.passageIds)
    await remove()
    expect((await shown(answer)).map(({ passageId }) => passageId)).toEqual([
      document.again[1],
      document.again[0],
    ])
  })

  test('in the moment of the removal moves, too', async () => {
    const document = await both([FOX, HEN], [[FOX, HEN]])
    const first = await cite(document, [document.passageIds[0]])
    let second: string | undefined
    const cites = watched(async (sql) => {
      if (second === undefined && /p\.ordinal > \$3/.test(sql))
        second = await cite(document, [document.passageIds[1]])
    })
    await remove(undefined, cites)
    expect(await shown(first)).toMatchObject([{ passageId: document.again[0], available: true }])
    expect(await shown(second ?? '')).toMatchObject([{ passageId: document.again[1], available: true }])
  })

  test('by a build that says the first reading of all it cites moves by its passage', async () => {
    const document = await shelve(FOX)
    const old = await addReading(pool, 120)
    const [id] = await readSo(pool, document.versionId, old, [[FOX]])
    const [again] = await readSo(pool, document.versionId, active, [[FOX]])
    await pool.query("UPDATE generations SET state = 'retired' WHERE reading_id = 1")
    const answer = await cite(document, [id])
    await pool.query('UPDATE citations SET reading_id = 1')
    await remove()
    expect(await left(document, old)).toEqual(NOTHING)
    expect(await shown(answer)).toMatchObject([{ passageId: again, readingId: active, available: true }])
  })

  test('of other documents, and of what is seen, is not touched', async () => {
    const document = await both([FOX], [[FOX]])
    const other = await shelve(FOX)
    const answer = await cite(other, other.passageIds)
    const seen = await cite(document, document.again, active)
    const question = await golden(other, other.passageIds[0])
    const all = async () => [
      await shown(answer),
      await shown(seen),
      (await pool.query('SELECT * FROM golden_answers WHERE question_id = $1', [question])).rows,
    ]
    const before = await all()
    await remove()
    expect(await all()).toEqual(before)
    expect(await left(document, 1)).toEqual(NOTHING)
  })
})

test('of answers by older builds the documents are noted, unless a passage was gone before', async () => {
  const [one, two, gone] = [
    await both(['One.'], [['One.']]),
    await both(['Two.'], [['Two.']]),
    await both(['Three.'], [['Three.']]),
  ]
  const given = [...one.passageIds, ...two.passageIds, ...one.passageIds]
  const [older, lacking, newer] = [
    await attempt(given, null),
    await attempt([...given, ...gone.passageIds], null),
    await attempt(given, [gone.documentId]),
  ]
  await pool.query('DELETE FROM passages WHERE id = $1', [gone.passageIds[0]])
  await remove()
  const { rows } = await pool.query<{ id: string; ids: string[] | null }>(
    'SELECT id, document_ids AS ids FROM attempts',
  )
  const ids = new Map(rows.map((row) => [row.id, row.ids]))
  expect(ids.get(older)?.sort()).toEqual([one.documentId, two.documentId].sort())
  expect(ids.get(lacking)).toBeNull()
  expect(ids.get(newer)).toEqual([gone.documentId])
})

/** An answer that cites these. @returns its message's id */
async function cite(
  document: ShelvedDocument,
  passageIds: readonly (number | undefined)[],
  readingId = 1,
): Promise<string> {
  const message = await answerOf()
  await pool.query(
    `INSERT INTO citations (message_id, number, passage_id, document_id, version_id, reading_id, page, char_start, char_end)
     SELECT $1, c.n, p.id, $3, p.version_id, $4, p.page, p.char_start, p.char_end
     FROM unnest($2::bigint[]) WITH ORDINALITY AS c(id, n) JOIN passages p ON p.id = c.id`,
    [message, passageIds, document.documentId, readingId],
  )
  return message
}

async function answerOf(): Promise<string> {
  const { rows } = await pool.query<{ id: string }>(
    `WITH c AS (INSERT INTO chats (user_id) VALUES ($1) RETURNING id)
     INSERT INTO messages (chat_id, position, role) SELECT id, 2, 'answer' FROM c RETURNING id`,
    [viewer.userId],
  )
  return rows[0]?.id ?? ''
}

async function attempt(
  passageIds: readonly number[],
  documentIds: readonly string[] | null,
): Promise<string> {
  const id = randomUUID()
  await pool.query(
    `INSERT INTO attempts (id, message_id, number, state, passage_ids, document_ids, ended_at)
     VALUES ($1, $2, 1, 'done', $3, $4, now())`,
    [id, await answerOf(), passageIds, documentIds],
  )
  return id
}

const shown = async (answer: string) => (await citationsOf(pool, viewer, [answer])).get(answer) ?? []

/** A question whose right answer is this passage. @returns its id */
async function golden({ documentId }: ShelvedDocument, passageId: number | undefined): Promise<string> {
  const { rows } = await pool.query<{ id: string }>(
    `WITH q AS (INSERT INTO golden_questions (collection_id, text) VALUES ($1, 'Which?') RETURNING id)
     INSERT INTO golden_answers (question_id, document_id, version_id, page, char_start, char_end)
     SELECT q.id, $2, p.version_id, p.page, p.char_start, p.char_end FROM q, passages p WHERE p.id = $3
     RETURNING question_id AS id`,
    [collectionId, documentId, passageId],
  )
  return rows[0]?.id ?? ''
}

/** Runs a statement in a transaction that waits. @returns what commits it */
async function addGenerationLater(sql: string): Promise<() => Promise<void>> {
  const client = await pool.connect()
  await client.query('BEGIN')
  await client.query(sql)
  return async () => {
    await client.query('COMMIT')
    client.release()
  }
}

/** Statements that wait for a lock. */
async function waiting(): Promise<number> {
  const { rows } = await pool.query(
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
  )
  return rows.length
}

/** The pool, with something that happens after each statement. */
function watched(after: (sql: string) => Promise<void>): Pool {
  const watch = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(on, name) {
        const value = Reflect.get(on, name)
        if (typeof value !== 'function') return value
        if (name === 'connect') return async () => watch(await pool.connect())
        if (name !== 'query') return value.bind(on)
        return async (...args: unknown[]) => {
          const result = await value.apply(on, args)
          await after(String(args[0]))
          return result
        }
      },
    })
  return watch(pool)
}
