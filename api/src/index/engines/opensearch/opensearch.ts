// The index in an OpenSearch cluster: every server searches it, one of them writes it (follow.ts). Its indexes: mapping.ts.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Config } from '../../../config.ts'
import { createPool, type Pool, type Queryable } from '../../../database/pool.ts'
import { AppError } from '../../../errors.ts'
import type { Candidate, Index, IndexAnswer, IndexQuery, IndexStatus, Position } from '../../port.ts'
import { isFiniteVector } from '../../vectors/port.ts'
import { hasReached, Positions, unavailable } from '../positions.ts'
import { readAddress } from './address.ts'
import { Cluster, Trouble } from './cluster.ts'
import { countDocuments, countPassages } from './documents.ts'
import { Follower } from './follow.ts'
import { searchedIndex, sweep } from './mapping.ts'
import { backoffMs } from './retry.ts'
import { Searcher } from './search.ts'
import { createSignIn } from './sign-in.ts'
import { type Known, Watch } from './watch.ts'

const PATIENCE_MS = 5_000
const RETRY_MS = 100
const LONGEST_RETRY_MS = 1_000

export interface OpenSearchOptions {
  /** A person's sessions have changed: what is cached of them has to go. */
  readonly onSession?: (userId: string) => void
  /** Shards of an index that is made from now on. Default 3. */
  readonly shards?: number
  /** Milliseconds that a question waits for an index that is filled, or a cluster that is away. Default 5,000. */
  readonly patienceMs?: number
  /** Whether this server may write the index, asked of the database whenever it is its turn. Default: it may. */
  readonly wanted?: (db: Queryable) => Promise<boolean>
  /** Passages a second at most that an index is filled with; null: as fast as it goes. Default: null. */
  readonly rate?: () => number | null
  /** Milliseconds from where a fill of another writer is gone on with to its end, at least. Default: two minutes (fill.ts). */
  readonly settleMs?: number
  /** Told how far an index is that this server fills, in passages; null when that is over. */
  readonly progress?: (progress: { readonly done: number; readonly total: number } | null) => void
}

/** The port, and what only this engine is asked. */
export interface OpenSearchIndex extends Index {
  /** What the index holds, counted now: `status` may be older. @throws Trouble */
  count(signal?: AbortSignal): Promise<{ documents: number; passages: number; vectors: number }>
}

/**
 * @param url as OPENSEARCH_URL (address.ts)
 * @returns at once: `status()` and `search` know whether the index can be searched
 */
export function startOpenSearchIndex(
  config: Config,
  url: string,
  log: Logger,
  options: OpenSearchOptions = {},
): OpenSearchIndex {
  return new InCluster(config, url, log, options)
}

class InCluster implements OpenSearchIndex {
  readonly #pool: Pool
  readonly #cluster: Cluster
  readonly #follower: Follower
  readonly #watch: Watch
  readonly #searcher: Searcher
  readonly #positions = new Positions()
  readonly #stop = new AbortController()
  readonly #patienceMs: number
  #closing: Promise<void> | undefined

