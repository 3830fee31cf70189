import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { PgBoss } from 'pg-boss'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { insertCollection } from '../../test/ingest.ts'
import { MIGRATIONS_DIR } from '../database/migrate.ts'
import { transaction } from '../database/pool.ts'
import { handBack } from '../ingest/claims.ts'
import { sendEmbed, sendIngest, startJobs } from './jobs.ts'
import { othersWait, passTurn } from './pass-turn.ts'
import { LANES, type Lane, type VersionJob } from './queues.ts'

let db: TestDatabase
let collection: string
/** Two servers' ends of the queues. */
let servers: readonly [PgBoss, PgBoss]
/** Whose file a version is, and the how manieth it was. */
let files: Map<string, string>

beforeEach(async () => {
  db = await testDatabase()
  const start = () =>
    startJobs(db.config('/tmp/terrace-unused'), db.pool, pino({ level: 'silent' }), { supervise: false })
  servers = [await start(), await start()]
  collection = await insertCollection(db.pool)
  files = new Map()
})
afterEach(async () => {
  for (const jobs of servers) await jobs.stop({ graceful: false })
  await db[Symbol.asyncDispose]()
})

async function insertVersions(person: string, count: number): Promise<string[]> {
  const { rows } = await db.pool.query<{ id: string }>(
    `WITH d AS (INSERT INTO documents (collection_id, name) SELECT $1, 'file ' || i FROM generate_series(1, $3) i
                RETURNING id)
     INSERT INTO document_versions (document_id, number, filename, media_type, bytes, sha256, storage_key, created_by)
     SELECT id, 1, 'file', 'text/plain', 1, '', '', $2 FROM d RETURNING id`,
    [collection, person, count],
  )
  for (const { id } of rows) files.set(id, person)
  return rows.map(({ id }) => id)
}

interface Sent {
  readonly files?: number
  readonly bytes?: number
  /** By default all that is sent in one call is one drop. */
  readonly drop?: string
  readonly atOnce?: number
}

async function send(person: string, sent: Sent = {}): Promise<string[]> {
  const ids = await insertVersions(person, sent.files ?? 1)
  const drop = sent.drop ?? randomUUID()
  const left = [...ids]
  const lane = async () => {
    for (let id = left.shift(); id !== undefined; id = left.shift()) {
      const version = { id, bytes: sent.bytes ?? 1000 }
      await transaction(db.pool, (client) => sendIngest(servers[0], client, version, drop))
    }
  }
  await Promise.all(Array.from({ length: sent.atOnce ?? 1 }, lane))
  return ids
}

interface Fetched {
  readonly id: string
  readonly versionId: string
}

/** What a worker of a lane would get, by the servers in turn. */
async function fetch(count: number, lane: Lane = 'small'): Promise<Fetched[]> {
  const range = { minPriority: LANES[lane].last, maxPriority: LANES[lane].first }
  const fetched: Fetched[] = []
  while (fetched.length < count) {
    const server = servers[fetched.length % 2] ?? servers[0]
    const [job] = await server.fetch<VersionJob>('ingest', range)
    if (job === undefined) break
    fetched.push({ id: job.id, versionId: job.data.versionId })
  }
  return fetched
}

const complete = async (jobs: readonly Fetched[]) => {
  if (jobs.length === 0) return
  await servers[0].complete(
    'ingest',
    jobs.map(({ id }) => id),
  )
}

/** Fetched and done, as whose they are. */
async function work(count: number, lane?: Lane): Promise<string[]> {
  const jobs = await fetch(count, lane)
  await complete(jobs)
  return jobs.map(({ versionId }) => files.get(versionId) ?? '')
}

const of = (people: readonly string[], person: string) => people.filter((each) => each === person).length

describe('a thousand files of one person', () => {
  test('do not keep another’s file waiting, whenever it comes, nor their own next one', async () => {
    await send('ann', { files: 1000, atOnce: 6 })
    await send('bob')
    expect(await work(3)).toContain('bob')
    expect(of(await work(400), 'ann')).toBe(400)
    await send('bob')
    expect(await work(3)).toContain('bob')
    const [single] = await send('ann')
    const next = await fetch(3)
    expect(next.map(({ versionId }) => versionId)).toContain(single)
    await complete(next)
    // Everybody's come at last.
    expect(of(await work(2000), 'ann')).toBe(1000 - 2 - 400 - 2 - 2)
  }, 60_000)

  test('and another thousand take turns; who comes later shares what is left, and does not catch up', async () => {
    await send('ann', { files: 1000 })
    await work(300)
    await send('bob', { files: 300 })
    const shared = await work(200)
    // An import has one turn, a person's handful another.
    expect(of(shared, 'bob')).toBeGreaterThanOrEqual(100)
    expect(of(shared, 'bob')).toBeLessThanOrEqual(100 + 8)
    // No more than two of the same person in a row, once the first handful is through.
    expect(shared.slice(40).join(' ')).not.toMatch(/(bob ?){3}|(ann ?){3}/)
  }, 60_000)

  test('that are sent several at once have turns of their own', async () => {
    await send('ann', { files: 100, atOnce: 6 })
    await send('bob', { files: 100, atOnce: 1 })
    expect(of(await work(100), 'bob')).toBeGreaterThanOrEqual(48)
  })

  test('stay an import when few of them are left to wait while more arrive', async () => {
    const drop = 'a slow upload'
    await send('ann', { files: 50, drop })
    await work(10)
    for (let n = 0; n < 20; n++) {
      await send('ann', { files: 2, drop })
      await work(1)
    }
    const [single] = await send('ann')
    expect((await fetch(2)).map(({ versionId }) => versionId)).toContain(single)
  })
})

