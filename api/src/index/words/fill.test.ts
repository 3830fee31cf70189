import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../../test/database.ts'
import { renewEpoch } from '../epoch.ts'
import { FixtureLibrary } from '../fixtures.ts'
import { Analysers } from '../lexical/analysis.ts'
import type { Position } from '../port.ts'
import { differing, fillDocument } from './fill-document.ts'
import { filledTo, filling, shown } from './fixtures.ts'
import { removeWords } from './remove.ts'

const FILLING = path.join(import.meta.dirname, '../../../test/filling.ts')

let db: TestDatabase
let library: FixtureLibrary
beforeAll(async () => {
  db = await testDatabase()
  library = new FixtureLibrary(db.pool)
})
afterAll(() => db[Symbol.asyncDispose]())

const lines = (word: string, count: number) =>
  Array.from({ length: count }, (_, i) => ({ text: `${word} ${i}` }))

async function everything(): Promise<number> {
  const { rows } = await db.pool.query<{ count: number }>('SELECT count(*)::int AS count FROM passage_words')
  return rows[0]?.count ?? -1
}

test('what existed before is filled; what is published, replaced, deleted and purged later follows', async () => {
  const collection = await library.collection()
  const old = await library.document(collection)
  const before = await library.publish(old, lines('before', 1_200))
  await using filled = filling(db)
  await filled.reached(before.position)
  expect(await shown(db)).toEqual(new Map([[old.key, before.passageIds]]))

  const fresh = await library.document(collection)
  const published = await library.publish(fresh, lines('fresh', 2))
  await filled.reached(published.position)
  expect((await shown(db)).get(fresh.key)).toEqual(published.passageIds)

  const second = await library.publish(old, lines('after', 3))
  await filled.reached(second.position)
  expect((await shown(db)).get(old.key)).toEqual(second.passageIds)

  await filled.reached(await library.retract(fresh))
  expect(await shown(db)).toEqual(new Map([[old.key, second.passageIds]]))
  await library.purge(fresh)
  await library.purge(old)
  expect([await shown(db), await everything()]).toEqual([new Map(), 0])

  const other = await library.collection()
  const one = await library.publish(await library.document(other), lines('one', 2))
  await filled.reached(one.position)
  expect(await everything()).toBe(2)
  await filled.reached(await library.retractCollection(other))
  expect(await everything()).toBe(0)
})

test('what was changed while nobody filled is found by comparing, also where the log does not go back so far', async () => {
  const collection = await library.collection()
  const [kept, replaced, gone] = [
    await library.document(collection),
    await library.document(collection),
    await library.document(collection),
  ]
  const first = await library.publish(kept, lines('kept', 2))
  await library.publish(replaced, lines('old', 2))
  const third = await library.publish(gone, lines('gone', 2))
  {
    await using filled = filling(db)
    await filled.reached(third.position)
  }
  const second = await library.publish(replaced, lines('new', 1))
  const last = await library.retract(gone)
  await db.pool.query('DELETE FROM index_log WHERE seq < $1', [last.seq])
  await using filled = filling(db)
  await filled.reached(last)
  expect(await shown(db)).toEqual(
    new Map([
      [kept.key, first.passageIds],
      [replaced.key, second.passageIds],
    ]),
  )
  await library.retractCollection(collection)
})

test('a history that the database has lost is no place to go on from: what came instead is filled', async () => {
  const collection = await library.collection()
  const lost = await library.document(collection)
  await using filled = filling(db)
  const { position } = await library.publish(lost, lines('lost', 1))
  await filled.reached(position)
  // As after a restore to a moment before the last publication, after which others were made.
  await library.purge(lost)
  await db.pool.query('DELETE FROM index_log WHERE seq >= $1', [position.seq])
  await db.pool.query('UPDATE index_head SET seq = $1', [position.seq - 1])
  await renewEpoch(db.pool)
  const other = await library.document(collection)
  const instead = await library.publish(other, lines('instead', 2))
  expect(instead.position.seq).toBe(position.seq)
  await filled.reached(instead.position)
  expect((await shown(db)).get(other.key)).toEqual(instead.passageIds)
  await library.purge(other)
})

test('what is read anew is filled anew, though it is the same version in the same reading', async () => {
  const document = await library.document(await library.collection())
  const version = await library.publish(document, lines('once', 2))
  {
    await using filled = filling(db)
    await filled.reached(version.position)
  }
  for (const table of ['passages', 'version_readings'])
    await db.pool.query(`DELETE FROM ${table} WHERE version_id = $1`, [version.versionId])
  const again = await library.read(version, 1, lines('again', 3))
  await using filled = filling(db)
  await filled.reached(await library.session('somebody'))
  expect((await shown(db)).get(document.key)).toEqual(again)
  await library.purge(document)
})

test('another reading takes the place of the one before when a generation of it becomes active', async () => {
  const { rows } = await db.pool.query<{ id: number }>(
    'INSERT INTO readings (parser, splitter, passage_tokens) VALUES (1, 1, 320) RETURNING id',
  )
  const readingId = rows[0]?.id ?? 0
  const document = await library.document(await library.collection())
  const first = await library.publish(document, [{ text: 'fig', vector: [1, 0] }])
  await using filled = filling(db)
  await filled.reached(first.position)
  expect((await shown(db)).get(document.key)).toEqual(first.passageIds)
  const generation = await library.buildGeneration('other', () => [1, 0], readingId)
  const again = await library.read(first, readingId, [{ text: 'fig tree' }, { text: 'fig leaf' }], generation)
  await filled.reached(await library.switchTo(generation))
  expect((await shown(db)).get(document.key)).toEqual(again)
  await library.switchTo(await library.generation())
  await library.retract(document)
})

