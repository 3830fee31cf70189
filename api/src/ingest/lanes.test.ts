import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { PgBoss } from 'pg-boss'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import {
  type IngestProcess,
  insertCollection,
  MODEL_DIR,
  spawnIngest,
  type Uploads,
  untilStage,
  upload,
} from '../../test/ingest.ts'
import { startJobs } from '../jobs/jobs.ts'
import { createFileBlobStore } from '../storage/files.ts'

const weights = existsSync(path.join(MODEL_DIR, 'bge-small-en-v1.5/model.onnx'))
const end = weights ? 'searchable' : 'words'

let home: string
let db: TestDatabase
let uploads: Uploads
let jobs: PgBoss
let collection: string
const running: IngestProcess[] = []

beforeEach(async () => {
  home = mkdtempSync(path.join(tmpdir(), 'terrace-lanes-'))
  db = await testDatabase()
  jobs = await startJobs(db.config(home), db.pool, pino({ level: 'silent' }), { supervise: false })
  uploads = { pool: db.pool, jobs, blobs: await createFileBlobStore(`${home}/storage`) }
  collection = await insertCollection(db.pool)
})
afterEach(async () => {
  for (const ingest of running.splice(0)) await ingest.kill('SIGKILL')
  await jobs?.stop({ graceful: false })
  await db?.[Symbol.asyncDispose]()
  rmSync(home, { recursive: true, force: true })
})

function start(): IngestProcess {
  const ingest = spawnIngest({
    DATABASE_URL: db.url,
    STORAGE: `file:${home}/storage`,
    TERRACE_HOME: home,
    MODEL_DIR,
    INGEST_THREADS: '1',
    AUTH_SECRET: 'test-secret-test-secret-test-secret-test',
    LOG_LEVEL: 'info',
  })
  running.push(ingest)
  return ingest
}

async function drop(person: string, files: number, name: string): Promise<string[]> {
  const ids: string[] = []
  for (let i = 0; i < files; i++) {
    const text = `File ${i} of ${name} by ${person}. The kettle number ${i} is in the kitchen.`
    ids.push((await upload(uploads, collection, `${name} ${i}.txt`, text, { person, drop: name })).versionId)
  }
  return ids
}

/** How many versions of `others` were published before this one. */
async function before(versionId: string, others: readonly string[], op: string): Promise<number> {
  const { rows } = await db.pool.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM index_log WHERE op = $2 AND version_id = ANY($3)
       AND seq < (SELECT seq FROM index_log WHERE op = $2 AND version_id = $1)`,
    [versionId, op, others],
  )
  return rows[0]?.n ?? -1
}

test('measure', async () => {
  const ann = await drop('ann', 300, 'import')
  const [bob] = await drop('bob', 1, 'single')
  const [single] = await drop('ann', 1, 'own')
  start()
  for (const id of [bob, single]) {
    if (id === undefined) throw new Error('x')
    await untilStage(db.pool, id, [end], 120_000)
  }
  for (const id of [bob, single])
    console.log(await before(id ?? '', ann, 'publish-words'), await before(id ?? '', ann, 'publish-vectors'))
}, 180_000)
