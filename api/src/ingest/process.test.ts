import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PgBoss } from 'pg-boss'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { freePort, startPostgres } from '../../../local/postgres.ts'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import {
  FIXTURES,
  type IngestProcess,
  insertCollection,
  MODEL_DIR,
  spawnIngest,
  type Uploads,
  untilStage,
  upload,
  versionState,
} from '../../test/ingest.ts'
import { parseConfig } from '../config.ts'
import { migrate } from '../database/migrate.ts'
import { createPool, type Pool } from '../database/pool.ts'
import { startJobs } from '../jobs/jobs.ts'
import { createFileBlobStore } from '../storage/files.ts'

const weights = existsSync(path.join(MODEL_DIR, 'bge-small-en-v1.5/model.onnx'))
const end = weights ? 'searchable' : 'words'

let home: string
let db: TestDatabase
let uploads: Uploads
let jobs: PgBoss
let collection: string
let env: Record<string, string>
let running: IngestProcess | undefined

beforeAll(async () => {
  home = mkdtempSync(path.join(tmpdir(), 'terrace-ingest-'))
  db = await testDatabase()
  env = {
    DATABASE_URL: db.url,
    STORAGE: `file:${home}/storage`,
    TERRACE_HOME: home,
    MODEL_DIR,
    INGEST_THREADS: '1',
    AUTH_SECRET: 'test-secret-test-secret-test-secret-test',
    LOG_LEVEL: 'info',
  }
  jobs = await startJobs(db.config(home), db.pool, pino({ level: 'silent' }), { supervise: false })
  uploads = { pool: db.pool, jobs, blobs: await createFileBlobStore(`${home}/storage`) }
  collection = await insertCollection(db.pool)
})
afterEach(async () => {
  await running?.kill('SIGKILL')
})
afterAll(async () => {
  await jobs?.stop({ graceful: false })
  await db?.[Symbol.asyncDispose]()
  rmSync(home, { recursive: true, force: true })
})

async function start(): Promise<IngestProcess> {
  running = spawnIngest(env)
  await running.ready()
  return running
}

const prose = (sentences: number, seed: string) =>
  Array.from({ length: sentences }, (_, i) => `Sentence ${i} of ${seed} has a few words. `).join('')

async function upload50(): Promise<string[]> {
  const report = readFileSync(path.join(FIXTURES, 'report.docx'))
  const article = readFileSync(path.join(FIXTURES, 'article.pdf'))
  const ids: string[] = []
  for (let i = 0; i < 50; i++) {
    const [name, bytes] =
      i % 10 === 3
        ? ([`report ${i}.docx`, report] as const)
        : i % 10 === 7
          ? ([`article ${i}.pdf`, article] as const)
          : ([`story ${i}.txt`, prose(20 + i, `story ${i}`)] as const)
    ids.push((await upload(uploads, collection, name, bytes)).versionId)
  }
  return ids
}

/** Published exactly once by words and by meaning, with all its passages and a vector for each. */
async function expectExactlyOnce(ids: readonly string[], pool: Pool = db.pool): Promise<void> {
  const { rows } = await pool.query<{
    ops: string[]
    passages: number
    rows: number
    ordinals: number
    vectors: number
  }>(
    `SELECT v.passages,
       (SELECT array_agg(op ORDER BY seq) FROM index_log l WHERE l.version_id = v.id) AS ops,
       (SELECT count(*)::int FROM passages p WHERE p.version_id = v.id) AS rows,
       (SELECT count(DISTINCT ordinal)::int FROM passages p WHERE p.version_id = v.id) AS ordinals,
       (SELECT count(*)::int FROM passages p JOIN passage_vectors pv ON pv.passage_id = p.id WHERE p.version_id = v.id) AS vectors
     FROM document_versions v WHERE v.id = ANY($1)`,
    [ids],
  )
  expect(rows.length).toBe(ids.length)
  for (const row of rows) {
    expect(row.ops).toEqual(weights ? ['publish-words', 'publish-vectors'] : ['publish-words'])
    expect(row.rows).toBe(row.passages)
    expect(row.ordinals).toBe(row.passages)
    expect(row.vectors).toBe(weights ? row.passages : 0)
  }
}

