// A version read in more than one way, by real parsers.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { PgBoss } from 'pg-boss'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { insertCollection, requestCancel, type Uploads, upload, versionState } from '../../test/ingest.ts'
import { startJobs } from '../jobs/jobs.ts'
import { createLog } from '../log.ts'
import { openBlobStore } from '../storage/open.ts'
import type { BlobStore } from '../storage/port.ts'
import { type ParserPool, startParserPool } from './parse/pool.ts'
import { cancelVersion, keepReading, publishWords } from './publish.ts'
import { readFile } from './read.ts'
import { type ReadAgain, readAgain } from './read-again.ts'
import { findReading, type Reading } from './reading.ts'
import { reconcile } from './reconcile.ts'

let home: string
let db: TestDatabase
let jobs: PgBoss
let blobs: BlobStore
let parsers: ParserPool
let uploads: Uploads
let collection: string
let first: Reading
let long: Reading
let again: ReadAgain
const log = createLog({ logLevel: 'silent' } as never, 'readings-test')
const never = new AbortController().signal

beforeAll(async () => {
  home = mkdtempSync(path.join(tmpdir(), 'terrace-readings-'))
  db = await testDatabase()
  const config = db.config(home)
  jobs = await startJobs(config, db.pool, log, { supervise: false })
  blobs = await openBlobStore(config)
  parsers = await startParserPool({ log, tokenizer: null, size: 2 })
  uploads = { pool: db.pool, jobs, blobs }
  collection = await insertCollection(db.pool)
  first = await findReading(db.pool, { parser: 1, splitter: 1, passageTokens: 200 })
  long = await findReading(db.pool, { parser: 1, splitter: 1, passageTokens: 320 })
  await db.pool.query(
    `INSERT INTO generations (digest, key, dimensions, reading_id, state)
     VALUES ('short', '{}', 4, 1, 'active'), ('long', '{}', 4, $1, 'building')`,
    [long.id],
  )
  again = readAgain({ pool: db.pool, blobs, parsers, log })
})
afterAll(async () => {
  await jobs?.stop({ graceful: false })
  await parsers?.close()
  await db?.[Symbol.asyncDispose]()
  rmSync(home, { recursive: true, force: true })
})
beforeEach(() => switchTo('short'))

async function switchTo(digest: string): Promise<void> {
  await db.pool.query("UPDATE generations SET state = 'retired' WHERE state <> 'removed'")
  await db.pool.query("UPDATE generations SET state = 'active' WHERE digest = $1", [digest])
}
const prose = Array.from({ length: 200 }, (_, i) => `Sentence ${i} tells something about kettle ${i % 31}.`)
const add = (name = 'story.txt', options: { documentId?: string } = {}) =>
  upload(uploads, collection, name, `${name} ${prose.join(' ')}`, { ...options, job: false })
const read = (versionId: string, more: Partial<Parameters<typeof readFile>[0]> = {}) =>
  readFile(
    { pool: db.pool, jobs, blobs, parsers, log, embed: async () => true, ...more },
    { versionId },
    never,
  )
const passages = async (versionId: string, { id }: Reading) => {
  const { rows } = await db.pool.query<{ text: string; page: string }>(
    `SELECT p.text, substr(g.text, p.char_start + 1, p.char_end - p.char_start) AS page
     FROM passages p JOIN pages g ON g.version_id = p.version_id AND g.reading_id = p.reading_id AND g.number = p.page
     WHERE p.version_id = $1 AND p.reading_id = $2 ORDER BY p.ordinal`,
    [versionId, id],
  )
  for (const row of rows) expect(row.page).toBe(row.text)
  return rows.map(({ text }) => text)
}
const entries = async (versionId: string) => {
  const { rows } = await db.pool.query<{ op: string; reading_id: number | null }>(
    'SELECT op, reading_id FROM index_log WHERE version_id = $1 ORDER BY seq',
    [versionId],
  )
  return rows.map(({ op, reading_id: reading }) => `${op} ${reading ?? ''}`.trim())
}

test('a version is read anew from its original, beside what is found of it', async () => {
  const { versionId } = await add()
  await read(versionId)
  const before = await passages(versionId, first)
  expect(await again(versionId, long, never)).toBe(true)
  const after = await passages(versionId, long)
  expect(await passages(versionId, first)).toEqual(before)
  expect(after.length).toBeLessThan(before.length * 0.75)
  expect(after.join(' ')).toBe(before.join(' '))
  expect(await entries(versionId)).toEqual([`publish-words ${first.id}`])
  // Twice does no harm.
  expect(await again(versionId, long, never)).toBe(true)
  expect(await passages(versionId, long)).toEqual(after)
})

