// Two servers, each with its own index process and folder, over one database and one blob store.
import { fork } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { afterAll, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../../test/database.ts'
import { type Config, childEnvironment, deriveKey } from '../../config.ts'
import { openBlobStore } from '../../storage/open.ts'
import { FixtureLibrary, unit } from '../fixtures.ts'
import type { IndexQuery } from '../port.ts'
import { createCourier } from '../shared/courier.ts'
import type { Outcome, Task } from '../shared/messages.ts'
import { listManifests } from '../shared/shared.ts'
import { type EmbeddedIndex, startEmbeddedIndex } from './embedded.ts'

const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

interface Server extends AsyncDisposable {
  readonly config: Config
  readonly index: EmbeddedIndex
  readonly said: string[]
}

class Place implements AsyncDisposable {
  readonly home = mkdtempSync(path.join(tmpdir(), 'terrace-servers-'))
  readonly db: TestDatabase
  readonly library: FixtureLibrary
  readonly #servers: Server[] = []

  constructor(db: TestDatabase) {
    folders.push(this.home)
    this.db = db
    this.library = new FixtureLibrary(db.pool)
  }

  config(name: string): Config {
    const dir = path.join(this.home, name)
    return this.db.config(this.home, { INDEX_CHECKPOINTS: 'shared', INDEX_DIR: dir })
  }

  async start(name: string): Promise<Server> {
    const config = this.config(name)
    const said: string[] = []
    const log = pino({ level: 'info' }, { write: (line) => void said.push(line) })
    const courier = createCourier(config, this.db.pool, log)
    const index = await startEmbeddedIndex(config, log, { courier })
    let closed = false
    const server: Server = {
      ...{ config, index, said },
      async [Symbol.asyncDispose]() {
        if (closed) return
        closed = true
        await index.close()
        await courier.close()
      },
    }
    this.#servers.push(server)
    return server
  }

  async manifests(): Promise<number[]> {
    const store = await openBlobStore(this.config('x'))
    return (await listManifests(store)).map(({ seq }) => seq)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) await server[Symbol.asyncDispose]()
    await this.db[Symbol.asyncDispose]()
  }
}

const vectorOf = (i: number) => [1 + (i % 7), i % 11, i % 13, 1]

/** Enough changes for a checkpoint to be due at once. */
async function fill(place: Place, documents = 12, each = 100) {
  const collection = await place.library.collection()
  let position = { epoch: '', seq: 0 }
  for (let d = 0; d < documents; d++) {
    const passages = Array.from({ length: each }, (_, i) => ({
      text: `medlar ${d} in row ${i}`,
      vector: vectorOf(d * each + i),
    }))
    position = (await place.library.publish(await place.library.document(collection), passages)).position
  }
  const query = (n: number): IndexQuery => ({
    text: `medlar ${n}`,
    vector: unit(vectorOf(n)),
    limit: 50,
    filter: { kind: 'collections', keys: [collection.key] },
  })
  return { collection, position, query }
}

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let waited = 0; !(await condition()); waited += 50) {
    if (waited > 40_000) throw new Error(`waited in vain: ${what}`)
    await sleep(50)
  }
}

test('a new server begins with what another one built, and both answer alike', async () => {
  await using place = new Place(await testDatabase())
  const { position, query, collection } = await fill(place)
  const a = await place.start('a')
  await a.index.waitFor(position, 20_000)
  await until(async () => (await place.manifests()).length > 0, 'a shared checkpoint')
  const b = await place.start('b')
  await b.index.waitFor(position, 20_000)
  expect(b.said.join()).toContain('took a shared checkpoint')
  // After more has happened than the checkpoint has.
  const document = await place.library.document(collection)
  const more = await place.library.publish(document, [{ text: 'medlar 3 again', vector: vectorOf(3) }])
  await Promise.all([a, b].map(({ index }) => index.waitFor(more.position, 10_000)))
  for (const n of [0, 3, 77, 500]) {
    const [one, other] = await Promise.all([a.index.search(query(n)), b.index.search(query(n))])
    expect(one.candidates.length).toBeGreaterThan(0)
    expect(other).toEqual(one)
  }
  expect(readdirSync(b.config.indexDir).some((name) => /\.[a-z]+\.[0-9a-f]+$/.test(name))).toBe(false)
})

