import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PgBoss } from 'pg-boss'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { testEmbedders } from '../../test/embedders.ts'
import {
  type IngestProcess,
  insertCollection,
  MODEL_DIR,
  spawnIngest,
  type Uploads,
  untilStage,
  upload,
  versionState,
} from '../../test/ingest.ts'
import { AppError } from '../errors.ts'
import { startJobs } from '../jobs/jobs.ts'
import type { Embedder } from '../models/port.ts'
import { createFileBlobStore } from '../storage/files.ts'
import { startIngest } from './ingest.ts'
import { startParserPool } from './parse/pool.ts'

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

const bob = async () => (await drop('bob', 1, 'one file'))[0] ?? ''

describe.each([1, 2])('a hundred files of one person, ingest processes: %i', (processes) => {
  test('keep neither another’s file waiting nor their own next one, by words or by meaning', async () => {
    const ann = await drop('ann', 100, 'import')
    const late = [await bob(), (await drop('ann', 1, 'next'))[0] ?? '']
    for (let n = 0; n < processes; n++) start()
    for (const id of late) await untilStage(db.pool, id, [end], 120_000)
    for (const id of late) {
      expect(await before(id, ann, 'publish-words')).toBeLessThan(25)
      if (weights) expect(await before(id, ann, 'publish-vectors')).toBeLessThan(50)
    }
  }, 180_000)
})

test.each(['SIGKILL', 'SIGTERM'] as const)(
  'after %s in the middle of an import others’ files are still not kept waiting, and nothing is lost',
  async (signal) => {
    const ann = await drop('ann', 60, 'import')
    const first = start()
    await first.ready()
    await untilPublished(ann, 10)
    await first.kill(signal)
    const published = await untilPublished(ann, 0)
    const one = await bob()
    start()
    await untilStage(db.pool, one, [end], 120_000)
    expect((await before(one, ann, 'publish-words')) - published).toBeLessThan(20)
    for (const id of ann) await untilStage(db.pool, id, [end], 120_000)
  },
  180_000,
)

/** Waits until so many are searchable by words. @returns how many are */
async function untilPublished(ids: readonly string[], atLeast: number): Promise<number> {
  for (;;) {
    const { rows } = await db.pool.query<{ n: number }>(
      "SELECT count(*)::int AS n FROM index_log WHERE op = 'publish-words' AND version_id = ANY($1)",
      [ids],
    )
    const n = rows[0]?.n ?? 0
    if (n >= atLeast) return n
    await sleep(20)
  }
}

/** An ingest process in this one. */
async function startHere(window: number, embed: (text: string) => Promise<void>): Promise<AsyncDisposable> {
  const config = db.config(home)
  const log = pino({ level: 'silent' })
  const embedder: Embedder = {
    identity: { model: 'test', sha256: '', pooling: 'cls', queryPrefix: '', dimensions: 4, maxTokens: 512 },
    window,
    ready: async () => {},
    close: async () => {},
    async embed(text) {
      await embed(text)
      return new Float32Array(4).fill(0.5)
    },
  }
  const parsers = await startParserPool({ log, tokenizer: null, size: 3 })
  const own = await startJobs(config, db.pool, log, { supervise: true })
  const deps = {
    config,
    log,
    pool: db.pool,
    jobs: own,
    blobs: uploads.blobs,
    parsers,
    embedders: testEmbedders(embedder),
  }
  const ingest = await startIngest(deps)
  return {
    async [Symbol.asyncDispose]() {
      await ingest.stop()
      await parsers.close()
    },
  }
}

/** The same, whose embedder waits until it is opened. */
async function startGated() {
  const gate = Promise.withResolvers<void>()
  const asked = { passages: 0 }
  const here = await startHere(4, async () => {
    asked.passages++
    await gate.promise
  })
  return {
    asked,
    open: () => gate.resolve(),
    async [Symbol.asyncDispose]() {
      gate.resolve()
      await here[Symbol.asyncDispose]()
    },
  }
}

