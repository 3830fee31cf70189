// Search by words in PostgreSQL, for as long as the search engine is away: the same index port around that engine's, answering
// itself where the engine can't (docs/decisions/0023). fill.ts and fill-document.ts keep the tables up, on one server at a
// time; search.ts, statement.ts and statistics.ts ask them; standing.ts knows how far they are.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { DatabaseConfig } from '../../database/pool.ts'
import { createPool, type Pool } from '../../database/pool.ts'
import { AppError } from '../../errors.ts'
import { hasReached, unavailable } from '../engines/positions.ts'
import type { Index, IndexAnswer, IndexQuery, IndexStatus, Position } from '../port.ts'
import { Filler } from './fill.ts'
import { WordSearch } from './search.ts'
import { Standing } from './standing.ts'

/** Milliseconds between two looks at an engine that is away, or may be. */
const LOOK_MS = 3_000
/** An engine that has not moved for so long may be away, although nobody has asked it anything. */
const SUSPICIOUS_MS = 5_000
const STATEMENT_MS = 3_000
/** An engine that has answered nothing to anybody for so long gets no more time for itself. */
const SILENT_MS = 1_500
/** Between two looks at whether it has. */
const LISTEN_MS = 100
/** Searches that run at once; others wait so long for a place. */
const AT_ONCE = 4
const WAIT_MS = 2_000

export interface WordsOptions {
  /** Milliseconds. Default 3,000. */
  readonly lookMs?: number
  /** Milliseconds that a search in PostgreSQL may take. Default 3,000. */
  readonly statementMs?: number
  /** Milliseconds after which words are looked for beside an engine that says nothing. Default 1,500. */
  readonly silentMs?: number
}

/** @param engine is closed with what is returned */
export function withWords(
  engine: Index,
  config: DatabaseConfig,
  log: Logger,
  options: WordsOptions = {},
): Index {
  return new WithWords(engine, config, log, options)
}

interface Away {
  readonly since: number
  /** What the engine said. */
  readonly error: AppError
  answered: number
}

class WithWords implements Index {
  readonly #engine: Index
  readonly #log: Logger
  readonly #pool: Pool
  readonly #filler: Filler
  readonly #standing: Standing
  readonly #search: WordSearch
  readonly #stop = new AbortController()
  readonly #looking: Promise<void>
  readonly #silentMs: number
  #away: Away | null = null
  #closing: Promise<void> | undefined

