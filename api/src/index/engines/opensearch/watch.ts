// What every server knows of the index, the writer's own included: what it holds, how far behind the log that is, whose
// sessions have ended. Asked for twice a second, at every commit that the database tells of, and often while somebody
// waits for a position.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { keepListening } from '../../../database/listening.ts'
import { BRIEF_MS, type DatabaseConfig, type Pool, within } from '../../../database/pool.ts'
import { Bell } from '../../bell.ts'
import { LOG_CHANNEL } from '../../log.ts'
import { hasReached } from '../positions.ts'
import type { Cluster } from './cluster.ts'
import { type IndexFacts, readFacts } from './documents.ts'

const POLL_MS = 500
const WAITED_FOR_MS = 40

export interface Known {
  /** The index's own name: an answer comes from one, however the alias moves meanwhile. */
  readonly index: string
  readonly facts: IndexFacts
}

export interface WatchOptions {
  readonly config: DatabaseConfig
  readonly pool: Pool
  readonly cluster: Cluster
  readonly alias: string
  readonly log: Logger
  readonly session: (userId: string) => void
  /** Something else is known than before. */
  readonly moved: () => void
  /** A transaction has appended to the log. */
  readonly appended: () => void
}

export class Watch {
  readonly #options: WatchOptions
  readonly #stop = new AbortController()
  readonly #bell = new Bell()
  #finished: Promise<unknown> = Promise.resolve()
  #heard: number | null = null
  /** Callers of `waitFor`. */
  waiting = 0
  known: Known | null = null
  /** Date.now() when the index had all that the log held then; and when it last came nearer. */
  caughtUpAt: number | null = null
  movedAt = 0
  /** Why nothing is known of the index, in a sentence. */
  trouble: string | null = null

  constructor(options: WatchOptions) {
    this.#options = options
  }

  start(): void {
    const listening = keepListening({
      ...{ config: this.#options.config, name: 'terrace-index-listen', channel: LOG_CHANNEL },
      signal: this.#stop.signal,
      heard: () => {
        this.#options.appended()
        this.wake()
      },
      connected: () => this.wake(),
    })
    this.#finished = Promise.all([this.#live(), listening])
  }

  wake(): void {
    this.#bell.ring()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.wake()
    await this.#finished
  }

  async #live(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      this.#bell.silence()
      try {
        await this.#look(signal)
        if (this.trouble !== null) this.#options.log.info('the search index is seen again')
        this.trouble = null
      } catch (error) {
        if (signal.aborted) return
        const sentence = error instanceof Error ? error.message : String(error)
        if (sentence !== this.trouble)
          this.#options.log.warn({ err: error }, `the search index can not be seen: ${sentence}`)
        this.trouble = sentence
      }
      if (this.waiting > 0 && this.trouble === null) await sleep(WAITED_FOR_MS)
      else await this.#bell.wait(POLL_MS, signal)
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { cluster, alias, moved } = this.#options
    const at = Date.now()
    const head = await this.#readHead()
    const known = await readFacts(cluster, alias, signal)
    const before = this.known?.facts.position
    this.known = known
    if (known === null) this.caughtUpAt = null
    const now = known?.facts.position
    if (hasReached(now, head)) this.caughtUpAt = at
    if (now?.seq === before?.seq && now?.epoch === before?.epoch) return
    this.movedAt = Date.now()
    moved()
  }

  /** The log's end; and tells of the sessions that have changed since it was read last. */
  async #readHead(): Promise<{ epoch: string; seq: number }> {
    const { pool, session } = this.#options
    const { rows } = await pool.query<{ epoch: string; seq: string; users: string[] | null }>(
      within(BRIEF_MS, {
        name: 'opensearch-head',
        text: `SELECT h.epoch, h.seq, (SELECT array_agg(l.user_id) FROM index_log l
                 WHERE l.seq > $1 AND l.op = 'session' AND l.user_id IS NOT NULL) AS users
               FROM index_head h WHERE h.id = 1`,
        values: [this.#heard ?? Number.MAX_SAFE_INTEGER],
      }),
    )
    const [row] = rows
    if (row === undefined) throw new Error('index_head has no row: the first migration did not run')
    for (const user of row.users ?? []) session(user)
    this.#heard = Number(row.seq)
    return { epoch: row.epoch, seq: this.#heard }
  }
}