test('when all is read and only embedding is behind, files uploaded later are still not kept waiting', async () => {
  await using gated = await startGated()
  const ann = await drop('ann', 60, 'import')
  for (const id of ann) await untilStage(db.pool, id, ['words'])
  const late = [(await drop('ann', 1, 'next'))[0] ?? '', await bob()]
  for (const id of late) await untilStage(db.pool, id, ['words'])
  gated.open()
  for (const id of [...late, ...ann]) await untilStage(db.pool, id, ['searchable'])
  for (const id of late) expect(await before(id, ann, 'publish-vectors')).toBeLessThan(30)
}, 120_000)

test('long texts that are embedded make room for another person’s, and are finished after it', async () => {
  await using gated = await startGated()
  const long = (name: string, sections: number, person: string) =>
    upload(uploads, collection, `${name}.md`, sectionsOf(sections, name), { person, drop: name })
  // As many as there are workers for large ones, and one more.
  const ann = [await long('a', 3000, 'ann'), await long('b', 3000, 'ann'), await long('c', 3000, 'ann')]
  for (const { versionId } of ann) await untilStage(db.pool, versionId, ['words'])
  // Two long ones are under way, and the embedder has as much as it is given.
  await expect
    .poll(async () => [await embedding(), gated.asked.passages], { timeout: 20_000 })
    .toEqual([2, 2])
  const other = await long('d', 800, 'bob')
  await untilStage(db.pool, other.versionId, ['words'])
  gated.open()
  for (const { versionId } of [other, ...ann]) await untilStage(db.pool, versionId, ['searchable'], 120_000)
  const annIds = ann.map(({ versionId }) => versionId)
  expect(await before(other.versionId, annIds, 'publish-vectors')).toBe(0)
  const { rows } = await db.pool.query<{ missing: number }>(
    `SELECT count(*)::int AS missing FROM passages p
     WHERE NOT EXISTS (SELECT 1 FROM passage_vectors v WHERE v.passage_id = p.id)`,
  )
  expect(rows[0]?.missing).toBe(0)
}, 180_000)

test('files that the embedder stalls on, again and again, do not keep others waiting', async () => {
  const tries = new Map<string, number>()
  const stalls = { long: false, now: 0 }
  const over = Promise.withResolvers<void>()
  await using stack = new AsyncDisposableStack()
  const embed = async (text: string) => {
    if (!text.includes('kettle')) return
    tries.set(text, (tries.get(text) ?? 0) + 1)
    stalls.now++
    if (stalls.long) await over.promise
    stalls.now--
    throw new AppError('EMBEDDER_STALLED')
  }
  stack.use(await startHere(40, embed))
  stack.defer(() => over.resolve())
  // More than there are workers.
  const ann = await drop('ann', 12, 'import')
  const tryAgain = () => db.pool.query("UPDATE pgboss.job SET start_after = now() WHERE state = 'retry'")
  await expect
    .poll(async () => {
      await tryAgain()
      return [...tries.values()].filter((times) => times >= 2).length
    })
    .toBe(ann.length)
  stalls.long = true
  await expect
    .poll(async () => {
      await tryAgain()
      return stalls.now
    })
    .toBeGreaterThanOrEqual(2)
  await tryAgain()
  const late = await upload(uploads, collection, 'late.txt', 'A pot is on the table.', { person: 'bob' })
  await untilStage(db.pool, late.versionId, ['searchable'])
  for (const id of ann) expect((await versionState(db.pool, id)).stage).toBe('words')
}, 120_000)

/** Versions that are being embedded. */
async function embedding(): Promise<number> {
  const { rows } = await db.pool.query<{ n: number }>(
    "SELECT count(*)::int AS n FROM pgboss.job WHERE name = 'embed' AND state = 'active'",
  )
  return rows[0]?.n ?? 0
}

/** A text of as many passages. */
function sectionsOf(count: number, name: string): string {
  return Array.from({ length: count }, (_, i) => `# Part ${i} of ${name}\n\nThe kettle is red.\n`).join('\n')
}
