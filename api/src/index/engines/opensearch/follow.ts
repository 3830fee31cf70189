// One server at a time writes: whoever holds the database's advisory lock, for as long as that connection lives. It
// continues the index that is there, or fills a new one from the tables; where another generation becomes active, a new
// one is filled beside the old, which goes on answering and following until they are exchanged in one step.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { DatabaseConfig, Pool, Queryable } from '../../../database/pool.ts'
import { takeTurns } from '../../../database/turns.ts'
import { RebuildNeeded } from '../../apply.ts'
import { Bell } from '../../bell.ts'
import { activeGeneration, databaseSource, readLog, switchedSince } from '../../database-source.ts'
import { noticeServer } from '../../epoch.ts'
import { Analysers } from '../../lexical/analysis.ts'
import { cutLog } from '../../shared/log-cut.ts'
import { checkHistory, HistoryChanged } from '../../tail.ts'
import { Audit } from './audit.ts'
import { applyLog, buildIndex } from './build.ts'
import { type Cluster, Trouble } from './cluster.ts'
import { readFacts } from './documents.ts'
import { type IndexPlace, searchedIndex, searchIn, stopSearching, sweep } from './mapping.ts'
import { IndexWriter } from './writer.ts'

const POLL_MS = 500
/** From one look whether the index is still there to the next. */
const LOOK_MS = 10_000
const RETRY_MS = [200, 500, 1_000, 2_000, 5_000] as const
/** From a fill beside an index that is searched to the next one, where it failed. */
const AGAIN_MS = 5_000
/** The same as what embedded checkpoints are written after at the latest. */
const CUT_MS = 10 * 60_000
/** Of the database's advisory locks: of who writes the cluster's index, or removes it. */
export const WRITER_LOCK = "hashtextextended('terrace opensearch writer', 0)"

export interface FollowerOptions {
  readonly config: DatabaseConfig
  readonly pool: Pool
  readonly cluster: Cluster
  readonly place: IndexPlace
  readonly log: Logger
  /** Searches see more than before. */
  readonly moved: () => void
  /** Asked whenever it is this server's turn: whether the index is to be written at all. Default: it is. */
  readonly wanted?: ((db: Queryable) => Promise<boolean>) | undefined
  /** While an index is filled (fill.ts); `progress` is told null when that is over. */
  readonly rate?: (() => number | null) | undefined
  readonly progress?:
    | ((progress: { readonly done: number; readonly total: number } | null) => void)
    | undefined
  /** As of FillOptions. */
  readonly settleMs?: number | undefined
}

interface Next {
  writer: IndexWriter | null
  failed: boolean
  /** Nothing of it is under way any more. Never rejects. */
  readonly over: Promise<void>
}

export class Follower {
  readonly #options: FollowerOptions
  readonly #analysers = new Analysers()
  readonly #stop = new AbortController()
  readonly #bell = new Bell()
  /** Of a cluster that is there again: what is written meanwhile is no reason to try at once. */
  readonly #returned = new Bell()
  #finished: Promise<void> = Promise.resolve()
  #trouble: string | null = null
  #cutAt = Number.NEGATIVE_INFINITY
  #lookedAt = Number.NEGATIVE_INFINITY
  /** What is searched, while this server writes it. */
  #current: IndexWriter | null = null

  constructor(options: FollowerOptions) {
    this.#options = options
  }

