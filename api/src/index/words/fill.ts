// Who keeps the words in PostgreSQL up: one server at a time, whoever holds the database's advisory lock for as long as that
// connection lives, whatever becomes of the search engine. It begins by comparing all documents with what is there, which
// also fills what has existed for years before, and goes on with what the log names.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { goodbye } from '../../database/loss.ts'
import { BRIEF_MS, createListener, type DatabaseConfig, within } from '../../database/pool.ts'
import { takeTurns } from '../../database/turns.ts'
import type { LogRow } from '../apply.ts'
import { LOG_PORTION, readLog } from '../database-source.ts'
import { Analysers } from '../lexical/analysis.ts'
import { snapshotPosition } from '../rebuild.ts'
import type { LogPosition } from '../state.ts'
import { checkHistory, HistoryChanged } from '../tail.ts'
import { differing, type FillOptions, fillDocument } from './fill-document.ts'

const POLL_MS = 500
const RETRY_MS = [200, 500, 1_000, 2_000, 5_000] as const
/** Of who keeps the words up. */
export const WORDS_LOCK = "hashtextextended('terrace words', 0)"
/** Documents, between two words of progress in the log. */
const TELL_EVERY = 1_000
/** Its sample is of 150,000 passages, each of which may be a look at the disk. */
const ANALYZE_MS = 10 * 60_000

export interface FillerOptions {
  readonly config: DatabaseConfig
  readonly log: Logger
  /** Milliseconds from one look at the log to the next. Default 500. */
  readonly pollMs?: number
}

export class Filler {
  readonly #options: FillerOptions
  readonly #analysers = new Analysers()
  readonly #stop = new AbortController()
  #finished: Promise<void> = Promise.resolve()
  #analysing: Promise<void> = Promise.resolve()
  #trouble: string | null = null

  constructor(options: FillerOptions) {
    this.#options = options
  }

  start(): void {
    this.#finished = takeTurns(
      {
        ...{ config: this.#options.config, name: 'terrace-words', lock: WORDS_LOCK },
        ...{ signal: this.#stop.signal, failed: (error) => this.#note(error) },
      },
      async (client, signal) => {
        await this.#fill({ client, analysers: this.#analysers, signal })
        await this.#analysing
      },
    )
  }

  /**
   * How many passages have a common term is told by these statistics. Where this role may not, autovacuum makes them. By a
   * connection of its own: the lock's would count as lost, since it does not answer for as long.
   */
  async #analyse(signal: AbortSignal): Promise<void> {
    const client = createListener(this.#options.config, 'terrace-words-analyze')
    const abort = () => void goodbye(client)
    try {
      await client.connect()
      signal.addEventListener('abort', abort, { once: true })
      signal.throwIfAborted()
      await client.query(within(ANALYZE_MS, { text: 'ANALYZE passage_words, word_documents' }))
    } catch (err) {
      if (!signal.aborted) this.#options.log.warn({ err }, 'the statistics of words were not made')
    } finally {
      signal.removeEventListener('abort', abort)
      await goodbye(client)
    }
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#finished
  }

  /** Until the signal aborts. A statement without an answer leaves the connection unusable: it is given up with the turn. */
  async #fill(options: FillOptions): Promise<void> {
    for (let failures = 0; !options.signal.aborted; failures++)
      try {
        const position = await this.#compare(options)
        failures = 0
        await this.#follow(options, position)
      } catch (error) {
        if (options.signal.aborted) return
        if (error instanceof Error && error.message === 'Query read timeout') throw error
        if (error instanceof HistoryChanged)
          this.#options.log.warn({ err: error }, 'the words in PostgreSQL are compared with all documents')
        else this.#note(error)
        const wait = RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]
        await sleep(wait, undefined, { signal: options.signal }).catch(() => {})
      }
  }

  /** @returns the log's end before all documents were compared */
  async #compare(options: FillOptions): Promise<LogPosition> {
    const { client, signal } = options
    const { log } = this.#options
    const position = await snapshotPosition(client)
    const keys = await differing(client)
    if (keys.length > 0) log.info({ documents: keys.length }, 'words are filled into PostgreSQL')
    for (const [i, key] of keys.entries()) {
      signal.throwIfAborted()
      await this.#fillOne(options, key)
      if ((i + 1) % TELL_EVERY === 0) log.info({ filled: i + 1, documents: keys.length }, 'words are filled')
    }
    await this.#reached(options, position)
    this.#trouble = null
    if (keys.length === 0) return position
    log.info({ documents: keys.length }, 'the words of all documents are in PostgreSQL')
    await this.#analysing
    this.#analysing = this.#analyse(signal)
    return position
  }

  /** @throws HistoryChanged: everything has to be compared */
  async #follow(options: FillOptions, from: LogPosition): Promise<void> {
    const { client, signal } = options
    for (let position = from; !signal.aborted; ) {
      const reading = await readLog(client, position)
      checkHistory(position, reading)
      for (const key of await this.#named(options, reading.entries)) {
        signal.throwIfAborted()
        await this.#fillOne(options, key)
      }
      const last = reading.entries.at(-1)
      const next: LogPosition = {
        epoch: reading.head.epoch,
        ...(last === undefined ? position : { seq: last.seq, entryId: last.id }),
      }
      if (next.seq !== position.seq || next.epoch !== position.epoch) await this.#reached(options, next)
      position = { ...next, epoch: reading.head.epoch }
      this.#trouble = null
      if (reading.entries.length < LOG_PORTION)
        await sleep(this.#options.pollMs ?? POLL_MS, undefined, { signal }).catch(() => {})
    }
  }

  /** Documents that entries may have changed. Of what an entry says the tables know more, and later. */
  async #named({ client }: FillOptions, entries: readonly LogRow[]): Promise<Set<number>> {
    const keys = new Set<number>()
    const collections: number[] = []
    for (const { op, documentKey, collectionKey } of entries) {
      if (op === 'session') continue
      if (documentKey !== null) keys.add(documentKey)
      else if (op === 'retract-collection' && collectionKey !== null) collections.push(collectionKey)
      // Another reading may be the active generation's; and what a newer build's entry means is in the tables.
      else for (const key of await differing(client)) keys.add(key)
    }
    const { rows } = await client.query<{ key: number }>(
      within(BRIEF_MS, {
        text: 'SELECT DISTINCT document_key AS key FROM word_documents WHERE collection_key = ANY($1::int[])',
        values: [collections],
      }),
    )
    for (const { key } of rows) keys.add(key)
    return keys
  }

  /** A version that is purged while it is filled makes this fail: by then, nothing of it is wanted. */
  async #fillOne(options: FillOptions, key: number): Promise<void> {
    try {
      await fillDocument(options, key)
    } catch (error) {
      if (!isMissingReference(error)) throw error
      await fillDocument(options, key)
    }
  }

  async #reached({ client }: FillOptions, { epoch, seq }: LogPosition): Promise<void> {
    await client.query(
      within(BRIEF_MS, {
        text: `INSERT INTO word_fill (id, epoch, seq) VALUES (1, $1, $2)
               ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq`,
        values: [epoch, seq],
      }),
    )
  }

  #note(error: unknown): void {
    const sentence = error instanceof Error ? error.message : String(error)
    if (sentence !== this.#trouble)
      this.#options.log.warn({ err: error }, 'the words in PostgreSQL are not kept up, trying again')
    this.#trouble = sentence
  }
}

const FOREIGN_KEY = '23503'
const isMissingReference = (error: unknown) =>
  error instanceof Error && 'code' in error && error.code === FOREIGN_KEY