describe('kill -9 in the middle of 50 uploads', () => {
  test('of the ingest process, again and again: every file is searchable exactly once', async () => {
    let ingest = await start()
    const uploading = upload50()
    for (let kills = 0; kills < 5; kills++) {
      await sleep(300 + kills * 250)
      await ingest.kill('SIGKILL')
      ingest = await start()
    }
    const ids = await uploading
    for (const id of ids) await untilStage(db.pool, id, [end], 120_000)
    await expectExactlyOnce(ids)
    // What the killed ones had in hand was taken up at once, not when its heartbeat lapsed.
    expect(ingest.lines.some((line) => line.msg === 'sent jobs that were missing')).toBe(false)
  }, 180_000)

  test('of its parsers: the same', async () => {
    const ingest = await start()
    const uploading = upload50()
    for (let kills = 0; kills < 2; kills++) {
      await sleep(400)
      for (const pid of childrenOf(ingest.child.pid ?? 0)) process.kill(pid, 'SIGKILL')
    }
    const ids = await uploading
    for (const id of ids) await untilStage(db.pool, id, [end], 120_000)
    await expectExactlyOnce(ids)
  }, 180_000)
})

test('jobs of a killed process are taken up at once, those of a living one are left alone', async () => {
  const held = async (name: string) => {
    const { versionId } = await upload(uploads, collection, name, 'Held by somebody.', { job: false })
    // Not to be fetched by a process that runs already.
    await jobs.send('ingest', { versionId }, { priority: 1, startAfter: 3600 })
    // As fetched by another process, whose heartbeat will not lapse for an hour.
    await db.pool.query(
      `UPDATE pgboss.job SET state = 'active', started_on = now(), heartbeat_on = now() + interval '1 hour'
       WHERE data->>'versionId' = $1`,
      [versionId],
    )
    return versionId
  }
  const left = await held('left.txt')
  await start()
  await untilStage(db.pool, left, [end])
  const kept = await held('kept.txt')
  const second = spawnIngest(env)
  try {
    await second.ready()
    const next = await upload(uploads, collection, 'next.txt', 'Comes after.')
    await untilStage(db.pool, next.versionId, [end])
    expect((await versionState(db.pool, kept)).stage).toBe('received')
  } finally {
    await second.kill('SIGKILL')
  }
}, 120_000)

test('a file that was in hand each time the process was killed is set aside after many times; a try in order begins anew', async () => {
  const heldAt = async (name: string, output: object | null) => {
    const { versionId } = await upload(uploads, collection, name, `The text of ${name}.`)
    await db.pool.query(
      `UPDATE pgboss.job SET state = 'active', started_on = now(), heartbeat_on = now(), output = $2
       WHERE data->>'versionId' = $1`,
      [versionId, output],
    )
    return versionId
  }
  const killsOf = async (versionId: string) => {
    const { rows } = await db.pool.query<{ kills: number | null }>(
      `SELECT (output->>'kills')::int AS kills FROM pgboss.job WHERE name = 'ingest' AND data->>'versionId' = $1`,
      [versionId],
    )
    return rows[0]?.kills
  }
  const eleventh = await heldAt('eleventh.txt', { kills: 10 })
  const tenth = await heldAt('tenth.txt', { kills: 9 })
  const first = await heldAt('first.txt', { value: { message: 'a try that ended in order' } })
  await start()
  expect(await untilStage(db.pool, eleventh, ['attention'])).toMatchObject({
    error_code: 'FILE_PARSER_CRASHED',
    error_detail: { crashes: 11 },
    crashes: 0,
  })
  for (const id of [tenth, first]) {
    expect(await untilStage(db.pool, id, [end])).toMatchObject({ crashes: 0 })
    await expect.poll(() => killsOf(id)).toBeNull()
  }
  await expectExactlyOnce([tenth, first])
  expect((await versionState(db.pool, eleventh)).stage).toBe('attention')
  // The next process finds nothing to count.
  await running?.kill('SIGTERM')
  await start()
  expect((await versionState(db.pool, eleventh)).stage).toBe('attention')
}, 120_000)