  start(): void {
    const { config, log, wanted } = this.#options
    const failed = (err: unknown) => log.warn({ err }, 'the writer of the search index has no database')
    this.#finished = takeTurns(
      {
        ...{ config, name: 'terrace-opensearch-writer', lock: WRITER_LOCK },
        signal: this.#stop.signal,
        failed,
      },
      async (client, signal) => {
        if (await (wanted?.(client) ?? true)) await this.#write(signal)
      },
    )
  }

  /** There is something to read. */
  wake(): void {
    this.#bell.ring()
  }

  /** What failed may work now: nobody waits any longer. */
  tryAgain(): void {
    this.#returned.ring()
  }

  /** What keeps this server from writing, in a sentence. */
  get trouble(): string | null {
    return this.#trouble
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.wake()
    await this.#finished
  }

  /** Until the signal aborts. */
  async #write(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; failures++)
      try {
        this.#returned.silence()
        const writer = await this.#obtain(signal)
        failures = 0
        await this.#follow(writer, signal)
      } catch (error) {
        if (signal.aborted) return
        this.#note(error)
        await this.#returned.wait(RETRY_MS[Math.min(failures, RETRY_MS.length - 1)] ?? 0, signal)
      }
  }

  /** The index that is there, where this database's log continues it; else a new one from the tables. */
  async #obtain(signal: AbortSignal): Promise<IndexWriter> {
    const { cluster, place, pool, log } = this.#options
    if (await noticeServer(pool)) log.warn('the database is another one than before: a new epoch began')
    const found = await searchedIndex(cluster, place)
    const facts = found === null ? null : (await readFacts(cluster, found.name))?.facts
    if (found !== null && facts != null) {
      const reading = await readLog(pool, facts.position)
      try {
        checkHistory(facts.position, reading)
        const { position } = facts
        return new IndexWriter({
          ...this.#common(signal),
          index: found.name,
          generation: found.generation,
          position,
        })
      } catch (error) {
        if (!(error instanceof HistoryChanged)) throw error
        log.warn({ err: error, seq: facts.position.seq }, 'the index in OpenSearch is of another history')
        // Better no answer than one from there.
        await stopSearching(cluster, place)
        this.#options.moved()
      }
    }
    const writer = await this.#build(signal)
    await this.#exchange(writer)
    return writer
  }

  #common(signal: AbortSignal) {
    const { cluster, log } = this.#options
    return { cluster, log, signal, analysers: this.#analysers }
  }

  /** @param from as of FillOptions */
  #build(signal: AbortSignal, from = 0): Promise<IndexWriter> {
    const { pool, place, rate, progress, settleMs } = this.#options
    return buildIndex(pool, place, {
      ...{ ...this.#common(signal), from },
      ...(rate === undefined ? {} : { rate }),
      ...(settleMs === undefined ? {} : { settleMs }),
      progress: (done, total) => progress?.({ done, total }),
      needs: (seq) => this.#cut(Math.min(seq, this.#current?.position.seq ?? seq)),
    }).finally(() => progress?.(null))
  }

  async #exchange(writer: IndexWriter): Promise<void> {
    const { cluster, place, moved } = this.#options
    await searchIn(cluster, place, writer.index)
    moved()
    await this.#sweep(writer)
  }

  /** What else there is of ours goes. Where it can't, as while a snapshot is taken, it does no harm: the next writer sweeps. */
  async #sweep({ index }: IndexWriter): Promise<void> {
    const { cluster, place, log } = this.#options
    try {
      await sweep(cluster, place, new Set([index]))
    } catch (err) {
      log.warn({ err }, 'an index in OpenSearch that is no longer searched was not removed')
    }
  }

  /** @throws Trouble, HistoryChanged, RebuildNeeded or what the database says: to be obtained anew */
  async #follow(first: IndexWriter, turn: AbortSignal): Promise<void> {
    const { pool, cluster, log } = this.#options
    const ended = new AbortController()
    const signal = AbortSignal.any([turn, ended.signal])
    const audit = new Audit({ pool, cluster, log, signal })
    const active = await activeGeneration(pool)
    const stale =
      (first.generation !== null && first.generation.id !== active?.id) ||
      (await switchedSince(pool, first.position.seq))
    if (!stale) await this.#sweep(first)
    this.#current = first
    let next = stale ? this.#begin(signal) : null
    try {
      for (let failures = 0; !signal.aborted; ) {
        const current = this.#current
        try {
          this.#bell.silence()
          this.#returned.silence()
          const { more, switched } = await this.#step(current)
          failures = 0
          // A new one that is being filled follows the log from where it was when that began.
          if (next === null) await this.#cut(current.position.seq)
          this.#trouble = null
          if (next?.failed || (switched && next === null)) next = this.#begin(signal)
          if (next?.writer != null) {
            const ahead = await this.#step(next.writer)
            if (next.writer.position.seq >= current.position.seq) {
              await this.#exchange(next.writer)
              this.#current = next.writer
              next = ahead.switched ? this.#begin(signal) : null
            } else if (ahead.switched) next = this.#begin(signal)
          }
          if (more) continue
          if (next === null) {
            const searched = this.#current
            await this.#stillThere(searched)
            if (!(await audit.step(searched, databaseSource(pool)))) searched.rewind()
          }
          await this.#bell.wait(POLL_MS, signal)
        } catch (error) {
          if (signal.aborted) return
          const unknown = current.position.seq + 1
          current.rewind()
          next?.writer?.rewind()
          if (error instanceof HistoryChanged || (error instanceof Trouble && error.kind === 'missing'))
            throw error
          if (error instanceof RebuildNeeded) {
            ended.abort()
            await next?.over
            await this.#exchange(await this.#build(turn, unknown))
            throw error
          }
          this.#note(error)
          await this.#returned.wait(RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)] ?? 0, signal)
        }
      }
    } finally {
      ended.abort()
      await next?.over
      this.#current = null
    }
  }

  /**
   * While there is nothing to write nobody else would notice that somebody has deleted the index, or restored an older one.
   * @throws Trouble `missing`: it is obtained anew, from where it is by now
   */
  async #stillThere({ index, position }: IndexWriter): Promise<void> {
    if (performance.now() - this.#lookedAt < LOOK_MS) return
    this.#lookedAt = performance.now()
    const { cluster } = this.#options
    // That it can not be asked is told of when there is something to write.
    const found = await readFacts(cluster, index).catch(() => undefined)
    if (found === undefined || found?.facts.position.seq === position.seq) return
    throw new Trouble('missing', `The index ${index} in OpenSearch is not as it was written.`)
  }

  #begin(signal: AbortSignal): Next {
    const building = this.#build(signal).then(
      (writer) => {
        next.writer = writer
        this.wake()
      },
      async (error: unknown) => {
        if (!signal.aborted) this.#note(error)
        await sleep(AGAIN_MS, undefined, { signal }).catch(() => {})
        next.failed = true
      },
    )
    const next: Next = { writer: null, failed: false, over: building }
    return next
  }

  #step(writer: IndexWriter): Promise<{ more: boolean; switched: boolean }> {
    return applyLog(this.#options.pool, writer, this.#options.moved)
  }

  /** What no copy of the index needs of the log before this place goes, now and then. */
  async #cut(seq: number): Promise<void> {
    const { pool, log } = this.#options
    if (performance.now() - this.#cutAt < CUT_MS) return
    this.#cutAt = performance.now()
    try {
      const removed = await cutLog(pool, 'opensearch', seq)
      if (removed > 0) log.info({ removed, before: seq }, 'the log was cut')
    } catch (err) {
      log.warn({ err }, 'the log was not cut')
    }
  }

  #note(error: unknown): void {
    const sentence = error instanceof Error ? error.message : String(error)
    if (sentence !== this.#trouble)
      this.#options.log.error({ err: error }, `the search index is not written: ${sentence}`)
    this.#trouble = sentence
  }
}
