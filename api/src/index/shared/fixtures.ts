// For tests: servers' index folders beside one database and one store, without processes.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pino } from 'pino'
import { type TestDatabase, testDatabase } from '../../../test/database.ts'
import { createFileBlobStore } from '../../storage/files.ts'
import { readCheckpoints } from '../checkpoint/read.ts'
import { writeCheckpoint } from '../checkpoint/write.ts'
import { FixtureLibrary } from '../fixtures.ts'
import { rebuild } from '../rebuild.ts'
import { IndexState } from '../state.ts'
import { exactEngine } from '../vectors/exact.ts'
import { type Fetched, fetchCheckpoint } from './fetch.ts'
import { cutByOwn, type Published, publishCheckpoint } from './publish.ts'
import type { CheckpointStore } from './shared.ts'

export const MAC_KEY = Buffer.alloc(32, 7)

/** The store, but for what `changes` do. */
export function altered(store: CheckpointStore, changes: Partial<CheckpointStore>): CheckpointStore {
  return {
    put: (...args) => store.put(...args),
    get: (...args) => store.get(...args),
    delete: (...args) => store.delete(...args),
    list: (...args) => store.list(...args),
    check: () => store.check(),
    ...changes,
  }
}

export class FixtureServer {
  readonly dir: string
  readonly owner: string
  readonly refused: string[] = []
  readonly #place: SharedPlace

  constructor(place: SharedPlace, owner: string) {
    this.#place = place
    this.owner = owner
    this.dir = mkdtempSync(path.join(place.home, `${owner}-`))
  }

  /** Builds the state from the tables and writes a checkpoint of it. @returns its position */
  async checkpoint(): Promise<number> {
    const state = await rebuild(this.#place.db.pool, exactEngine(), this.dir, new AbortController().signal)
    const { position } = await writeCheckpoint(state, this.dir, new Map())
    state.close()
    return position.seq
  }

  publish(
    store: CheckpointStore = this.#place.store,
    signal = new AbortController().signal,
  ): Promise<Published> {
    return publishCheckpoint({ ...this.#deps(signal), store, owner: this.owner })
  }

  cutByOwn(): Promise<void> {
    return cutByOwn({ ...this.#deps(new AbortController().signal), owner: this.owner })
  }

  /** `whole`: what is here does not count. */
  fetch(
    store: CheckpointStore = this.#place.store,
    { whole = false, received = (_: number) => {} } = {},
  ): Promise<Fetched | null> {
    return fetchCheckpoint({ ...this.#deps(new AbortController().signal), store, received }, { whole })
  }

  /** Names in the folder and those below it. */
  files(): string[] {
    return readdirSync(this.dir, { recursive: true, withFileTypes: true }).flatMap((entry) =>
      entry.isFile() ? entry.name : [],
    )
  }

  /** Position and texts' ids of what would be loaded; null when there is nothing whole. */
  async loaded(verified: readonly string[] = []): Promise<{ seq: number; ids: number[] } | null> {
    for await (const { saved } of readCheckpoints(this.dir, () => {}, new Set(verified))) {
      const state = await IndexState.restore(exactEngine(), saved)
      state.close()
      return { seq: saved.position.seq, ids: [...saved.passages.ids] }
    }
    return null
  }

  #deps(signal: AbortSignal) {
    const log = pino({ level: 'warn' }, { write: (line) => void this.refused.push(line) })
    return { pool: this.#place.db.pool, macKey: MAC_KEY, dir: this.dir, log, signal }
  }
}

export class SharedPlace implements AsyncDisposable {
  readonly db: TestDatabase
  readonly library: FixtureLibrary
  readonly store: CheckpointStore
  readonly home: string

  private constructor(db: TestDatabase, store: CheckpointStore, home: string) {
    this.db = db
    this.store = store
    this.home = home
    this.library = new FixtureLibrary(db.pool)
  }

  static async open(): Promise<SharedPlace> {
    const home = mkdtempSync(path.join(tmpdir(), 'terrace-shared-'))
    return new SharedPlace(await testDatabase(), await createFileBlobStore(path.join(home, 'store')), home)
  }

  server(owner: string): FixtureServer {
    return new FixtureServer(this, owner)
  }

  /** One more document. @returns the position of its last entry */
  async document(passages = 3): Promise<number> {
    const collection = await this.library.collection()
    const texts = Array.from({ length: passages }, (_, i) => ({ text: `damson number ${i}`, vector: [1, i] }))
    return (await this.library.publish(await this.library.document(collection), texts)).position.seq
  }

  async keys(prefix = 'index/'): Promise<string[]> {
    const keys: string[] = []
    for await (const { key } of this.store.list(prefix)) keys.push(key)
    return keys
  }

  /** Where a blob's bytes are. */
  file(key: string): string {
    return path.join(this.home, 'store/blobs', key)
  }

  /** The lease has run out. */
  async leaseEnds(): Promise<void> {
    await this.db.pool.query("UPDATE index_builder SET lease_until = now() - interval '1 second'")
  }

  /** The database's clock is set forward, or back where `seconds` is negative: what it has written is the older for it. */
  async clockJumps(seconds: number): Promise<void> {
    await this.db.pool.query(
      'UPDATE index_builder SET lease_until = lease_until - make_interval(secs => $1)',
      [seconds],
    )
    await this.db.pool.query('UPDATE index_log SET at = at - make_interval(secs => $1)', [seconds])
  }

  /** As if everything in the log had happened two hours ago. */
  async logAges(): Promise<void> {
    await this.db.pool.query("UPDATE index_log SET at = at - interval '2 hours'")
  }

  async log(): Promise<number[]> {
    const { rows } = await this.db.pool.query<{ seq: string }>('SELECT seq FROM index_log ORDER BY seq')
    return rows.map(({ seq }) => Number(seq))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.db[Symbol.asyncDispose]()
    rmSync(this.home, { recursive: true, force: true })
  }
}