test('a server whose own checkpoints are all damaged begins with the shared one, not with the tables', async () => {
  await using place = new Place(await testDatabase())
  const { position, query } = await fill(place)
  const a = await place.start('a')
  await a.index.waitFor(position, 20_000)
  await until(async () => (await place.manifests()).length > 0, 'a shared checkpoint')
  const right = await a.index.search(query(5))
  const first = await place.start('b')
  await first.index.waitFor(position, 20_000)
  await first[Symbol.asyncDispose]()
  for (const name of readdirSync(first.config.indexDir)) {
    if (!/^(state|vectors)-/.test(name)) continue
    const file = path.join(first.config.indexDir, name)
    const bytes = readFileSync(file)
    bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1)
    writeFileSync(file, bytes)
  }
  // From the tables nothing could be had.
  await place.db.pool.query('ALTER TABLE passages RENAME TO passages_away')
  const b = await place.start('b')
  await b.index.waitFor(position, 20_000)
  expect(b.said.join()).toContain('took a shared checkpoint')
  expect(await b.index.search(query(5))).toEqual(right)
})

test('a builder that is killed at any moment leaves only checkpoints that are whole', async () => {
  await using place = new Place(await testDatabase())
  const { position, query } = await fill(place)
  const a = await place.start('a')
  await a.index.waitFor(position, 20_000)
  await until(async () => (await place.manifests()).length > 0, 'a shared checkpoint')
  const right = await a.index.search(query(5))
  // From here on this test is the builder: the files are there, and each publication makes one more manifest.
  await a[Symbol.asyncDispose]()
  const { databaseUrl, databaseCa, databaseAuth, storage, home, indexDir, logLevel, release } = a.config
  const task: Task = {
    config: { databaseUrl, databaseCa, databaseAuth, storage, home, indexDir, logLevel, release },
    macKey: deriveKey(a.config, 'checkpoint'),
    errand: { kind: 'publish', owner: 'the test' },
  }
  const publish = (killAfterMs?: number) =>
    new Promise<Outcome | null>((resolve) => {
      const child = fork(path.join(import.meta.dirname, '../shared/process.ts'), [], {
        ...{ serialization: 'advanced', env: childEnvironment(), execArgv: [] },
      })
      const timer = killAfterMs === undefined ? null : setTimeout(() => child.kill('SIGKILL'), killAfterMs)
      child.on('message', (outcome: Outcome) => resolve(outcome))
      child.on('exit', () => {
        if (timer !== null) clearTimeout(timer)
        resolve(null)
      })
      child.send(task)
    })
  const started = performance.now()
  await publish()
  const whole = performance.now() - started
  for (let round = 0; round < 5; round++) {
    // Another server's term each time, so that every file has to be stored again.
    await place.db.pool.query("UPDATE index_builder SET owner = NULL, lease_until = now() - interval '1 s'")
    const store = await openBlobStore(a.config)
    for (const { key } of await listManifests(store)) await store.delete(key)
    await publish(whole * (0.4 + 0.12 * round))
    const b = await place.start(`b${round}`)
    await b.index.waitFor(position, 20_000)
    expect(await b.index.search(query(5))).toEqual(right)
    await b[Symbol.asyncDispose]()
  }
  await place.db.pool.query("UPDATE index_builder SET owner = NULL, lease_until = now() - interval '1 s'")
  const outcome = await publish()
  expect(outcome?.kind).toBe('published')
  const c = await place.start('c')
  await c.index.waitFor(position, 20_000)
  expect(c.said.join()).toContain('took a shared checkpoint')
  expect(await c.index.search(query(5))).toEqual(right)
})