test('what is read while another reading is switched to is published by that one', async () => {
  const { versionId } = await add()
  const read1: number[] = []
  const switching: ParserPool = {
    ...{ sandbox: parsers.sandbox, pids: () => [], close: async () => {} },
    async parse(file, hooks, signal) {
      read1.push(file.passageTokens ?? 0)
      const result = await parsers.parse(file, hooks, signal)
      await switchTo('long')
      return result
    },
  }
  await read(versionId, { parsers: switching })
  expect(read1).toEqual([200, 320])
  expect(await entries(versionId)).toEqual([`publish-words ${long.id}`])
  expect(await passages(versionId, first)).toEqual([])
  expect((await passages(versionId, long)).length).toBe((await versionState(db.pool, versionId)).passages)
  expect(await versionState(db.pool, versionId)).toMatchObject({ stage: 'words', reading_id: long.id })
})

test('nothing is published, or kept, of a reading that nobody wants', async () => {
  const { versionId } = await add()
  await read(versionId)
  const other = await findReading(db.pool, { parser: 1, splitter: 1, passageTokens: 120 })
  expect(await again(versionId, other, never)).toBe(false)
  expect(await passages(versionId, other)).toEqual([])
  const { versionId: unread } = await add()
  const result = { kind: 'text', pages: 0, passages: 0, tokens: 0, language: 'en' } as const
  const words = publishWords({ pool: db.pool, jobs }, unread, other.id, [], result, { embed: false })
  expect(await words).toBe('switched')
  expect(await keepReading(db.pool, unread, long.id, [], result)).toBe('gone')
})

test('a version that was replaced is not read anew', async () => {
  const before = await add('before.txt')
  await read(before.versionId)
  const next = await add('after.txt', { documentId: before.documentId })
  const replacing: ParserPool = {
    ...{ sandbox: parsers.sandbox, pids: () => [], close: async () => {} },
    async parse(file, hooks, signal) {
      const result = await parsers.parse(file, hooks, signal)
      await read(next.versionId)
      return result
    },
  }
  const late = readAgain({ pool: db.pool, blobs, parsers: replacing, log })
  expect(await late(before.versionId, long, never)).toBe(false)
  expect(await passages(before.versionId, long)).toEqual([])
})

test('an original that is not what was uploaded is not read anew', async () => {
  const { versionId } = await add()
  await read(versionId)
  await db.pool.query("UPDATE document_versions SET sha256 = repeat('0', 64) WHERE id = $1", [versionId])
  await expect(again(versionId, long, never)).rejects.toMatchObject({ code: 'FILE_ORIGINAL_MISSING' })
  expect(await passages(versionId, long)).toEqual([])
})

test('a deleted document is not read anew, and nothing of it comes after its deletion', async () => {
  const { versionId, documentId } = await add()
  await read(versionId)
  const deleting: ParserPool = {
    ...{ sandbox: parsers.sandbox, pids: () => [], close: async () => {} },
    async parse(file, hooks, signal) {
      const result = await parsers.parse(file, hooks, signal)
      await db.pool.query('UPDATE documents SET deleted_at = now() WHERE id = $1', [documentId])
      return result
    },
  }
  const late = readAgain({ pool: db.pool, blobs, parsers: deleting, log })
  expect(await late(versionId, long, never)).toBe(false)
  expect(await passages(versionId, long)).toEqual([])
  expect(await again(versionId, long, never)).toBe(false)
})

test('the version before comes back by the words that it has, when another reading was switched to meanwhile', async () => {
  const before = await add('before.txt')
  await read(before.versionId)
  await db.pool.query("UPDATE document_versions SET stage = 'searchable' WHERE id = $1", [before.versionId])
  const next = await add('after.txt', { documentId: before.documentId })
  await read(next.versionId)
  await switchTo('long')
  await requestCancel(db.pool, next.versionId)
  await cancelVersion({ pool: db.pool, jobs }, next.versionId)
  expect(await versionState(db.pool, before.versionId)).toMatchObject({
    stage: 'words',
    reading_id: first.id,
  })
  expect((await entries(before.versionId)).at(-1)).toBe(`publish-words ${first.id}`)
  // It is wanted by the active reading, too; and then comes back by that.
  expect(await again(before.versionId, long, never)).toBe(true)
  const later = await add('later.txt', { documentId: before.documentId })
  await read(later.versionId)
  await requestCancel(db.pool, later.versionId)
  await cancelVersion({ pool: db.pool, jobs }, later.versionId)
  expect((await entries(before.versionId)).at(-1)).toBe(`publish-words ${long.id}`)
})

