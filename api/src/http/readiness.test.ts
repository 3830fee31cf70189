import { expect, test } from 'vitest'
import { testDatabase } from '../../test/database.ts'
import { testEmbedders } from '../../test/embedders.ts'
import { createPool } from '../database/pool.ts'
import { AppError } from '../errors.ts'
import type { IndexStatus } from '../index/port.ts'
import { BEHIND_LIMIT_MS, createReadiness } from './readiness.ts'

const LOADED: IndexStatus = {
  ready: true,
  position: { epoch: 'e', seq: 5 },
  behindMs: 0,
  stalledMs: 0,
  passages: 1,
  vectors: 1,
  generation: null,
  engine: 'exact',
}

const blobs = { check: () => Promise.resolve() }

test('fails for causes of its own only', async () => {
  await using db = await testDatabase()
  const config = db.config('/tmp')
  const status: { now: IndexStatus } = { now: LOADED }
  const deps = {
    config,
    pool: db.pool,
    blobs,
    embedders: testEmbedders(),
    replica: null,
    index: { status: () => status.now },
  }
  const readiness = createReadiness(deps)
  const reasons = async () => (await readiness.check()).reasons

  const works = { ready: true, database: 'ok', storage: 'ok', models: { embedder: null } }
  expect(await readiness.check()).toMatchObject(works)
  status.now = { ...LOADED, ready: false, position: null }
  expect(await reasons()).toEqual(['the index is not loaded'])
  status.now = { ...LOADED, ready: false, position: null, trouble: 'no OPENSEARCH_URL' }
  expect(await reasons()).toEqual(['no OPENSEARCH_URL'])

  // Far behind counts when there is something to be behind of.
  const behind = (behindMs: number, stalledMs = behindMs) => ({ ...LOADED, behindMs, stalledMs })
  status.now = behind(BEHIND_LIMIT_MS + 5_000)
  await db.pool.query('UPDATE index_head SET seq = 5')
  expect(await reasons()).toEqual([])
  await db.pool.query('UPDATE index_head SET seq = 6')
  expect(await reasons()).toEqual(['the index is 20 s behind the log'])
  status.now = behind(BEHIND_LIMIT_MS - 1)
  expect(await reasons()).toEqual([])
  // A large document is as large for every server: all would leave at once. What they are behind is told all the same.
  status.now = behind(40_000, BEHIND_LIMIT_MS - 1)
  expect(await readiness.check()).toMatchObject({ ready: true, index: { behindMs: 40_000 } })
  status.now = behind(40_000, BEHIND_LIMIT_MS + 1)
  expect(await reasons()).toEqual(['the index is 40 s behind the log'])

  // The replica is reported, never failing.
  status.now = LOADED
  const state = (of: 'ok' | 'behind' | 'away') => ({
    status: () => ({ state: of, served: 0, lacked: 0, failed: 0 }),
  })
  expect(await readiness.check()).toMatchObject({ ready: true, replica: 'none' })
  for (const of of ['ok', 'behind', 'away'] as const)
    expect(await createReadiness({ ...deps, replica: state(of) }).check()).toMatchObject({
      ...{ ready: true, replica: of },
    })

  // So is the reranker.
  expect(await readiness.check()).toMatchObject({ models: { reranker: 'none' } })
  for (const of of ['ok', 'failing'] as const)
    expect(await createReadiness({ ...deps, reranking: { status: () => of } }).check()).toMatchObject({
      ...{ ready: true, models: { reranker: of } },
    })

  readiness.drain()
  expect(await reasons()).toEqual(['draining'])
})

test('a migration of this build that is missing fails it; newer ones are normal', async () => {
  await using db = await testDatabase()
  const index = { status: () => LOADED }
  const deps = {
    config: db.config('/tmp'),
    pool: db.pool,
    blobs,
    embedders: testEmbedders(),
    replica: null,
    index,
  }
  await db.pool.query(
    "INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at) VALUES ('n', 'c', '29990101000000_newer', now())",
  )
  expect((await createReadiness(deps).check()).ready).toBe(true)
  const { rows } = await db.pool.query<{ name: string }>(
    "DELETE FROM _prisma_migrations WHERE migration_name LIKE '%_first' RETURNING migration_name AS name",
  )
  const result = await createReadiness(deps).check()
  expect(result.ready).toBe(false)
  expect(result.reasons).toEqual([`migrations missing: ${rows[0]?.name}`])
})

test('a database and a storage that are away are reported, never failing', async () => {
  await using db = await testDatabase()
  const config = { ...db.config('/nowhere'), databaseUrl: 'postgresql://postgres@127.0.0.1:1/none' }
  const pool = createPool(config, { name: 'terrace-test' })
  const index = { status: () => ({ ...LOADED, behindMs: 100_000, stalledMs: 100_000 }) }
  const away = { check: () => Promise.reject(new AppError('UNAVAILABLE', { reason: 'away' })) }
  const result = await createReadiness({
    config,
    pool,
    blobs: away,
    embedders: testEmbedders(),
    replica: null,
    index,
  }).check()
  expect(result).toMatchObject({ ready: true, reasons: [], database: 'unreachable', storage: 'unreachable' })
  await pool.end()
})