  constructor(
    engine: Index,
    config: DatabaseConfig,
    log: Logger,
    { lookMs = LOOK_MS, statementMs = STATEMENT_MS, silentMs = SILENT_MS }: WordsOptions,
  ) {
    this.#silentMs = silentMs
    this.#engine = engine
    this.#log = log
    this.#pool = createPool(config, {
      ...{ name: 'terrace-words-search', max: AT_ONCE, statementMs, connectMs: WAIT_MS },
      onError: (err) => log.warn({ err }, 'an idle connection to the database was lost'),
    })
    this.#standing = new Standing(config, log)
    this.#search = new WordSearch(this.#pool, { searchMs: statementMs })
    this.#filler = new Filler({ config, log })
    this.#filler.start()
    this.#looking = this.#look(lookMs)
  }

  async search(asked: IndexQuery | Promise<IndexQuery>, signal?: AbortSignal): Promise<IndexAnswer> {
    const query = await asked
    if (this.#away === null)
      try {
        return await this.#ask(query, signal)
      } catch (error) {
        signal?.throwIfAborted()
        if (!(await this.#isGone(error))) throw error
      }
    return this.#answer(query, signal)
  }

  waitFor(position: Position, timeoutMs: number): Promise<void> {
    if (this.#away === null) return this.#engine.waitFor(position, timeoutMs)
    return this.#standing.waitFor(position, timeoutMs)
  }

  status(): IndexStatus {
    const status = this.#engine.status()
    const { position, behindMs } = this.#standing
    if (this.#away === null || position === null) return status
    return { ...status, ready: true, position, behindMs, stalledMs: behindMs }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#stop.abort()
    await Promise.all([this.#engine.close(), this.#filler.close(), this.#standing.close(), this.#looking])
    await this.#pool.end()
  }

  /**
   * What the engine answers; or words, where it says nothing to anybody and they are there first. A slow engine is waited
   * for: it answers others meanwhile. Whether it is away, it says itself, also when nobody waits for it any more.
   */
  async #ask(query: IndexQuery, signal: AbortSignal | undefined): Promise<IndexAnswer> {
    const over = new AbortController()
    const engine = this.#engine.search(query, signal).finally(() => over.abort())
    const first = await Promise.race([engine, this.#meanwhile(query, over.signal)])
    if (first === null) return engine
    engine.catch((error) => signal?.aborted || this.#isGone(error)).catch(() => {})
    return first
  }

  /** @returns null: the engine is to be waited for */
  async #meanwhile(query: IndexQuery, over: AbortSignal): Promise<IndexAnswer | null> {
    if (query.method === 'meaning') return null
    const isSilent = () => (this.#engine.status().silentMs ?? 0) >= this.#silentMs
    try {
      for (let ms = this.#silentMs; ; ms = LISTEN_MS) {
        await sleep(ms, undefined, { signal: over })
        if (!isSilent()) continue
        if (!(await this.#standing.usable())) return null
        // Where it was this process that stood still, answers have come in meanwhile.
        if (!isSilent()) continue
        const { position } = this.#standing
        const theirs = this.#engine.status().position
        // Nobody's searches go back in time (promise P3).
        if (position === null || (theirs !== null && !hasReached(position, theirs))) continue
        const candidates = await this.#search.search(query, over)
        return { candidates, position, wordsOnly: 'engine-away' }
      }
    } catch {
      return null
    }
  }

  /** @returns whether words stand in from here on */
  async #isGone(error: unknown): Promise<boolean> {
    if (!isAway(error) || this.#closing !== undefined || !(await this.#standing.usable())) return false
    this.#begins(error)
    return true
  }

  async #answer(query: IndexQuery, signal: AbortSignal | undefined): Promise<IndexAnswer> {
    signal?.throwIfAborted()
    if (this.#closing !== undefined) throw unavailable('the server is stopping')
    const away = this.#away
    const { position } = this.#standing
    // Meanwhile the engine came back, or the database is another one.
    if (away === null || position === null) return this.#engine.search(query, signal)
    if (query.method === 'meaning') throw away.error
    try {
      const candidates = await this.#search.search(query, signal)
      away.answered++
      return { candidates, position, wordsOnly: 'engine-away' }
    } catch (error) {
      signal?.throwIfAborted()
      if (error instanceof AppError) throw error
      this.#log.warn({ err: error }, 'a search by words failed while the search engine is away')
      throw new AppError('UNAVAILABLE', { ...away.error.detail }, { cause: error })
    }
  }

  /** Asks an engine that is away, or looks like it, whether it answers. */
  async #look(everyMs: number): Promise<void> {
    const { signal } = this.#stop
    for (let n = 0; ; n++) {
      await sleep(everyMs, undefined, { signal }).catch(() => {})
      if (signal.aborted) return
      const { ready, behindMs } = this.#engine.status()
      if (this.#away === null && ready && (behindMs ?? 0) < SUSPICIOUS_MS) continue
      try {
        // A word that it was not asked for before: what it remembers of others would be no answer of the cluster's.
        await this.#engine.search({ ...QUESTION, text: `probe${n}` }, signal)
        this.#ends()
      } catch (error) {
        if (signal.aborted) return
        if (!isAway(error)) this.#ends()
        else if (this.#away === null) await this.#isGone(error)
      }
    }
  }

  #begins(error: AppError): void {
    if (this.#away !== null) return
    this.#away = { since: Date.now(), error, answered: 0 }
    this.#standing.watch(true)
    this.#log.warn({ err: error }, 'the search engine is away: searches go by words only, in PostgreSQL')
  }

  #ends(): void {
    if (this.#away === null) return
    const { since, answered } = this.#away
    this.#away = null
    this.#standing.watch(false)
    const seconds = Math.round((Date.now() - since) / 1_000)
    this.#log.info({ seconds, answered }, 'the search engine is back')
  }
}

/** There is no collection 0: only how many passages have a word is asked. */
const QUESTION = { vector: null, filter: { kind: 'collections', keys: [0] }, limit: 1 } as const

function isAway(error: unknown): error is AppError {
  return error instanceof AppError && error.code === 'UNAVAILABLE'
}