test('what an older build has read is said to be, once', async () => {
  const { versionId } = await add()
  await read(versionId)
  await db.pool.query('DELETE FROM version_readings WHERE version_id = $1', [versionId])
  await reconcile({ pool: db.pool, jobs, embeds: false, isActive: () => false })
  const { rows } = await db.pool.query(
    `SELECT r.reading_id, r.passages = v.passages AS passages, r.pages = v.pages AS pages
     FROM version_readings r JOIN document_versions v ON v.id = r.version_id WHERE v.id = $1`,
    [versionId],
  )
  expect(rows).toEqual([{ reading_id: first.id, passages: true, pages: true }])
})

test('what an older build has read beside a row of another reading is said, and read anew where it is half there', async () => {
  const { versionId } = await add()
  await read(versionId)
  await db.pool.query('UPDATE version_readings SET reading_id = $2 WHERE version_id = $1', [
    versionId,
    long.id,
  ])
  await reconcile({ pool: db.pool, jobs, embeds: false, isActive: () => false })
  const { rows } = await db.pool.query(
    'SELECT reading_id AS id FROM version_readings WHERE version_id = $1 ORDER BY reading_id',
    [versionId],
  )
  expect(rows).toEqual([{ id: first.id }, { id: long.id }])
  const before = await passages(versionId, first)
  await db.pool.query('DELETE FROM version_readings WHERE version_id = $1 AND reading_id = $2', [
    versionId,
    first.id,
  ])
  const ids = await db.pool.query('SELECT id FROM passages WHERE version_id = $1 ORDER BY id', [versionId])
  expect(await again(versionId, first, never)).toBe(true)
  expect(await passages(versionId, first)).toEqual(before)
  // Indexes have these very passages.
  const after = await db.pool.query('SELECT id FROM passages WHERE version_id = $1 ORDER BY id', [versionId])
  expect(after.rows).toEqual(ids.rows)
})

test('a version that could not be read anew is found again when its replacement is cancelled', async () => {
  const before = await add('before.txt')
  await read(before.versionId)
  await db.pool.query("UPDATE document_versions SET stage = 'attention' WHERE id = $1", [before.versionId])
  const next = await add('after.txt', { documentId: before.documentId })
  await read(next.versionId)
  await requestCancel(db.pool, next.versionId)
  await cancelVersion({ pool: db.pool, jobs }, next.versionId)
  expect((await entries(before.versionId)).at(-1)).toBe(`publish-words ${first.id}`)
  expect(await versionState(db.pool, before.versionId)).toMatchObject({ stage: 'words' })
})

test('one file at a time is read anew; a reading of a newer build is left to that', async () => {
  const files = await Promise.all([1, 2, 3].map((n) => add(`${n}.txt`)))
  for (const { versionId } of files) await read(versionId)
  let [now, most, all] = [0, 0, 0]
  const counting: ParserPool = {
    ...{ sandbox: parsers.sandbox, pids: () => [], close: async () => {} },
    async parse(file, hooks, signal) {
      all++
      most = Math.max(most, ++now)
      return await parsers.parse(file, hooks, signal).finally(() => now--)
    },
  }
  const one = readAgain({ pool: db.pool, blobs, parsers: counting, log })
  const given = new AbortController()
  given.abort(new Error('not wanted any more'))
  const [, aborted] = await Promise.allSettled([
    one(files[0]?.versionId ?? '', long, never),
    one(files[1]?.versionId ?? '', long, given.signal),
    one(files[2]?.versionId ?? '', long, never),
  ])
  expect(most).toBe(1)
  expect(aborted).toMatchObject({ status: 'rejected', reason: { message: 'not wanted any more' } })
  expect((await passages(files[2]?.versionId ?? '', long)).length).toBeGreaterThan(1)
  // What another process has done meanwhile is not done again.
  expect(await one(files[2]?.versionId ?? '', long, never)).toBe(true)
  expect(all).toBe(2)
  await expect(one(files[1]?.versionId ?? '', { ...long, parser: 1_000 }, never)).rejects.toMatchObject({
    code: 'UNAVAILABLE',
  })
})
