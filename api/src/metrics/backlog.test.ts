import type { PgBoss } from 'pg-boss'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { shelveCollection, shelveDocument } from '../../test/shelf.ts'
import { wordIndex } from '../../test/word-index.ts'
import type { IndexStatus } from '../index/port.ts'
import { startJobs } from '../jobs/jobs.ts'
import { readBacklog } from './backlog.ts'

let db: TestDatabase
let jobs: PgBoss
/** Of a document in a collection of its person's. */
let document: { versionId: string; documentId: string }

beforeEach(async () => {
  db = await testDatabase()
  jobs = await startJobs(db.config('/tmp/terrace-unused'), db.pool, pino({ level: 'silent' }), {
    supervise: false,
  })
  await db.pool.query("INSERT INTO users (id, name, email) VALUES ('ann', 'ann', 'ann')")
  document = await shelveDocument(db.pool, await shelveCollection(db.pool, 'ann'), 'a.txt', ['a'])
})
afterEach(async () => {
  await jobs.stop({ graceful: false })
  await db[Symbol.asyncDispose]()
})

const read = (status: Partial<IndexStatus> = {}) => {
  const index = wordIndex(db.pool)
  return readBacklog(db.pool, { status: () => ({ ...index.status(), ...status }) })
}
const ago = (seconds: number) => `now() - interval '${seconds} seconds'`

async function send(queue: 'ingest' | 'embed' | 'purge', { state = 'created', sent = 0 } = {}) {
  const id = await jobs.send(queue, { versionId: document.versionId })
  await db.pool.query(`UPDATE pgboss.job SET state = $2, created_on = ${ago(sent)} WHERE id = $1`, [
    id,
    state,
  ])
}

test('without jobs nothing waits and nothing failed', async () => {
  expect(await read()).toEqual({ IngestQueueAge: 0, DeadLetters: 0, IndexLag: 0 })
})

test('the oldest that waits counts, whether it was tried before or not', async () => {
  await send('ingest', { sent: 100 })
  await send('embed', { sent: 200, state: 'retry' })
  await send('purge', { sent: 9_000 })
  await send('ingest', { sent: 9_000, state: 'completed' })
  const { IngestQueueAge } = await read()
  expect(IngestQueueAge).toBeGreaterThanOrEqual(200)
  expect(IngestQueueAge).toBeLessThan(1_000)
})

test('of one that is worked on the time since its last progress counts', async () => {
  await send('embed', { sent: 9_000, state: 'active' })
  const progress = (seconds: number) =>
    db.pool.query(`UPDATE document_versions SET updated_at = ${ago(seconds)} WHERE id = $1`, [
      document.versionId,
    ])
  await progress(0)
  expect((await read()).IngestQueueAge).toBeLessThan(1_000)
  await progress(4_000)
  expect((await read()).IngestQueueAge).toBeGreaterThanOrEqual(4_000)
  // Whatever became of the document: nobody has settled its job.
  await db.pool.query('DELETE FROM documents WHERE id = $1', [document.documentId])
  expect((await read()).IngestQueueAge).toBeGreaterThanOrEqual(9_000)
})

test('jobs that failed for good count, in every queue', async () => {
  await send('ingest', { state: 'failed' })
  await send('purge', { state: 'failed' })
  await send('embed', { state: 'cancelled' })
  // Of this one an alarm has told.
  await send('ingest', { state: 'failed', sent: 100_000 })
  expect(await read()).toMatchObject({ DeadLetters: 2, IngestQueueAge: 0 })
})

test('so does a file that was given up for nobody knows why, and none that has a reason', async () => {
  const attention = (code: string) =>
    db.pool.query("UPDATE document_versions SET stage = 'attention', error_code = $1", [code])
  await attention('INTERNAL')
  expect(await read()).toMatchObject({ DeadLetters: 1 })
  await db.pool.query('UPDATE documents SET deleted_at = now()')
  expect(await read()).toMatchObject({ DeadLetters: 0 })
  await db.pool.query('UPDATE documents SET deleted_at = NULL')
  await db.pool.query(`UPDATE document_versions SET updated_at = ${ago(100_000)}`)
  expect(await read()).toMatchObject({ DeadLetters: 0 })
  await db.pool.query('UPDATE document_versions SET updated_at = now()')
  expect(await read()).toMatchObject({ DeadLetters: 1 })
  await attention('FILE_DAMAGED')
  expect(await read()).toMatchObject({ DeadLetters: 0 })
})

test('an index that has everything is not behind, whenever it looked last; one that is not loaded has no lag', async () => {
  const lag = async (status: Partial<IndexStatus>) => (await read(status)).IndexLag
  await db.pool.query('UPDATE index_head SET seq = 7')
  const at = (seq: number) => ({ position: { epoch: 'test', seq }, behindMs: 90_000 })
  expect(await lag(at(7))).toBe(0)
  expect(await lag(at(6))).toBe(90)
  expect(await lag({ ...at(6), ready: false })).toBeNull()
  expect(await lag({ ready: true, position: null, behindMs: null })).toBeNull()
})
