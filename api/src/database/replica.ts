// Reads on the read replica, which may be behind, away, in another history, or about to cancel what it was asked. It
// is asked only for what it certainly has: its replay has to have passed what the asker has written or seen
// (wal.ts). Whatever else happens, the answer is "ask the primary", and nobody waits long for it.
import type { PoolClient } from 'pg'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { databaseIsAway } from './away.ts'
import { createPool, isCanceled, type Pool, type Queryable } from './pool.ts'
import { includes, replayedPlace, sharedPlace, type WalPlace } from './wal.ts'

export interface ReplicaOptions {
  /** Milliseconds for a connection, and for a statement. */
  readonly connectMs?: number
  readonly statementMs?: number
  /** Until it is looked for again once it was found away; doubled up to `mostMs`. */
  readonly againMs?: number
  readonly mostMs?: number
  /** Nobody is shown a state that is older than twice this. */
  readonly sampleMs?: number
}

const DEFAULTS = { connectMs: 1_000, statementMs: 2_000, againMs: 1_000, mostMs: 15_000, sampleMs: 30_000 }

/** More than a primary writes between two samples. */
const UNKNOWN_BYTES = 2 ** 30

export interface ReplicaRead<T> {
  readonly value: T
  /** What was read is no newer than this. */
  readonly upTo: WalPlace
}

export interface ReplicaStatus {
  /** `away`: not to be reached, too slow, or no replica of this primary any more. */
  readonly state: 'ok' | 'behind' | 'away'
  /** Since the start: reads that it answered, that it lacked something for, and that failed on it. */
  readonly served: number
  readonly lacked: number
  readonly failed: number
}

export class Replica {
  /** A place behind everything that was seen on the primary before. Rejects when the primary is away. */
  readonly primaryPlace: () => Promise<WalPlace>
  readonly #pool: Pool
  readonly #log: Logger
  readonly #options: typeof DEFAULTS
  /** A connection stays with one server, whose replay never goes back: what it had it has. */
  readonly #replayed = new WeakMap<Queryable, WalPlace>()
  #state: ReplicaStatus['state'] = 'ok'
  #counts = { served: 0, lacked: 0, failed: 0 }
  #again: NodeJS.Timeout | undefined
  #wait: number
  readonly #sampling: NodeJS.Timeout
  /** Of the primary: the one before the last is what nobody is shown less than. Null before the first. */
  #samples: { readonly floor: WalPlace; readonly last: WalPlace } | null = null
  #closed = false

