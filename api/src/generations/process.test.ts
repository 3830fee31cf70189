// The background work in real ingest processes: killed in the middle, several at once, beside uploads.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { PgBoss } from 'pg-boss'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type IngestProcess, spawnIngest, type Uploads, untilStage, upload } from '../../test/ingest.ts'
import { startJobs } from '../jobs/jobs.ts'
import { createFileBlobStore } from '../storage/files.ts'
import { buildGeneration, switchGeneration } from './change.ts'
import { type GenerationsFixture, generationsFixture, texts } from './fixtures.ts'

const PASSAGES = 2_000

let home: string
let of: GenerationsFixture
let jobs: PgBoss
let uploads: Uploads
/** A document without an original. */
let notes: string
let env: Record<string, string>
const running: IngestProcess[] = []

beforeEach(async () => {
  home = mkdtempSync(path.join(tmpdir(), 'terrace-fill-'))
  of = await generationsFixture()
  notes = (await of.add(texts(PASSAGES, 'note'))).documentId
  env = {
    DATABASE_URL: of.db.url,
    STORAGE: `file:${home}/storage`,
    TERRACE_HOME: home,
    EMBEDDERS: of.embeddersJson,
    AUTH_SECRET: 'test-secret-test-secret-test-secret-test',
    LOG_LEVEL: 'info',
  }
  jobs = await startJobs(of.db.config(home), of.db.pool, of.deps.log, { supervise: false })
  uploads = { pool: of.db.pool, jobs, blobs: await createFileBlobStore(`${home}/storage`) }
})
afterEach(async () => {
  await Promise.all(running.splice(0).map((ingest) => ingest.kill('SIGKILL')))
  await jobs.stop({ graceful: false })
  await of[Symbol.asyncDispose]()
  rmSync(home, { recursive: true, force: true })
})

async function start(): Promise<IngestProcess> {
  const ingest = spawnIngest(env)
  running.push(ingest)
  await ingest.ready()
  return ingest
}

const ready = (id: number) =>
  expect.poll(async () => (await of.generation(id))?.ready, { timeout: 60_000 }).toBe(true)
const asked = () => of.ends.new.requests.reduce((sum, { input }) => sum + input.length, 0)

test('kill -9 in the middle of a build, again and again: it is completed, and little is done twice', async () => {
  of.ends.new.script({ delay: 60 })
  const id = await buildGeneration(of.deps, 'new')
  for (let kills = 0; kills < 3; kills++) {
    const before = await of.vectors(id)
    const ingest = await start()
    await expect.poll(() => of.vectors(id), { interval: 20 }).toBeGreaterThan(before + 150)
    await ingest.kill('SIGKILL')
  }
  of.ends.new.script({})
  await start()
  await ready(id)
  expect(await of.vectors(id)).toBe(PASSAGES)
  expect(await of.missing(id)).toBe(0)
  // What was under way at each kill: not yet written, and what was being asked for.
  expect(asked()).toBeLessThan(PASSAGES + 3 * 200)
  await switchGeneration(of.deps, id)
})

test('two processes build together, and a file that is uploaded meanwhile does not wait for them', async () => {
  of.ends.new.script({ delay: 300 })
  const id = await buildGeneration(of.deps, 'new')
  await Promise.all([start(), start()])
  await expect.poll(() => of.vectors(id), { interval: 20 }).toBeGreaterThan(100)
  const { versionId } = await upload(uploads, of.collection.id, 'new.txt', 'A quince grows in the garden.')
  await untilStage(of.db.pool, versionId, ['searchable'])
  const { ready: done, embedded } = (await of.generation(id)) ?? {}
  expect(done).toBe(false)
  expect(embedded).toBeLessThan(PASSAGES)
  of.ends.new.script({})
  await ready(id)
  await expect.poll(() => of.missing(id)).toBe(0)
  expect(await of.vectors(id)).toBe(PASSAGES + 1)
})

test('kill -9 while documents are read anew, two processes at it: each is read whole, once, and none is left out', async () => {
  await of.delete(notes)
  const first = await start()
  const files = await Promise.all(
    Array.from({ length: 40 }, (_, n) =>
      upload(uploads, of.collection.id, `file ${n}.txt`, texts(400, `file ${n}`).join('. ')),
    ),
  )
  for (const { versionId } of files) await untilStage(of.db.pool, versionId, ['searchable'])
  const id = await buildGeneration(of.deps, 'old', 320)
  const read = async () => (await of.generation(id))?.documentsRead ?? 0
  await expect.poll(read, { interval: 10 }).toBeGreaterThan(2)
  await first.kill('SIGKILL')
  const [second] = await Promise.all([start(), start()])
  await expect.poll(read, { interval: 10 }).toBeGreaterThan(10)
  await second.kill('SIGKILL')
  await ready(id)
  await switchGeneration(of.deps, id)
  const { rows } = await of.db.pool.query<{
    reading: number
    versions: number
    whole: boolean
    text: string
  }>(
    `SELECT reading_id AS reading, count(*)::int AS versions, bool_and(n = passages) AS whole, string_agg(text, ' ' ORDER BY text) AS text FROM (
       SELECT r.version_id, r.reading_id, r.passages, count(p.id) AS n,
         md5(string_agg(p.text, ' ' ORDER BY p.ordinal)) AS text
       FROM version_readings r JOIN passages p ON p.version_id = r.version_id AND p.reading_id = r.reading_id
       GROUP BY r.version_id, r.reading_id, r.passages) each
     GROUP BY reading_id ORDER BY reading_id`,
  )
  expect(rows.map(({ versions, whole }) => [versions, whole])).toEqual([
    [40, true],
    [40, true],
  ])
  // Other passages of the same text.
  expect(rows[1]?.text).toBe(rows[0]?.text)
})
