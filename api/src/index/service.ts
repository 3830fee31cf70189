// The index process's life: from a checkpoint, or else from the tables, to following the log; answering all the while
// it can. On an error it never goes on with an empty index: without a database it waits.
import { mkdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { keepListening } from '../database/listening.ts'
import { createPool, type Pool, type Queryable } from '../database/pool.ts'
import { RebuildNeeded } from './apply.ts'
import { clean, type ManifestFile } from './checkpoint/checkpoint.ts'
import { readCheckpoints } from './checkpoint/read.ts'
import { activeGeneration, databaseSource, readLog, switchedSince } from './database-source.ts'
import { noticeServer } from './epoch.ts'
import { LOG_CHANNEL } from './log.ts'
import { Maintenance } from './maintenance.ts'
import { sweepMaking } from './making.ts'
import type { IndexConfig, IndexReport } from './messages.ts'
import type { Candidate, IndexQuery } from './port.ts'
import { rebuildFromNearest } from './rebuild-from.ts'
import { searchBatch } from './search.ts'
import { IndexState, type LogPosition } from './state.ts'
import { checkHistory, HistoryChanged, Tail } from './tail.ts'
import type { VectorEngine } from './vectors/port.ts'

const RETRY_MS = [200, 500, 1_000, 2_000, 5_000] as const

export interface ServiceOptions {
  readonly config: IndexConfig
  readonly log: Logger
  readonly engine: VectorEngine
  /** Checkpoints are not to be trusted: a process died of one. */
  readonly ignoreCheckpoints: boolean
  /** Files of checkpoints that were hashed just now. */
  readonly verified: ReadonlySet<string>
  readonly report: (report: IndexReport) => void
  readonly session: (userId: string) => void
  readonly worn: (why: string) => void
  /** A checkpoint was written. */
  readonly written: () => void
  /** All checkpoints here were refused: brings a shared one, whole. @returns its files, all hashed; none: there is none */
  readonly fetch: () => Promise<readonly string[]>
}

interface Obtained {
  readonly state: IndexState
  readonly files: ReadonlyMap<string, ManifestFile>
  readonly changed: number
}

export class IndexService {
  readonly #options: ServiceOptions
  readonly #pool: Pool
  readonly #stop = new AbortController()
  #state: IndexState | null = null
  #maintenance: Maintenance | null = null
  #tail: Tail | null = null
  #serving = false
  #ready = false
  #caughtUpAt: number | null = null
  #busyMs = 0
  #reportDue = false
  /** A checkpoint could not be used; a shared one was asked for since. */
  #refused = false
  #fetched = false
  #finished: Promise<unknown> = Promise.resolve()

  constructor(options: ServiceOptions) {
    this.#options = options
    this.#pool = createPool(options.config, {
      name: 'terrace-index',
      max: 2,
      onError: (err) => options.log.warn({ err }, 'an idle connection to the database was lost'),
    })
  }

  start(): void {
    // Wakes the tail at every commit that appends; polling goes on without it.
    const listening = keepListening({
      ...{ config: this.#options.config, name: 'terrace-index-listen', channel: LOG_CHANNEL },
      ...{ signal: this.#stop.signal, heard: () => this.#tail?.wake() },
      connected: async (client) => {
        // The connection before may have ended with its server: this one may be another.
        await this.#noticeServer(client)
        this.#tail?.wake()
      },
    })
    this.#finished = Promise.all([this.#live(), listening])
  }

  serve(): void {
    this.#serving = true
    this.#maintenance?.serve()
  }

  /** Reads the log now, whether or not a notification comes. */
  wake(): void {
    this.#tail?.wake()
  }

  /** To be awaited before a search with passages that are not in the index: their languages are loaded. */
  async prepare(queries: readonly IndexQuery[]): Promise<void> {
    for (const { extra } of queries)
      for (const language of new Set(extra?.map((passage) => passage.language))) {
        await this.#state?.lexical.load(language)
        this.#state?.passages.languageNumber(language)
      }
  }

  /** Null while nothing is loaded. */
  search(queries: readonly IndexQuery[]): { position: LogPosition; answers: Candidate[][] } | null {
    if (this.#state === null || !this.#ready) return null
    return { position: this.#state.position, answers: searchBatch(this.#state, queries) }
  }

  async close(checkpoint: boolean): Promise<void> {
    this.#stop.abort()
    await this.#finished
    await this.#maintenance?.close(checkpoint)
    this.#state?.close()
    await this.#pool.end()
  }

  async #live(): Promise<void> {
    const { signal } = this.#stop
    const { log } = this.#options
    let trusted = !this.#options.ignoreCheckpoints
    while (!signal.aborted) {
      const obtained = await this.#persistently(() => this.#obtain(trusted))
      if (obtained === null) return
      const maintenance = new Maintenance({
        ...obtained,
        ...{ dir: this.#options.config.indexDir, log },
        ...{ worn: this.#options.worn, written: this.#options.written },
      })
      this.#state = obtained.state
      this.#maintenance = maintenance
      if (this.#serving) maintenance.serve()
      maintenance.start()
      try {
        await this.#follow(obtained.state, maintenance)
        return
      } catch (error) {
        if (signal.aborted) return
        log.warn({ err: error, seq: obtained.state.position.seq }, 'this state of the index is given up')
        trusted = error instanceof HistoryChanged
      }
      // What was applied is not what the database says: better no answer than one from another history.
      this.#ready = false
      this.#caughtUpAt = null
      this.#busyMs = 0
      this.#state = null
      this.#maintenance = null
      this.#report()
      await maintenance.close(false)
      obtained.state.close()
    }
  }

  async #follow(state: IndexState, maintenance: Maintenance): Promise<void> {
    const { log } = this.#options
    const events = {
      applied: (changed: number) => {
        maintenance.changed(changed)
        this.#report()
      },
      session: this.#options.session,
      // Whatever it holds: of a generation that comes back, documents that were published meanwhile would be missing.
      switched: () => maintenance.supersede(),
      caughtUp: (at: number, busyMs: number) => {
        if (!this.#ready)
          log.info({ seq: state.position.seq, passages: state.passages.live }, 'the index is ready')
        this.#ready = true
        this.#caughtUpAt = at
        this.#busyMs = busyMs
        this.#report()
      },
      progress: (busyMs: number) => {
        this.#busyMs = busyMs
        this.#report()
      },
    }
    this.#tail = new Tail(this.#pool, databaseSource(this.#pool), state, events, log)
    await this.#tail.run(this.#stop.signal)
  }

  /** The newest checkpoint that this database's log continues, or everything from the tables. */
  async #obtain(trusted: boolean): Promise<Obtained> {
    const { config, engine, log } = this.#options
    const dir = config.indexDir
    await mkdir(dir, { recursive: true, mode: 0o700 })
    await sweepMaking(dir)
    await this.#noticeServer(this.#pool)
    if (trusted) {
      const loaded = (await this.#load(this.#options.verified)) ?? (await this.#loadShared())
      if (loaded !== null) return loaded
    }
    // A rebuild writes gigabytes, and only a checkpoint after it would clear up.
    await clean(dir, new Set())
    const started = performance.now()
    const place = { primary: this.#pool, config, engine, log, signal: this.#stop.signal }
    const { state, from } = await rebuildFromNearest(place)
    const passages = state.passages.live
    log.info({ from, passages, ms: Math.round(performance.now() - started) }, 'rebuilt from the database')
    return { state, files: new Map(), changed: Math.max(passages, 1) }
  }

  /** The newest checkpoint here that this database's log continues. `verified` are files that were hashed just now. */
  async #load(verified: ReadonlySet<string>): Promise<Obtained | null> {
    const { config, engine, log } = this.#options
    const refused = (number: number, error: unknown) => {
      this.#refused = true
      log.warn({ err: error, number }, 'this checkpoint can not be used')
    }
    for await (const { number, saved, files } of readCheckpoints(config.indexDir, refused, verified)) {
      // Asked first, outside the try: a database that is away says nothing about the checkpoint.
      const reading = await readLog(this.#pool, saved.position)
      const active = await activeGeneration(this.#pool)
      try {
        checkHistory(saved.position, reading)
        if (saved.generation !== null && saved.generation.id !== active?.id)
          throw new RebuildNeeded('another generation is active')
        if (await switchedSince(this.#pool, saved.position.seq))
          throw new RebuildNeeded('another generation was active since')
        const state = await IndexState.restore(engine, saved)
        log.info({ number, seq: saved.position.seq, passages: state.passages.live }, 'checkpoint loaded')
        return { state, files, changed: 0 }
      } catch (error) {
        refused(number, error)
      }
    }
    return null
  }

  /** Where there were checkpoints and none was of use: a start was made without a shared one, trusting in them. */
  async #loadShared(): Promise<Obtained | null> {
    const { signal } = this.#stop
    if (!this.#refused || this.#fetched) return null
    signal.throwIfAborted()
    const stopped = new Promise<never>((_, reject) =>
      signal.addEventListener('abort', () => reject(signal.reason), { once: true }),
    )
    const files = await Promise.race([this.#options.fetch(), stopped])
    // Once: what was brought is in the folder now.
    this.#fetched = true
    return files.length === 0 ? null : await this.#load(new Set(files))
  }

  async #noticeServer(db: Queryable): Promise<void> {
    if (await noticeServer(db))
      this.#options.log.warn('the database is another one than before: a new epoch began')
  }

  /** Tries until it works; null once stopped. */
  async #persistently<T>(work: () => Promise<T>): Promise<T | null> {
    const { signal } = this.#stop
    for (let failures = 0; !signal.aborted; failures++)
      try {
        return await work()
      } catch (error) {
        if (signal.aborted) return null
        this.#options.log.warn({ err: error }, 'the index could not be loaded, trying again')
        const wait = RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]
        await sleep(wait, undefined, { signal }).catch(() => {})
      }
    return null
  }

  /** Once for everything that happens in one turn of the event loop. */
  #report(): void {
    if (this.#reportDue) return
    this.#reportDue = true
    setImmediate(() => {
      this.#reportDue = false
      this.#options.report({
        ready: this.#ready,
        position: this.#state?.position ?? null,
        caughtUpAt: this.#caughtUpAt,
        busyMs: this.#busyMs,
        passages: this.#state?.passages.live ?? 0,
        vectors: this.#state?.passages.liveVectors ?? 0,
        documents: this.#state?.passages.documents.size ?? 0,
        generation: this.#state?.generation?.id ?? null,
        dimensions: this.#state?.generation?.dimensions ?? null,
      })
    })
  }
}
