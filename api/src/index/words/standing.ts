// How far the words in PostgreSQL are, as every server sees it: which place of the log they are at, and how long they have been
// behind its end.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { BRIEF_MS, createPool, type DatabaseConfig, type Pool, within } from '../../database/pool.ts'
import { hasReached, Positions } from '../engines/positions.ts'
import type { Position } from '../port.ts'

const POLL_MS = 1_000
const WAITED_FOR_MS = 50

export class Standing {
  readonly #pool: Pool
  readonly #positions = new Positions()
  readonly #stop = new AbortController()
  #watched = false
  #waiting = 0
  #polling: Promise<void> = Promise.resolve()
  #caughtUpAt: number | null = null
  /** Null until everything was filled once, and while that was in another epoch. */
  position: Position | null = null

  constructor(config: DatabaseConfig, log: Logger) {
    this.#pool = createPool(config, {
      ...{ name: 'terrace-words-standing', max: 1 },
      onError: (err) => log.warn({ err }, 'an idle connection to the database was lost'),
    })
  }

  /** Milliseconds since the words were last known to be at the log's end; 0 while they are. */
  get behindMs(): number | null {
    return this.#caughtUpAt === null ? null : Math.max(0, Date.now() - this.#caughtUpAt)
  }

  /** Whether they can be searched: asked of the database now. */
  async usable(): Promise<boolean> {
    await this.#read().catch(() => {})
    return this.position !== null
  }

  /** While it is watched, `position` and `behindMs` are kept up. */
  watch(watched: boolean): void {
    const begins = watched && !this.#watched
    this.#watched = watched
    if (begins) this.#polling = this.#polling.then(() => this.#poll())
  }

  /** Resolves once the words are at this position; rejects with UNAVAILABLE after `timeoutMs`. */
  async waitFor(wanted: Position, timeoutMs: number): Promise<void> {
    this.#waiting++
    try {
      await this.#positions.reached(() => hasReached(this.position, wanted), timeoutMs)
    } finally {
      this.#waiting--
    }
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#polling
    await this.#pool.end()
  }

  async #poll(): Promise<void> {
    const { signal } = this.#stop
    for (let readAt = 0; this.#watched && !signal.aborted; ) {
      const due = performance.now() - readAt >= POLL_MS
      if (due || this.#waiting > 0) {
        // The database away: what was known last holds, and grows old.
        await this.#read().catch(() => {})
        readAt = performance.now()
      }
      await sleep(WAITED_FOR_MS, undefined, { signal }).catch(() => {})
    }
  }

  async #read(): Promise<void> {
    const at = Date.now()
    const { rows } = await this.#pool.query<{ epoch: string; seq: string; head: string; ours: boolean }>(
      within(BRIEF_MS, {
        name: 'words-standing',
        text: `SELECT f.epoch, f.seq, h.seq AS head, f.epoch = h.epoch AS ours
               FROM word_fill f, index_head h WHERE f.id = 1 AND h.id = 1`,
      }),
    )
    const [row] = rows
    this.position = row?.ours === true ? { epoch: row.epoch, seq: Number(row.seq) } : null
    if (row === undefined) this.#caughtUpAt = null
    else if (Number(row.seq) >= Number(row.head) || this.#caughtUpAt === null) this.#caughtUpAt = at
    this.#positions.moved()
  }
}