  constructor(config: Config, url: string, log: Logger, options: OpenSearchOptions) {
    const { onSession, shards = 3, patienceMs = PATIENCE_MS, wanted, rate, progress, settleMs } = options
    this.#patienceMs = patienceMs
    this.#pool = createPool(config, {
      name: 'terrace-index',
      max: 4,
      onError: (err) => log.warn({ err }, 'an idle connection to the database was lost'),
    })
    this.#cluster = new Cluster(url, signInOf(config))
    this.#searcher = new Searcher(this.#cluster)
    const place = { alias: readAddress(url).name, shards }
    const common = { config, log, pool: this.#pool, cluster: this.#cluster }
    this.#follower = new Follower({
      ...{ ...common, place, wanted, rate, progress, settleMs },
      moved: () => this.#watch.wake(),
    })
    this.#watch = new Watch({
      ...common,
      alias: place.alias,
      session: (userId) => onSession?.(userId),
      moved: () => this.#positions.moved(),
      appended: () => this.#follower.wake(),
    })
    this.#cluster.returned = () => {
      this.#follower.tryAgain()
      this.#watch.wake()
    }
    this.#watch.start()
    this.#follower.start()
  }

  async search(asked: IndexQuery | Promise<IndexQuery>, signal?: AbortSignal): Promise<IndexAnswer> {
    const query = await asked
    signal?.throwIfAborted()
    let failures = 0
    for (const until = performance.now() + this.#patienceMs; ; await sleep(RETRY_MS, undefined, { signal })) {
      if (this.#stop.signal.aborted) throw unavailable('the server is stopping')
      const left = performance.now() < until
      const known = this.#watch.known
      if (known === null) {
        if (!left) throw unavailable(this.#why() ?? 'the search index is loading')
        continue
      }
      check(query, known)
      try {
        const candidates: Candidate[] = await this.#searcher.search(query, known, signal)
        // It may hold more by now, never less.
        const { epoch, seq } = known.facts.position
        return { candidates, position: { epoch, seq } }
      } catch (error) {
        signal?.throwIfAborted()
        if (!(error instanceof Trouble)) throw error
        // Another index has taken its place meanwhile.
        if (error.kind === 'missing') this.#watch.wake()
        else if (!error.passes) throw new AppError('INTERNAL', {}, { internal: error.message, cause: error })
        if (!left)
          throw new AppError(
            'UNAVAILABLE',
            { reason: reasonOf(error) },
            { internal: error.message, cause: error },
          )
        await sleep(backoffMs(failures++, RETRY_MS, LONGEST_RETRY_MS), undefined, { signal })
      }
    }
  }

  async waitFor(position: Position, timeoutMs: number): Promise<void> {
    const reached = () => hasReached(this.#watch.known?.facts.position, position)
    if (reached()) return
    this.#watch.waiting++
    this.#follower.wake()
    this.#watch.wake()
    try {
      await this.#positions.reached(reached, timeoutMs)
    } finally {
      this.#watch.waiting--
    }
  }

  status(): IndexStatus {
    const { known, caughtUpAt, movedAt } = this.#watch
    const facts = known?.facts
    const now = Date.now()
    return {
      ready: known !== null && caughtUpAt !== null,
      position: facts === undefined ? null : { epoch: facts.position.epoch, seq: facts.position.seq },
      behindMs: caughtUpAt === null ? null : Math.max(0, now - caughtUpAt),
      stalledMs: caughtUpAt === null ? null : Math.max(0, now - Math.max(caughtUpAt, movedAt)),
      silentMs: performance.now() - this.#cluster.answeredAt,
      passages: facts?.passages ?? 0,
      vectors: facts?.vectors ?? 0,
      generation: facts?.generation?.id ?? null,
      engine: 'opensearch',
    }
  }

  async count(signal?: AbortSignal) {
    const index = this.#watch.known?.index
    if (index === undefined) throw unavailable(this.#why() ?? 'the search index is loading')
    const documents = await countDocuments(this.#cluster, index, signal)
    const { passages, vectors } = await countPassages(this.#cluster, index)
    return { documents, passages, vectors }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#stop.abort()
    await Promise.all([this.#follower.close(), this.#watch.close()])
    await this.#cluster.close()
    await this.#pool.end()
  }

  #why(): string | null {
    const why = this.#follower.trouble ?? this.#watch.trouble
    return why === null ? null : 'the search engine can not be used; the log says why'
  }
}

/** For people: the whole sentence names hosts, and is in the log. */
function reasonOf({ kind }: Trouble): string {
  if (kind === 'busy') return 'the search engine has too much to do'
  if (kind === 'sign-in') return 'the search engine refuses the sign-in; the log says why'
  if (kind === 'blocked') return 'the search engine is blocked; the log says why'
  return kind === 'red' ? 'a part of the search index is missing' : 'the search engine can not be reached'
}

/** @throws AppError INTERNAL */
function check({ vector, generation }: IndexQuery, { facts }: Known): void {
  // Of another generation it is not looked at.
  if (vector === null || (generation !== undefined && generation !== facts.generation?.id)) return
  const dimensions = facts.generation?.dimensions ?? null
  if ((dimensions === null || vector.length === dimensions) && isFiniteVector(vector)) return
  const internal = `a query vector of ${vector.length} numbers for an index of ${dimensions} dimensions`
  throw new AppError('INTERNAL', {}, { internal })
}

/**
 * Removes what Terrace has in the cluster under its name. For who holds the writer's lock (follow.ts).
 * @throws Trouble
 */
export async function removeIndexes(config: Config, url: string): Promise<void> {
  const cluster = new Cluster(url, signInOf(config))
  try {
    const place = { alias: readAddress(url).name, shards: 1 }
    // Refuses a foreign index under the name.
    await searchedIndex(cluster, place)
    await sweep(cluster, place, new Set())
  } finally {
    await cluster.close()
  }
}

const signInOf = ({ openSearchAuth: auth }: Config) =>
  auth.kind === 'iam' ? createSignIn(auth.region) : undefined
