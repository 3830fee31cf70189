// Following the log. The head row's lock makes the order of positions the order of commits, without gaps, so
// "seq > mine" never misses a late commit (log.ts). A notification wakes the reading; a poll every 500 ms is the
// guarantee, since notifications are lost with their connection.
// Every reading also checks that the log is still the one that was followed: the entry at our position has the id we
// applied. After a restore or a promotion that is not so, and the state has to come from somewhere else.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Queryable } from '../database/pool.ts'
import { applyEntry, type LogRow, RebuildNeeded } from './apply.ts'
import { Bell } from './bell.ts'
import { LOG_PORTION, type LogReading, readLog } from './database-source.ts'
import type { Source } from './source.ts'
import type { IndexState, LogPosition } from './state.ts'

const POLL_MS = 500
const RETRY_MS = [100, 250, 500, 1_000, 2_000] as const

/** The log is not the one that led to this position. */
export class HistoryChanged extends Error {
  constructor(why: string) {
    super(why)
    this.name = 'HistoryChanged'
  }
}

/**
 * @throws HistoryChanged when what was applied up to `position` is not what this log says, or may hold what came with
 *   entries that it does not have
 */
export function checkHistory(position: LogPosition, { head, entryId, seenId, entries }: LogReading): void {
  const { seen } = position
  if (seen !== undefined && head.seq < seen.seq)
    throw new HistoryChanged(`the log ends at ${head.seq}, rows were read when it ended at ${seen.seq}`)
  if (seen !== undefined && seenId !== seen.id)
    throw new HistoryChanged(`entry ${seen.seq} is not the one that was there when rows were read`)
  if (head.seq < position.seq)
    throw new HistoryChanged(`the log ends at ${head.seq}, before position ${position.seq}`)
  // Numbers say nothing: after a restore the same ones are given out again. An entry that the log no longer has can't
  // be compared, and who is so far behind is better off with a checkpoint anyway.
  if (position.seq > 0 && entryId !== position.entryId)
    throw new HistoryChanged(`entry ${position.seq} is ${entryId === null ? 'gone' : 'another one'}`)
  for (let i = 0; i < Math.max(entries.length, 1); i++) {
    const next = entries[i]?.seq ?? head.seq + 1
    if (next !== position.seq + 1 + i && head.seq > position.seq)
      throw new HistoryChanged(`the log goes on at ${next}, after position ${position.seq + i}`)
  }
}

export interface TailEvents {
  /** After each entry. `changed` passages are in no checkpoint yet. */
  applied(changed: number): void
  session(userId: string): void
  /** Another generation is active, or this state's own again. */
  switched(generationId: number): void
  /** Everything that the log held at this time (milliseconds) is applied, `busyMs` of the time since then by applying. */
  caughtUp(at: number, busyMs: number): void
  /** A portion of an entry, or all of it: `busyMs` has grown, or is less again where an entry has to be begun anew. */
  progress(busyMs: number): void
}

export class Tail {
  readonly #db: Queryable
  readonly #source: Source
  readonly #state: IndexState
  readonly #events: TailEvents
  readonly #log: Logger
  readonly #bell = new Bell()
  /** Of the time since the `at` of the last `caughtUp`, what went into applying entries, up to the last portion. */
  #busyMs = 0

  constructor(db: Queryable, source: Source, state: IndexState, events: TailEvents, log: Logger) {
    this.#db = db
    this.#source = source
    this.#state = state
    this.#events = events
    this.#log = log
  }

  /** There is something to read. */
  wake(): void {
    this.#bell.ring()
  }

  /**
   * Follows the log until the signal aborts. What fails is logged and tried again.
   * @throws HistoryChanged or RebuildNeeded: this state is at its end
   */
  async run(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; ) {
      try {
        this.#bell.silence()
        const more = await this.#read(signal)
        failures = 0
        if (!more) await this.#bell.wait(POLL_MS, signal)
      } catch (error) {
        if (signal.aborted) return
        if (error instanceof HistoryChanged || error instanceof RebuildNeeded) throw error
        const wait = RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)] ?? POLL_MS
        this.#log.warn(
          { err: error, seq: this.#state.position.seq },
          'could not follow the log, trying again',
        )
        await sleep(wait, undefined, { signal }).catch(() => {})
      }
    }
  }

  /** @returns whether there may be more to read at once */
  async #read(signal: AbortSignal): Promise<boolean> {
    const at = Date.now()
    const before = this.#busyMs
    const reading = await readLog(this.#db, this.#state.position)
    checkHistory(this.#state.position, reading)
    // A new epoch over an unchanged past: the history is the same, positions from now on carry the new name.
    if (reading.head.epoch !== this.#state.position.epoch)
      this.#state.position = { ...this.#state.position, epoch: reading.head.epoch }
    for (const entry of reading.entries) await this.#apply(entry, signal)
    if (reading.entries.length === LOG_PORTION) return true
    this.#busyMs -= before
    this.#events.caughtUp(at, this.#busyMs)
    return false
  }

  async #apply(entry: LogRow, signal: AbortSignal): Promise<void> {
    const before = this.#busyMs
    let since = performance.now()
    const progress = () => {
      const now = performance.now()
      this.#busyMs += now - since
      since = now
      this.#events.progress(this.#busyMs)
    }
    try {
      const source = noting(this.#source, progress)
      const { changed, sessionOf, switchedTo } = await applyEntry(this.#state, source, entry, signal)
      progress()
      this.#events.applied(changed)
      if (sessionOf !== undefined) this.#events.session(sessionOf)
      if (switchedTo !== undefined) this.#events.switched(switchedTo)
    } catch (error) {
      // What is begun anew again and again gets nowhere.
      this.#busyMs = before
      this.#events.progress(before)
      throw error
    }
  }
}

/** The same source, which says so whenever a portion of it was applied. */
function noting(source: Source, applied: () => void): Source {
  async function* portions<T>(all: AsyncIterable<T>): AsyncGenerator<T> {
    for await (const portion of all) {
      yield portion
      applied()
    }
  }
  return {
    seen: () => source.seen(),
    passages: (versionId, readingId) => portions(source.passages(versionId, readingId)),
    vectors: (versionId, generationId) => portions(source.vectors(versionId, generationId)),
    activeGeneration: () => source.activeGeneration(),
  }
}