test('many people with one file each: one more waits for one of each', async () => {
  await send('ann', { files: 200 })
  const people = Array.from({ length: 30 }, (_, n) => `person ${n}`)
  for (const person of people) await send(person)
  await send('bob', { files: 40 })
  const order = await work(36)
  for (const person of people) expect(of(order, person)).toBe(1)
  expect(of(order, 'bob')).toBeGreaterThanOrEqual(1)
})

test('people’s large files take turns of their own, and no small file’s', async () => {
  const bytes = 20_000_000
  await send('ann', { files: 50, bytes })
  await send('bob', { files: 1, bytes })
  await send('carol')
  expect(await work(5, 'small')).toEqual(['carol'])
  expect(await work(3, 'large')).toContain('bob')
  expect(of(await work(100, 'large'), 'ann')).toBe(50 - 2)
})

describe('what comes back', () => {
  test('a failed job keeps its place, and gives newcomers none before the others', async () => {
    await send('ann', { files: 100, drop: 'import' })
    const [first] = await fetch(1)
    await work(50)
    if (first === undefined) throw new Error('nothing was fetched')
    await servers[0].fail('ingest', first.id)
    // It waits for its next try, with its old turn.
    await send('bob', { files: 40 })
    expect(of(await work(40), 'ann')).toBeGreaterThanOrEqual(16)
    await db.pool.query("UPDATE pgboss.job SET start_after = now() WHERE state = 'retry'")
    expect((await fetch(1))[0]?.versionId).toBe(first.versionId)
  })

  test('what was handed back at a shutdown is first, before what came meanwhile', async () => {
    await send('ann', { files: 20 })
    await work(18)
    const last = await fetch(2)
    await send('bob', { files: 20 })
    for (const { id } of last) await servers[0].fail('ingest', id)
    await handBack(
      db.pool,
      last.map(({ id }) => id),
    )
    const ids = (await fetch(2)).map(({ versionId }) => versionId)
    expect(ids.sort()).toEqual(last.map(({ versionId }) => versionId).sort())
  })

  test('a job that was lost and is sent again comes after its person’s others, not before another’s', async () => {
    const ann = await send('ann', { files: 30 })
    const lost = ann.slice(0, 10)
    await db.pool.query("DELETE FROM pgboss.job WHERE data->>'versionId' = ANY($1)", [lost])
    await send('bob', { files: 5 })
    for (const id of lost)
      await transaction(db.pool, (client) => sendIngest(servers[0], client, { id, bytes: 1 }))
    const order = await fetch(100)
    const place = (ids: readonly string[]) =>
      Math.max(...ids.map((id) => order.findIndex(({ versionId }) => versionId === id)))
    const bob = order.filter(({ versionId }) => files.get(versionId) === 'bob').map((job) => job.versionId)
    expect(place(bob)).toBeLessThan(5 * 3)
    expect(order.length).toBe(35)
  })
})

