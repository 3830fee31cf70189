// A rebuild reads the replica when that has nearly everything, and misses nothing of the rest.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type ReplicatedPostgres, replicatedPostgres } from '../../test/replica.ts'
import type { Config } from '../config.ts'
import { type EmbeddedIndex, startEmbeddedIndex } from './engines/embedded.ts'
import { renewEpoch } from './epoch.ts'
import { FixtureLibrary } from './fixtures.ts'
import { rebuildFromNearest } from './rebuild-from.ts'
import { exactEngine } from './vectors/exact.ts'

const CONFLICTS = "SELECT conflicts::int AS n FROM pg_stat_database WHERE datname = 'terrace'"

let home: string
let postgres: ReplicatedPostgres
let library: FixtureLibrary
let collection: { id: string; key: number }
beforeAll(async () => {
  home = mkdtempSync(path.join(tmpdir(), 'terrace-rebuild-'))
  postgres = await replicatedPostgres()
  library = new FixtureLibrary(postgres.db.pool)
  collection = await library.collection()
})
afterAll(async () => {
  await postgres[Symbol.asyncDispose]()
  rmSync(home, { recursive: true, force: true })
})

afterEach(() => postgres.resumeReplay())

const publish = async (...texts: string[]) =>
  library.publish(
    await library.document(collection),
    texts.map((text, i) => ({ text, vector: [1, i] })),
  )

let folders = 0
function config(): Config {
  return { ...postgres.db.config(home), indexDir: path.join(home, `${++folders}`) }
}

/** @returns where it was read, and how much of it */
async function rebuilt(said: string[] = []): Promise<{ from: string; passages: number; seq: number }> {
  const log = pino({ level: 'warn' }, { write: (line) => void said.push(line) })
  const { signal } = new AbortController()
  const of = { primary: postgres.db.pool, config: config(), engine: exactEngine(), log, signal }
  const { state, from } = await rebuildFromNearest(of)
  const { passages, position } = state
  state.close()
  return { from, passages: passages.live, seq: position.seq }
}

const conflicts = async () => (await postgres.replica.query<{ n: number }>(CONFLICTS))[0]?.n ?? 0

test('from the replica as it is, and from there on by the log of the primary', async () => {
  await publish('A greengage.', 'A bullace.')
  await postgres.caughtUp()
  await postgres.pauseReplay()
  const { position } = await publish('A mirabelle, which the replica has not.')
  expect(await rebuilt()).toEqual({ from: 'replica', passages: 2, seq: position.seq - 2 })
  const index: EmbeddedIndex = await startEmbeddedIndex(config(), pino({ enabled: false }))
  await index.waitFor(position, 20_000)
  const filter = { kind: 'collections' as const, keys: [collection.key] }
  const found = async (text: string) =>
    (await index.search({ text, vector: null, limit: 5, filter })).candidates.length
  expect([await found('greengage'), await found('mirabelle')]).toEqual([1, 1])
  await index.close()
})

test('from the primary when the replica lacks too much of the log', async () => {
  await postgres.caughtUp()
  await postgres.pauseReplay()
  for (let i = 0; i < 1_001; i++) await library.session('somebody')
  const said: string[] = []
  expect((await rebuilt(said)).from).toBe('primary')
  expect(said.join()).toContain('entries behind')
  await postgres.resumeReplay()
  await postgres.caughtUp()
  expect((await rebuilt()).from).toBe('replica')
})

test('from the primary when a recovery conflict ends the reading, whole', async () => {
  // Both: a replica that had to connect anew replays what it has on its disk, as if it came from an archive.
  for (const from of ['streaming', 'archive']) await postgres.replica.set(`max_standby_${from}_delay`, '0')
  await postgres.replica.set('hot_standby_feedback', 'off')
  const { passages } = await rebuilt()
  const { position } = await publish('To be deleted.')
  await postgres.caughtUp()
  // What a migration does. The reading that has begun stands in its way on the replica, and has to ask the primary.
  const migration = await postgres.db.pool.connect()
  try {
    await migration.query('BEGIN')
    await migration.query('LOCK TABLE generations IN ACCESS EXCLUSIVE MODE')
    const before = await conflicts()
    const rebuilding = rebuilt()
    const waiting = async () =>
      (await postgres.primary.query('SELECT 1 FROM pg_locks WHERE NOT granted')).length
    await expect.poll(waiting).toBe(1)
    // So that the replica hears of the lock now.
    await postgres.primary.query('CHECKPOINT')
    await expect.poll(conflicts).toBeGreaterThan(before)
    await migration.query('COMMIT')
    expect(await rebuilding).toMatchObject({ from: 'primary', passages: passages + 1, seq: position.seq })
  } finally {
    // Closed, so that no lock outlives a failure: everything after it would wait for ever.
    migration.release(true)
  }
})

test('from the primary when the replica is away, or of another history', async () => {
  await postgres.caughtUp()
  await postgres.replica.kill()
  expect((await rebuilt()).from).toBe('primary')
  await postgres.replica.start()
  await postgres.caughtUp()
  expect((await rebuilt()).from).toBe('replica')
  // Where the log has no entry to compare, only the epoch tells.
  await postgres.detach()
  await postgres.db.pool.query('DELETE FROM index_log')
  await renewEpoch(postgres.db.pool)
  const said: string[] = []
  expect((await rebuilt(said)).from).toBe('primary')
  expect(said.join()).toContain('HistoryChanged')
})
