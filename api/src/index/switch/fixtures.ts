// For tests: API servers over one database, as far as their search goes, and an operator who types commands.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pino } from 'pino'
import { type TestDatabase, testDatabase } from '../../../test/database.ts'
import { testEmbedders } from '../../../test/embedders.ts'
import type { Config } from '../../config.ts'
import { createPool, type Pool } from '../../database/pool.ts'
import { startEmbeddedIndex } from '../engines/embedded.ts'
import { FixtureLibrary } from '../fixtures.ts'
import type { Surroundings } from './commands.ts'
import { embeddedEngine, startSwitchedIndex } from './engines.ts'
import type { RunningEngine, SwitchingIndex } from './switching-index.ts'

export interface FleetServer extends AsyncDisposable {
  readonly config: Config
  readonly pool: Pool
  readonly index: SwitchingIndex
}

export interface Operator extends Omit<Surroundings, 'signal'> {
  readonly said: string[]
  readonly stop: AbortController
  readonly signal: AbortSignal
}

export interface StartOptions {
  readonly env?: Record<string, string>
  /** In the cluster's place. Default: what OPENSEARCH_URL names. */
  readonly cluster?: (config: Config) => Promise<RunningEngine>
}

export class Fleet implements AsyncDisposable {
  readonly db: TestDatabase
  readonly library: FixtureLibrary
  readonly home = mkdtempSync(path.join(tmpdir(), 'terrace-switch-'))
  readonly log = pino({ enabled: false })
  readonly #servers: FleetServer[] = []
  readonly #pools: Pool[] = []
  /** Rejects at the end: what a test never opens keeps nothing from closing. */
  readonly #end = Promise.withResolvers<never>()

  private constructor(db: TestDatabase) {
    this.#end.promise.catch(() => {})
    this.db = db
    this.library = new FixtureLibrary(db.pool)
  }

  static async open(): Promise<Fleet> {
    return new Fleet(await testDatabase())
  }

  async start(name: string, { env = {}, cluster }: StartOptions = {}): Promise<FleetServer> {
    const config = this.db.config(this.home, { INDEX_DIR: path.join(this.home, name), ...env })
    const pool = this.#pool()
    const index = await startSwitchedIndex(config, {
      ...{ pool, log: this.log, name, engine: 'exact' },
      embedders: async () => testEmbedders(),
      ...(cluster === undefined ? {} : { cluster: () => Promise.race([cluster(config), this.#end.promise]) }),
    })
    let closed: Promise<void> | undefined
    const server: FleetServer = {
      ...{ config, pool, index },
      [Symbol.asyncDispose]() {
        closed ??= index.close()
        return closed
      },
    }
    this.#servers.push(server)
    return server
  }

  operator(agrees = true): Operator {
    const said: string[] = []
    const stop = new AbortController()
    return {
      ...{ said, stop, signal: stop.signal, pool: this.#pool(), config: this.db.config(this.home) },
      say: (line) => void said.push(line),
      agree: async () => agrees,
    }
  }

  /** Each program has connections of its own, which a busy one does not take from the others. */
  #pool(): Pool {
    const pool = createPool(this.db.config(this.home), { name: 'terrace-fleet', connectMs: 60_000 })
    this.#pools.push(pool)
    return pool
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.reject(new Error('the test is over'))
    await Promise.all(this.#servers.map((server) => server[Symbol.asyncDispose]()))
    await Promise.all(this.#pools.map((pool) => pool.end()))
    await this.db[Symbol.asyncDispose]()
    rmSync(this.home, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** Another index process, which stands for a cluster: every ordinary test can have one. */
export async function standIn(config: Config): Promise<RunningEngine> {
  const dir = `${config.indexDir}-cluster`
  const index = await startEmbeddedIndex({ ...config, indexDir: dir }, pino({ enabled: false }), {
    engine: 'exact',
  })
  return embeddedEngine(index, () => index.close())
}