describe('a long job that makes room', () => {
  const bytes = 20_000_000

  /** Works in slices on what waits, each file needing some, and makes room when others wait. */
  async function slices(needed: number) {
    const done = new Map<string, number>()
    /** Who had each slice; which versions were finished, after how many slices; how often room was made. */
    const whose: string[] = []
    const finished: { id: string; at: number }[] = []
    let passed = 0
    for (let [job] = await fetch(1, 'large'); job !== undefined; [job] = await fetch(1, 'large')) {
      const { id, versionId } = job
      for (;;) {
        const slice = (done.get(versionId) ?? 0) + 1
        done.set(versionId, slice)
        whose.push(files.get(versionId) ?? '')
        if (slice === needed) {
          finished.push({ id: versionId, at: whose.length })
          await complete([job])
          break
        }
        if (await othersWait(db.pool, 'ingest', 'large', id)) {
          passed++
          await passTurn(db.pool, 'ingest', 'large', { id, data: { versionId } })
          // As pg-boss does once the worker is done with it.
          await complete([job])
          break
        }
      }
    }
    return { whose, finished, passed }
  }

  test('lets others have their turns, and is finished before its person’s next one', async () => {
    const ann = await send('ann', { files: 6, bytes })
    const bob = await send('bob', { files: 2, bytes })
    const { whose, finished } = await slices(4)
    expect(whose.length).toBe(8 * 4)
    // One of each in turn for as long as both have some.
    expect(of(whose.slice(0, 16), 'bob')).toBe(8)
    // Two of Ann's are done by then, not six begun.
    const early = finished.filter(({ at }) => at <= 16).map(({ id }) => id)
    expect(early.filter((id) => ann.includes(id)).length).toBe(2)
    expect(early.filter((id) => bob.includes(id)).length).toBe(2)
    expect(finished.map(({ id }) => id).sort()).toEqual([...ann, ...bob].sort())
  })

  test('has ended its try in order: kills of earlier ones are forgotten', async () => {
    const [versionId = ''] = await send('ann', { bytes })
    const [job] = await fetch(1, 'large')
    await db.pool.query(`UPDATE pgboss.job SET output = '{"kills": 3}'`)
    await passTurn(db.pool, 'ingest', 'large', { id: job?.id ?? '', data: { versionId } })
    const { rows } = await db.pool.query('SELECT state, output FROM pgboss.job')
    expect(rows).toEqual([{ state: 'retry', output: null }])
  })

  test('goes round with others that have nothing else to do', async () => {
    await send('ann', { bytes })
    await send('bob', { bytes })
    await send('carol', { bytes })
    const { whose } = await slices(3)
    for (const round of [0, 3, 6])
      expect(whose.slice(round, round + 3).sort()).toEqual(['ann', 'bob', 'carol'])
  })

  test('keeps on when nothing waits but its person’s others of the same drop', async () => {
    const ann = await send('ann', { files: 3, bytes })
    const { finished, passed } = await slices(3)
    expect(passed).toBe(0)
    expect(finished.map(({ id }) => id)).toEqual(ann)
  })
})

test('what a turn costs does not grow with what waits', async () => {
  await db.pool.query(
    `INSERT INTO pgboss.job (name, priority, data, policy, group_id, group_tier)
     SELECT 'ingest', $1 - i, jsonb_build_object('versionId', i), 'standard', 'small import ann', 'import'
     FROM generate_series(1, 50000) AS i`,
    [LANES.small.first],
  )
  for (const person of ['ann', 'bob']) {
    const [id = ''] = await insertVersions(person, 1)
    const rowsRead = await transaction(db.pool, async (client) => {
      await sendIngest(servers[0], client, { id, bytes: 1 }, 'import')
      const { rows } = await client.query<{ n: number }>(
        "SELECT (seq_tup_read + idx_tup_fetch)::int AS n FROM pg_stat_xact_all_tables WHERE relname = 'job_common'",
      )
      return rows[0]?.n ?? 0
    })
    expect(rowsRead).toBeGreaterThan(0)
    expect(rowsRead).toBeLessThan(50)
  }
})

test('jobs from before there were turns come first, each in its lane', async () => {
  const [small = '', large = ''] = await insertVersions('ann', 2)
  await servers[0].send('ingest', { versionId: small }, { priority: 1 })
  await servers[0].send('ingest', { versionId: large }, { priority: 0 })
  const file = path.join(MIGRATIONS_DIR, '20261126000000_turns/migration.sql')
  const migration = readFileSync(file, 'utf8')
  await db.pool.query(migration.slice(migration.indexOf('UPDATE')))
  const { rows } = await db.pool.query('SELECT priority FROM pgboss.job ORDER BY priority DESC')
  expect(rows).toEqual([{ priority: LANES.small.first }, { priority: LANES.large.first }])
  await send('bob', { files: 3 })
  await send('bob', { files: 3, bytes: 20_000_000 })
  expect((await fetch(1, 'small'))[0]?.versionId).toBe(small)
  expect((await fetch(1, 'large'))[0]?.versionId).toBe(large)
})

test('turns begin anew when nothing waits or is under way: they do not grow for ever', async () => {
  await send('ann', { files: 50 })
  await work(50)
  await send('ann')
  const { rows } = await db.pool.query<{ priority: number }>(
    "SELECT priority FROM pgboss.job WHERE state = 'created'",
  )
  expect(rows).toEqual([{ priority: LANES.small.first }])
})

test('embedding has turns of its own, of whoever uploaded the file', async () => {
  const sendAll = async (ids: readonly string[], passages: number, drop: string) => {
    for (const id of ids)
      await transaction(db.pool, (client) => sendEmbed(servers[0], client, { id, passages }, drop))
  }
  await sendAll(await insertVersions('ann', 100), 10, 'import')
  await sendAll(await insertVersions('ann', 10), 5000, 'books')
  await sendAll(await insertVersions('bob', 1), 10, 'single')
  await sendAll(await insertVersions('bob', 1), 5000, 'single')
  for (const lane of ['small', 'large'] as const) {
    const range = { minPriority: LANES[lane].last, maxPriority: LANES[lane].first }
    const whose: (string | undefined)[] = []
    for (let n = 0; n < 3; n++) {
      const [job] = await servers[0].fetch<VersionJob>('embed', range)
      whose.push(files.get(job?.data.versionId ?? ''))
    }
    expect(whose).toContain('bob')
  }
})
