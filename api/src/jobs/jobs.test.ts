import { setTimeout as sleep } from 'node:timers/promises'
import type { PgBoss } from 'pg-boss'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { transaction } from '../database/pool.ts'
import { sendJob, startJobs } from './jobs.ts'

const log = pino({ level: 'silent' })
let db: TestDatabase
const started: PgBoss[] = []

beforeEach(async () => {
  db = await testDatabase()
})
afterEach(async () => {
  for (const jobs of started.splice(0)) await jobs.stop({ graceful: false })
  await db[Symbol.asyncDispose]()
})

async function start(supervise = false): Promise<PgBoss> {
  const jobs = await startJobs(db.config('/tmp/terrace-unused'), db.pool, log, { supervise })
  started.push(jobs)
  return jobs
}

test('processes that start at once make the same queues', async () => {
  await Promise.all([start(), start(true), start()])
  const { rows } = await db.pool.query<{ name: string }>(
    "SELECT name FROM pgboss.queue WHERE name IN ('ingest', 'embed', 'purge') AND notify AND heartbeat_seconds >= 10",
  )
  expect(rows.length).toBe(3)
})

test('a job exists exactly when the transaction of its row commits, and wakes a worker then', async () => {
  const sender = await start()
  const receiver = await start(true)
  const received: string[] = []
  await receiver.work<{ versionId: string }>(
    'ingest',
    { pollingIntervalSeconds: 60, notifyPollingIntervalSeconds: 60 },
    async ([job]) => {
      received.push(job?.data.versionId ?? '')
    },
  )
  await expect(
    transaction(db.pool, async (client) => {
      await sendJob(sender, client, 'ingest', { versionId: 'never' })
      throw new Error('rolled back')
    }),
  ).rejects.toThrow('rolled back')
  await transaction(db.pool, async (client) => {
    await sendJob(sender, client, 'ingest', { versionId: 'once' })
    await sleep(300)
    expect(received).toEqual([])
  })
  // Polling would take a minute.
  await expect.poll(() => received, { timeout: 10_000 }).toEqual(['once'])
})

test('a wake-up line that breaks is opened again', async () => {
  const jobs = await start(true)
  const received: number[] = []
  await jobs.work<{ n: number }>(
    'purge',
    { pollingIntervalSeconds: 60, notifyPollingIntervalSeconds: 60 },
    async ([job]) => {
      received.push(job?.data.n ?? 0)
    },
  )
  await db.pool.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'terrace-jobs' AND datname = current_database()",
  )
  await jobs.send('purge', { n: 1 })
  await expect.poll(() => received, { timeout: 15_000 }).toEqual([1])
})

test('stopped, it lets go of its connections and leaves the pool alone', async () => {
  const jobs = await start(true)
  await jobs.stop({ graceful: false })
  const { rows } = await db.pool.query<{ n: number }>(
    "SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name = 'terrace-jobs' AND datname = current_database()",
  )
  expect(rows[0]?.n).toBe(0)
})