  constructor(
    config: Pick<Config, 'databaseCa' | 'databaseAuth'> & { readonly databaseReplicaUrl: string },
    primary: Queryable,
    log: Logger,
    options: ReplicaOptions = {},
  ) {
    this.primaryPlace = sharedPlace(primary)
    this.#log = log
    this.#options = { ...DEFAULTS, ...options }
    this.#wait = this.#options.againMs
    const { connectMs, statementMs } = this.#options
    this.#pool = createPool(
      { ...config, databaseUrl: config.databaseReplicaUrl },
      { name: 'terrace-replica', connectMs, statementMs },
    )
    this.#sampling = setInterval(() => void this.#sample(), this.#options.sampleMs)
    this.#sampling.unref()
    void this.#sample()
  }

  status(): ReplicaStatus {
    return { state: this.#state, ...this.#counts }
  }

  /**
   * @param seen what the answer has to include; undefined: only what everybody has to be shown by now
   * @returns null when the primary is to be asked instead
   */
  async read<T>(
    seen: WalPlace | undefined,
    work: (db: Queryable) => Promise<T>,
  ): Promise<ReplicaRead<T> | null> {
    const wanted = this.#wanted(seen)
    if (wanted === null || this.#state === 'away' || this.#closed) return null
    let client: PoolClient | undefined
    try {
      client = await this.#pool.connect()
      if (!(await this.#has(client, wanted))) {
        client.release()
        this.#counts.lacked++
        return null
      }
      const value = await work(client)
      // Asked after the reading, so that it covers what was read; and were it a primary by now, this would say so.
      const upTo = await this.#ask(client)
      client.release()
      this.#counts.served++
      return { value, upTo }
    } catch (error) {
      client?.release(true)
      this.#failed(error)
      return null
    }
  }

  /**
   * For who has written, or read on the primary, and can't be told how far that is, since it does not say: behind all
   * that it can have written. Their lists come from the primary until it has written so much. Null when nothing is known
   * of it.
   */
  beyond(): WalPlace | null {
    const last = this.#samples?.last
    return last === undefined ? null : { ...last, wal: last.wal + UNKNOWN_BYTES }
  }

  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#sampling)
    clearTimeout(this.#again)
    await this.#pool.end()
  }

  /** Null as long as nothing is known of the primary. */
  #wanted(seen?: WalPlace): WalPlace[] | null {
    if (this.#samples === null) return null
    return seen === undefined ? [this.#samples.floor] : [this.#samples.floor, seen]
  }

  async #has(client: Queryable, wanted: readonly WalPlace[]): Promise<boolean> {
    const known = this.#replayed.get(client)
    if (known !== undefined && includesAll(known, wanted)) return true
    return includesAll(await this.#ask(client), wanted)
  }

  /** Sets and returns the state. @throws what the replica says */
  async #compare(): Promise<ReplicaStatus['state']> {
    const wanted = this.#wanted()
    if (wanted === null) return this.#state
    const client = await this.#pool.connect()
    let broken = true
    try {
      // Asked in any case: what is known says nothing about whether it is there.
      const state = includesAll(await this.#ask(client), wanted) ? 'ok' : 'behind'
      broken = false
      if (state !== this.#state) this.#log.info({ state, was: this.#state }, 'the replica has changed')
      this.#state = state
      return state
    } finally {
      client.release(broken)
    }
  }

  async #ask(client: Queryable): Promise<WalPlace> {
    const place = await replayedPlace(client)
    if (place === null) throw new NoReplica()
    this.#replayed.set(client, place)
    return place
  }

  /** Any failure of a read is the primary's to repeat: where the statement is wrong, it says so there. */
  #failed(error: unknown): void {
    this.#counts.failed++
    // Too slow is as good as away. A conflict with recovery (40001) is bad luck.
    const away = error instanceof NoReplica || databaseIsAway(error) || isCanceled(error)
    this.#log.warn({ err: error, away }, 'the replica failed at a read; the primary is asked')
    if (away) this.#leave()
  }

  /** From now on nobody is sent there; it is looked for beside all requests. */
  #leave(): void {
    if (this.#closed) return
    this.#state = 'away'
    this.#lookAgain()
  }

  /** Until it is what it should be. One look at a time. */
  #lookAgain(): void {
    clearTimeout(this.#again)
    this.#again = setTimeout(() => void this.#look(), this.#wait)
    this.#again.unref()
    this.#wait = Math.min(this.#wait * 2, this.#options.mostMs)
  }

  async #look(): Promise<void> {
    await this.#compare().catch(() => {})
    if (this.#closed) return
    if (this.#state === 'ok') this.#wait = this.#options.againMs
    else this.#lookAgain()
  }

  /** Where the primary is, now and then: what it had written by the sample before has to be there by now. */
  async #sample(): Promise<void> {
    try {
      const place = await this.primaryPlace()
      const before = this.#samples?.last
      // Of another epoch, or none: there is nothing older to compare with.
      this.#samples = { floor: before?.epoch === place.epoch ? before : place, last: place }
    } catch (err) {
      this.#log.debug({ err }, 'the primary did not say how far it has written')
    }
    if (this.#state === 'away' || this.#closed) return
    try {
      if ((await this.#compare()) === 'behind') this.#lookAgain()
    } catch (error) {
      if (!this.#closed) this.#failed(error)
    }
  }
}

function includesAll(has: WalPlace, wanted: readonly WalPlace[]): boolean {
  return wanted.every((place) => includes(has, place))
}

/** Null where none is configured. One that is away does not keep a server from starting. */
export function openReplica(
  {
    databaseReplicaUrl,
    databaseCa,
    databaseAuth,
  }: Pick<Config, 'databaseReplicaUrl' | 'databaseCa' | 'databaseAuth'>,
  primary: Queryable,
  log: Logger,
  options?: ReplicaOptions,
): Replica | null {
  if (databaseReplicaUrl === undefined) return null
  return new Replica({ databaseReplicaUrl, databaseCa, databaseAuth }, primary, log, options)
}

/** It was promoted, or is a server of its own: what it has is another history. */
class NoReplica extends Error {
  constructor() {
    super('DATABASE_REPLICA_URL leads to no replica')
    this.name = 'NoReplica'
  }
}
