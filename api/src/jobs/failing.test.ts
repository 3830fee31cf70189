import type { PgBoss } from 'pg-boss'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { insertCollection } from '../../test/ingest.ts'
import { transaction } from '../database/pool.ts'
import { handBack } from '../ingest/claims.ts'
import { countFailedTry } from './failing.ts'
import { sendEmbed, startJobs } from './jobs.ts'
import { passTurn } from './pass-turn.ts'
import { LANES, type Lane, type VersionJob } from './queues.ts'

let db: TestDatabase
let jobs: PgBoss
let collection: string
/** Whose a version is. */
let people: Map<string, string>

beforeEach(async () => {
  db = await testDatabase()
  jobs = await startJobs(db.config('/tmp/terrace-unused'), db.pool, pino({ level: 'silent' }), {
    supervise: false,
  })
  collection = await insertCollection(db.pool)
  people = new Map()
})
afterEach(async () => {
  await jobs.stop({ graceful: false })
  await db[Symbol.asyncDispose]()
})

async function send(person: string, files: number, passages = 10): Promise<void> {
  for (let n = 0; n < files; n++) {
    const { rows } = await db.pool.query<{ id: string }>(
      `WITH d AS (INSERT INTO documents (collection_id, name) VALUES ($1, 'file') RETURNING id)
       INSERT INTO document_versions (document_id, number, filename, media_type, bytes, sha256, storage_key, created_by)
       SELECT id, 1, 'file', 'text/plain', 1, '', '', $2 FROM d RETURNING id`,
      [collection, person],
    )
    const id = rows[0]?.id ?? ''
    people.set(id, person)
    await transaction(db.pool, (client) => sendEmbed(jobs, client, { id, passages }, 'import'))
  }
}

interface Fetched {
  readonly id: string
  readonly data: VersionJob
}

async function fetch(lane: Lane, most = 1_000): Promise<Fetched[]> {
  const range = { minPriority: LANES[lane].last, maxPriority: LANES[lane].first }
  const fetched: Fetched[] = []
  while (fetched.length < most) {
    const [job] = await jobs.fetch<VersionJob>('embed', range)
    if (job === undefined) break
    fetched.push({ id: job.id, data: job.data })
  }
  return fetched
}

/** As a worker lets a job fail; and so much later that it can be tried again. */
async function fail(failed: readonly Fetched[], counted = true): Promise<void> {
  for (const job of failed) {
    if (counted) await countFailedTry(db.pool, 'embed', job)
    await jobs.fail('embed', job.id)
  }
  await db.pool.query("UPDATE pgboss.job SET start_after = now() WHERE state = 'retry'")
}

const whose = (fetched: readonly Fetched[]) => fetched.map(({ data }) => people.get(data.versionId))

/** Fails until it is where such jobs are. */
async function failOften(lane: 'small' | 'large', most?: number): Promise<void> {
  for (const _ of [1, 2]) await fail(await fetch(lane, most))
}

test('a job that failed twice is fetched by others than before, and what comes to its lane has its place', async () => {
  await send('ann', 3)
  const failing = await fetch('small')
  await fail(failing)
  expect((await fetch('failing')).length).toBe(0)
  const again = await fetch('small')
  expect(again.map(({ id }) => id)).toEqual(failing.map(({ id }) => id))
  await fail(again)
  expect((await fetch('small')).length).toBe(0)
  await send('ann', 1)
  await send('bob', 1)
  const { rows } = await db.pool.query(
    "SELECT priority FROM pgboss.job WHERE state = 'created' ORDER BY priority DESC",
  )
  expect(rows).toEqual([{ priority: LANES.small.first }, { priority: LANES.small.first }])
  expect((await fetch('failing')).map(({ id }) => id)).toEqual(failing.map(({ id }) => id))
})

test('of failing jobs people take turns, and each is tried', async () => {
  await send('ann', 12)
  await failOften('small')
  await send('ann', 1, 5_000)
  await failOften('large')
  await send('bob', 2)
  await failOften('small')
  const tried: Fetched[] = []
  const next = async () => {
    const [job] = await fetch('failing', 1)
    if (job === undefined) throw new Error('nothing waits')
    tried.push(job)
    await fail([job])
  }
  for (let n = 0; n < 4; n++) await next()
  expect(whose(tried).filter((person) => person === 'bob').length).toBe(2)
  await send('carol', 1)
  await failOften('small')
  for (let n = 0; n < 3; n++) await next()
  expect(whose(tried.slice(-3))).toContain('carol')
  // Whoever has one waits for no more than one of each other; and of many each has its turn.
  for (let n = 0; n < 3 * 13; n++) await next()
  expect(new Set(tried.map(({ data }) => data.versionId)).size).toBe(16)
  expect(whose(tried.slice(-30)).filter((person) => person === 'carol').length).toBeGreaterThanOrEqual(8)
})

test('what is handed back or makes room has not failed', async () => {
  await send('ann', 2)
  await send('bob', 1)
  for (let n = 0; n < 4; n++) {
    const begun = await fetch('small')
    await fail(begun, false)
    await handBack(
      db.pool,
      begun.map(({ id }) => id),
    )
  }
  await fail(await fetch('small'))
  for (let n = 0; n < 4; n++)
    for (const job of await fetch('small', 3)) await passTurn(db.pool, 'embed', 'small', job)
  expect((await fetch('failing')).length).toBe(0)
  expect((await fetch('small')).length).toBe(3)
})

test('a long one makes room for other failing ones, and goes on there', async () => {
  await send('ann', 1, 5_000)
  await failOften('large')
  await send('bob', 1, 5_000)
  await failOften('large')
  const [first] = await fetch('failing', 1)
  if (first === undefined) throw new Error('nothing waits')
  await passTurn(db.pool, 'embed', 'failing', first)
  const order = await fetch('failing')
  expect(order.length).toBe(2)
  expect(order.at(-1)?.id).toBe(first.id)
})