test('kill -9 of PostgreSQL in the middle of 50 uploads: every accepted file is searchable exactly once', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-ingest-postgres-'))
  chmodSync(folder, 0o755)
  const port = await freePort()
  const startDatabase = () =>
    startPostgres({ dataDir: path.join(folder, 'postgres'), port, password: 'test' })
  let postgres = await startDatabase()
  const url = postgres.url('postgres')
  await migrate({ connectionString: url })
  const config = parseConfig({ ...env, DATABASE_URL: url })
  const pool = createPool(config, { name: 'test', onError: () => {} })
  const own = {
    pool,
    jobs: await startJobs(config, pool, pino({ level: 'silent' }), { supervise: false }),
    blobs: uploads.blobs,
  }
  const to = await insertCollection(pool)
  const ingest = spawnIngest({ ...env, DATABASE_URL: url })
  running = ingest
  try {
    await ingest.ready()
    const accepted: string[] = []
    for (let i = 0; i < 50; i++) {
      if (i === 20 || i === 40) {
        postgres.process.kill('SIGKILL')
        await new Promise((resolve) => postgres.process.once('exit', resolve))
        postgres = await again(startDatabase)
      }
      // An upload that the database did not live to accept is refused: people see that and try again.
      const { versionId } = await again(() => upload(own, to, `story ${i}.txt`, prose(20 + i, `story ${i}`)))
      accepted.push(versionId)
    }
    for (const id of accepted) {
      const { stage } = await untilStage(pool, id, [end, 'attention'], 120_000)
      expect(stage).toBe(end)
    }
    await expectExactlyOnce(accepted, pool)
  } finally {
    await ingest.kill('SIGKILL')
    await own.jobs.stop({ graceful: false })
    await pool.end()
    await postgres.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}, 240_000)

async function again<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++)
    try {
      return await work()
    } catch (error) {
      if (tries === 100) throw error
      await sleep(100)
    }
}

describe('stopping', () => {
  test.each(['SIGTERM', 'stdin'] as const)(
    'by %s: what is under way is handed back and is no try of its file',
    async (how) => {
      let ingest = await start()
      const ids = await Promise.all(
        Array.from({ length: 6 }, (_, i) =>
          upload(uploads, collection, `long ${i}.txt`, prose(600, `long story ${i}`)),
        ),
      )
      await untilStage(db.pool, ids[0]?.versionId ?? '', ['splitting', 'words', 'searchable'])
      if (how === 'stdin') {
        ingest.child.stdin?.end()
        // `exit` may come before the last line was read.
        await new Promise((resolve) => ingest.child.once('close', resolve))
      } else await ingest.kill('SIGTERM')
      expect(ingest.child.exitCode).toBe(0)
      expect(ingest.lines.at(-1)?.msg).toBe('stopped')
      const { rows } = await db.pool.query<{ n: number }>(
        "SELECT count(*)::int AS n FROM pgboss.job WHERE state = 'active' OR (state = 'retry' AND start_after > now())",
      )
      expect(rows[0]?.n).toBe(0)
      ingest = await start()
      for (const { versionId } of ids) {
        await untilStage(db.pool, versionId, [end], 120_000)
        expect((await versionState(db.pool, versionId)).crashes).toBe(0)
      }
      await expectExactlyOnce(ids.map(({ versionId }) => versionId))
    },
    240_000,
  )

  test('its parsers die with it', async () => {
    const ingest = await start()
    const parsers = childrenOf(ingest.child.pid ?? 0)
    expect(parsers.length).toBeGreaterThan(0)
    await ingest.kill('SIGKILL')
    await expect.poll(() => parsers.filter(isAlive), { timeout: 10_000 }).toEqual([])
  })
})

function childrenOf(pid: number): number[] {
  const list = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim()
  return list === '' ? [] : list.split(' ').map(Number)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