test('a document is shown when all of it is there, and not a passage before', async () => {
  const document = await library.document(await library.collection())
  const old = await library.publish(document, lines('old', 1))
  const stop = new AbortController()
  const client = await db.pool.connect()
  const options = { client, analysers: new Analysers(), signal: stop.signal }
  try {
    await fillDocument(options, document.key)
    const { passageIds } = await library.publish(document, lines('new', 1_300))
    const seen: (readonly number[] | undefined)[] = []
    const told = {
      query: async (...asked: Parameters<typeof client.query>) => {
        const answer = await client.query(...asked)
        seen.push((await shown(db)).get(document.key))
        return answer
      },
    }
    // biome-ignore lint/suspicious/noExplicitAny: of its many forms only the one with a promise is used
    await fillDocument({ ...options, client: told as any }, document.key)
    const states = seen.filter((ids, i) => JSON.stringify(ids) !== JSON.stringify(seen[i - 1]))
    expect(states).toEqual([old.passageIds, passageIds])
    expect(await differing(client)).not.toContain(document.key)
  } finally {
    client.release()
  }
  await library.retract(document)
})

test('whoever fills may be killed at any time: another goes on where it was, and everything is there once', async () => {
  const collection = await library.collection()
  const published: { key: number; passageIds: readonly number[] }[] = []
  let last: Position = { epoch: '', seq: 0 }
  for (let n = 0; n < 6; n++) {
    const document = await library.document(collection)
    const { passageIds, position } = await library.publish(document, lines(`killed ${n}`, 1_700))
    published.push({ key: document.key, passageIds })
    last = position
  }
  for (let kills = 0; kills < 4; kills++) {
    const before = await everything()
    const child = spawn(process.execPath, [FILLING, db.url])
    const exited = once(child, 'exit')
    await expect.poll(everything, { interval: 10 }).toBeGreaterThan(before)
    child.kill('SIGKILL')
    await exited
  }
  await using filled = filling(db)
  await filled.reached(last)
  const found = await shown(db)
  for (const { key, passageIds } of published) expect(found.get(key)).toEqual(passageIds)
})

test('two servers take turns: one fills, the other goes on when it has ended', async () => {
  const document = await library.document(await library.collection())
  const one = filling(db)
  await using other = filling(db)
  const first = await library.publish(document, lines('turn', 1))
  await filledTo(db, first.position)
  await one[Symbol.asyncDispose]()
  const second = await library.publish(document, lines('turned', 2))
  await other.reached(second.position)
  expect((await shown(db)).get(document.key)).toEqual(second.passageIds)
})

test('nothing is removed while somebody keeps the words up; then all of it, and what fills next begins anew', async () => {
  const document = await library.document(await library.collection())
  const { position, passageIds } = await library.publish(document, lines('removed', 3))
  const client = await db.pool.connect()
  try {
    {
      await using filled = filling(db)
      await filled.reached(position)
      expect(await removeWords(client)).toBe(false)
      expect((await shown(db)).get(document.key)).toEqual(passageIds)
    }
    expect(await removeWords(client)).toBe(true)
    expect(await everything()).toBe(0)
    for (const table of ['word_fill', 'word_documents'])
      expect((await db.pool.query(`SELECT 1 FROM ${table}`)).rowCount).toBe(0)
  } finally {
    client.release(true)
  }
  await using filled = filling(db)
  await filled.reached(position)
  expect((await shown(db)).get(document.key)).toEqual(passageIds)
})

test('who can not have the lock comes again, and writes nothing', async () => {
  await using own = await testDatabase()
  const theirs = new FixtureLibrary(own.pool)
  const { position } = await theirs.publish(
    await theirs.document(await theirs.collection()),
    lines('held', 1),
  )
  const holder = await own.pool.connect()
  await holder.query("SELECT pg_advisory_lock(hashtextextended('terrace words', 0))")
  await using filled = filling(own)
  const tries = new Set<number>()
  const connections = async () => {
    const { rows } = await own.pool.query<{ pid: number }>(
      "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'terrace-words'",
    )
    for (const { pid } of rows) tries.add(pid)
    return tries.size
  }
  try {
    await expect.poll(connections, { interval: 1 }).toBeGreaterThan(1)
    expect(await shown(own)).toEqual(new Map())
  } finally {
    holder.release(true)
  }
  await filled.reached(position)
})

test('statistics that take long hold nothing up', async () => {
  const collection = await library.collection()
  const first = await library.publish(await library.document(collection), lines('first', 2))
  const blocker = await db.pool.connect()
  try {
    await blocker.query('BEGIN')
    // What ANALYZE waits for, and nothing that is written.
    await blocker.query('LOCK TABLE passage_words IN SHARE UPDATE EXCLUSIVE MODE')
    await using filled = filling(db)
    await filled.reached(first.position)
    const next = await library.publish(await library.document(collection), lines('next', 2))
    await filled.reached(next.position)
  } finally {
    await blocker.query('ROLLBACK')
    blocker.release()
  }
})
