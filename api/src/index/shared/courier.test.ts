import { fork } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { type Config, childEnvironment, deriveKey } from '../../config.ts'
import { openBlobStore } from '../../storage/open.ts'
import { createCourier } from './courier.ts'
import { type FixtureServer, SharedPlace } from './fixtures.ts'
import type { Outcome, Progress, Task } from './messages.ts'
import { publishCheckpoint } from './publish.ts'
import { takeTerm } from './term.ts'

function configOf(place: SharedPlace, { dir }: FixtureServer): Config {
  return place.db.config(place.home, { INDEX_CHECKPOINTS: 'shared', INDEX_DIR: dir })
}

test('a fetch that gets nowhere is given up, and the server starts without', async () => {
  await using place = await SharedPlace.open()
  const said: string[] = []
  const log = pino({ level: 'info' }, { write: (line) => void said.push(line) })
  const server = place.server('a')
  const courier = createCourier(configOf(place, server), place.db.pool, log, { graceMs: 500 })
  const migration = await place.db.pool.connect()
  try {
    // As a store that brings a byte now and then: it could wait here for hours.
    await migration.query('BEGIN; LOCK TABLE generations IN ACCESS EXCLUSIVE MODE')
    expect(await courier.fetch()).toEqual([])
    expect(said.join()).toContain('takes too long')
    await migration.query('ROLLBACK')
  } finally {
    migration.release()
    await courier.close()
  }
})

test('a builder that fails again and again leaves its place to others', async () => {
  await using place = await SharedPlace.open()
  const a = place.server('a')
  await place.document()
  await a.checkpoint()
  for (const name of readdirSync(a.dir))
    if (name.endsWith('.bin')) writeFileSync(path.join(a.dir, name), Buffer.alloc(10))
  const courier = createCourier(configOf(place, a), place.db.pool, pino({ enabled: false }), { againMs: 1 })
  try {
    courier.publish()
    const builder = async () =>
      (await place.db.pool.query<{ owner: string | null }>('SELECT owner FROM index_builder')).rows[0]?.owner
    await expect.poll(builder, { timeout: 30_000 }).not.toBeNull()
    expect(await takeTerm(place.db.pool, 'another')).toBeNull()
    await expect
      .poll(() => takeTerm(place.db.pool, 'another'), { timeout: 90_000, interval: 500 })
      .not.toBeNull()
    // Nor does a new checkpoint bring it back at once.
    courier.publish()
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    expect(await takeTerm(place.db.pool, 'another')).not.toBeNull()
  } finally {
    await courier.close()
  }
}, 120_000)

test('whoever fetches says how far it has come', async () => {
  await using place = await SharedPlace.open()
  const [a, b] = [place.server('a'), place.server('b')]
  const config = configOf(place, b)
  // Words that are of one passage each make a checkpoint large.
  const texts = Array.from({ length: 4_000 }, (_, i) => ({
    text: `bullace${i} in orchard${i}`,
    vector: [1, i],
  }))
  await place.library.publish(await place.library.document(await place.library.collection()), texts)
  await a.checkpoint()
  const macKey = deriveKey(config, 'checkpoint')
  const log = pino({ enabled: false })
  const { signal } = new AbortController()
  const store = await openBlobStore(config)
  await publishCheckpoint({ pool: place.db.pool, store, macKey, dir: a.dir, owner: 'a', log, signal })
  const { databaseUrl, databaseCa, databaseAuth, storage, home, indexDir, logLevel, release } = config
  const task: Task = {
    config: { databaseUrl, databaseCa, databaseAuth, storage, home, indexDir, logLevel, release },
    macKey,
    errand: { kind: 'fetch', whole: false },
  }
  const said: (Outcome | Progress)[] = []
  const child = fork(path.join(import.meta.dirname, 'process.ts'), [], {
    ...{ serialization: 'advanced', env: childEnvironment(), execArgv: [] },
  })
  await new Promise((resolve) => {
    child.on('message', (message: Outcome | Progress) => said.push(message))
    child.on('exit', resolve)
    child.send(task)
  })
  expect(said[0]?.kind).toBe('progress')
  expect(said.at(-1)?.kind).toBe('fetched')
})
