// The index in a process of this server's own. It is started again when it ends, from its checkpoint, and replaced
// when it is worn: the next one loads beside it and takes over between two batches, so that no search fails.
import type { Logger } from 'pino'
import type { Config } from '../../config.ts'
import { AppError } from '../../errors.ts'
import { lagOf } from '../lag.ts'
import { type FromIndex, type IndexConfig, unpackCandidates } from '../messages.ts'
import type { Index, IndexAnswer, IndexQuery, IndexStatus, Position } from '../port.ts'
import type { Courier } from '../shared/courier.ts'
import { isFiniteVector } from '../vectors/port.ts'
import { Batches, type Waiting } from './batches.ts'
import { IndexChild } from './child.ts'
import { hasReached, Positions, unavailable } from './positions.ts'

/** Milliseconds that a question waits for an index that loads. */
const PATIENCE_MS = 5_000
/** A question that was under way when so many processes ended is taken for the cause. */
const MOST_LOSSES = 2
const RESTART_MS = [0, 250, 500, 2_000, 5_000] as const
/** A process that was ready for so long did not end of how it was started. */
const SETTLED_MS = 30_000
const REPLACE_AGAIN_MS = 10_000
const HELLO_MS = 5_000
/** A batch takes a second at the very most; a process that needs so long hangs. */
const HUNG_MS = 20_000

export interface EmbeddedOptions {
  /** A person's sessions have changed: what is cached of them has to go. */
  readonly onSession?: (userId: string) => void
  /** `exact`: the TypeScript scan, even where FAISS can be had. */
  readonly engine?: 'exact'
  /** Milliseconds for one batch, then the process is taken for hung and replaced. Default 20,000. */
  readonly hungMs?: number
  /** Brings a shared checkpoint before the first process starts, and takes this server's own there. Default: none. */
  readonly courier?: Pick<Courier, 'fetch' | 'publish'>
}

export interface EmbeddedIndex extends Index {
  /** Of the process that answers; for measurements and tests. */
  pid(): number | undefined
}

/** Starts the process and returns when it has started, not when it is loaded: `status()` and `search` know. */
export async function startEmbeddedIndex(
  config: Config,
  log: Logger,
  options: EmbeddedOptions = {},
): Promise<EmbeddedIndex> {
  const index = new Embedded(config, log, options)
  await index.started()
  return index
}

class Embedded implements EmbeddedIndex {
  readonly #config: IndexConfig
  readonly #log: Logger
  readonly #options: EmbeddedOptions
  readonly #batches = new Batches()
  readonly #positions = new Positions()
  #current: IndexChild | null = null
  #next: IndexChild | null = null
  /** Ends of the process one after the other, none of which had settled; and those before it was even ready. */
  #failures = 0
  #unready = 0
  #engine = 'starting'
  #closed = false
  /** For the first process only: by the next start they are files like any others. */
  #verified: readonly string[] = []
  #holding: NodeJS.Timeout | undefined
  #watching: NodeJS.Timeout | undefined
  readonly #hello: Promise<void>
  #heard: () => void = () => {}

  constructor(config: Config, log: Logger, options: EmbeddedOptions) {
    const { databaseUrl, databaseReplicaUrl, databaseCa, databaseAuth, indexDir, logLevel, release } = config
    this.#config = {
      ...{ databaseUrl, databaseReplicaUrl, databaseCa, databaseAuth },
      ...{ indexDir, logLevel, release },
    }
    this.#log = log
    this.#options = options
    this.#hello = new Promise((resolve) => {
      this.#heard = resolve
    })
    const { courier } = options
    if (courier === undefined) this.#start()
    else
      courier.fetch().then((verified) => {
        this.#verified = verified
        this.#start()
      })
  }

  async started(): Promise<void> {
    const timer = setTimeout(this.#heard, HELLO_MS)
    await this.#hello
    clearTimeout(timer)
  }

  pid(): number | undefined {
    return this.#current?.pid
  }

  async search(query: IndexQuery | Promise<IndexQuery>, signal?: AbortSignal): Promise<IndexAnswer> {
    const ready = query instanceof Promise ? await this.#expect(query) : query
    signal?.throwIfAborted()
    if (this.#closed) throw unavailable('the server is stopping')
    this.#check(ready)
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#batches.remove(waiting)
        settle()
        reject(signal?.reason)
      }
      const settle = () => {
        clearInterval(patience)
        signal?.removeEventListener('abort', onAbort)
      }
      const waiting: Waiting = {
        query: ready,
        since: performance.now(),
        losses: 0,
        resolve: (answer) => {
          settle()
          resolve(answer)
        },
        reject: (error) => {
          settle()
          reject(error)
        },
      }
      // Only for an index that is not there: behind others, a question waits as long as it takes.
      const patience = setInterval(() => {
        if (!this.#answering && this.#batches.remove(waiting))
          waiting.reject(unavailable('the search index is loading'))
      }, PATIENCE_MS)
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#batches.add(waiting)
      this.#pump()
    })
  }

  waitFor(position: Position, timeoutMs: number): Promise<void> {
    const reached = () => hasReached(this.#current?.report.position, position)
    if (!reached()) this.#current?.wake()
    return this.#positions.reached(reached, timeoutMs)
  }

  status(): IndexStatus {
    const report = this.#current?.report
    const position = report?.position ?? null
    return {
      ready: report?.ready ?? false,
      position: position === null ? null : { epoch: position.epoch, seq: position.seq },
      ...lagOf(report ?? { caughtUpAt: null, busyMs: 0 }, Date.now()),
      passages: report?.passages ?? 0,
      vectors: report?.vectors ?? 0,
      documents: report?.documents ?? 0,
      generation: report?.generation ?? null,
      engine: this.#engine,
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#holding)
    clearTimeout(this.#watching)
    for (const waiting of this.#batches.drain()) waiting.reject(unavailable('the server is stopping'))
    await Promise.all([this.#next?.stop(false), this.#current?.stop(true)])
  }

  get #answering(): boolean {
    return this.#current?.report.ready === true
  }

  /** One bad question must not spoil its batch. @throws AppError INTERNAL */
  #check({ vector, generation }: IndexQuery): void {
    // Of another generation it is not looked at.
    if (generation !== undefined && generation !== this.#current?.report.generation) return
    const dimensions = this.#current?.report.dimensions ?? null
    const fits = vector === null || dimensions === null || vector.length === dimensions
    if (vector === null || (fits && isFiniteVector(vector))) return
    const internal = `a query vector of ${vector.length} numbers for an index of ${dimensions} dimensions`
    throw new AppError('INTERNAL', {}, { internal })
  }

  async #expect(query: Promise<IndexQuery>): Promise<IndexQuery> {
    this.#batches.expected++
    try {
      return await query
    } finally {
      this.#batches.expected--
      // When it failed, those that were held back for it need not wait for it any more.
      if (this.#batches.waiting > 0) setImmediate(() => this.#pump())
    }
  }

  /** Sends the next batch when the process is free and there is no reason to wait. */
  #pump(): void {
    if (this.#batches.busy || this.#batches.waiting === 0 || !this.#answering) return
    const hold = this.#batches.hold(performance.now())
    clearTimeout(this.#holding)
    if (hold > 0) {
      this.#holding = setTimeout(() => this.#pump(), hold)
      return
    }
    const { batch, queries } = this.#batches.take()
    const child = this.#current
    child?.search(batch, queries)
    clearTimeout(this.#watching)
    this.#watching = setTimeout(() => {
      if (!this.#batches.isUnderWay(batch) || child !== this.#current) return
      this.#log.error({ pid: child?.pid }, 'the index process does not answer and is ended')
      child?.kill()
    }, this.#options.hungMs ?? HUNG_MS)
    this.#watching.unref()
  }

  #start(): void {
    if (this.#closed || this.#current !== null) return
    this.#current = this.#child()
    this.#current.serve()
  }

  #child(): IndexChild {
    const verified = this.#verified
    this.#verified = []
    return new IndexChild({
      config: this.#config,
      verified,
      // What it loads first, then what it searches with, is suspected of ending it.
      rebuild: this.#unready >= 2,
      exact: this.#options.engine === 'exact' || this.#unready >= 3 || this.#failures >= 4,
      onMessage: (child, message) => this.#onMessage(child, message),
      onExit: (child, how) => this.#onExit(child, how),
    })
  }

  #onMessage(child: IndexChild, message: FromIndex): void {
    // A session's end is worth hearing from whoever has read it first.
    if (message.type === 'session') this.#options.onSession?.(message.userId)
    if (message.type === 'fetch') void this.#fetch(child)
    if (child === this.#next) {
      if (message.type === 'report') this.#takeOver()
      return
    }
    if (child !== this.#current) return
    switch (message.type) {
      case 'hello':
        this.#engine = message.engine
        this.#heard()
        break
      case 'report':
        this.#positions.moved()
        this.#takeOver()
        this.#pump()
        break
      case 'answers': {
        const { epoch, seq } = message.position
        for (const [i, waiting] of this.#batches.finish(message.batch).entries())
          waiting.resolve({
            candidates: unpackCandidates(message.answers[i] ?? new Float64Array(0)),
            position: { epoch, seq },
          })
        this.#takeOver()
        this.#pump()
        break
      }
      case 'not-ready':
        this.#batches.returnAll(false, MOST_LOSSES)
        this.#pump()
        break
      case 'failed':
        for (const waiting of this.#batches.finish(message.batch))
          waiting.reject(new AppError('INTERNAL', {}, { internal: `the index failed: ${message.reason}` }))
        this.#pump()
        break
      case 'checkpoint':
        if (!this.#closed) this.#options.courier?.publish()
        break
      case 'worn':
        this.#replace(message.why)
        break
      default:
        break
    }
  }

  /** Not for one that is to replace another: what was switched to is in the tables first, and the store may be slow. */
  async #fetch(child: IndexChild): Promise<void> {
    const courier = child === this.#current ? this.#options.courier : undefined
    child.fetched((await courier?.fetch({ whole: true })) ?? [])
  }

  #onExit(child: IndexChild, how: { code: number | null; signal: string | null }): void {
    if (this.#closed) return
    if (child === this.#next) {
      this.#log.warn(how, 'the next index process ended while loading')
      this.#next = null
      setTimeout(() => this.#replace('the last try failed'), REPLACE_AGAIN_MS).unref()
      return
    }
    if (child !== this.#current) return
    const settled = child.readySince !== null && performance.now() - child.readySince > SETTLED_MS
    this.#failures = settled ? 0 : this.#failures + 1
    this.#unready = child.readySince === null ? this.#unready + 1 : 0
    this.#log.error({ ...how, failures: this.#failures }, 'the index process ended and is started again')
    for (const waiting of this.#batches.returnAll(true, MOST_LOSSES))
      waiting.reject(
        new AppError('INTERNAL', {}, { internal: 'the index process ended at this question each time' }),
      )
    this.#current = this.#next
    this.#next = null
    if (this.#current !== null) {
      this.#current.serve()
      if (this.#current.worn !== null) this.#replace(this.#current.worn)
      this.#pump()
      return
    }
    const wait = RESTART_MS[Math.min(Math.max(this.#failures - 1, 0), RESTART_MS.length - 1)]
    setTimeout(() => this.#start(), wait)
  }

  #replace(why: string): void {
    if (this.#closed || this.#next !== null || this.#current === null) return
    this.#log.info({ why }, 'the index process is being replaced')
    this.#next = this.#child()
  }

  /** Between two batches, and only by one that has seen at least as much of the log (promise P3). */
  #takeOver(): void {
    const [old, next] = [this.#current, this.#next]
    if (old === null || next === null || !next.report.ready || this.#batches.busy) return
    const [from, to] = [old.report.position, next.report.position]
    if (to === null || (from !== null && from.epoch === to.epoch && from.seq > to.seq)) return
    this.#current = next
    this.#next = null
    this.#engine = next.engine ?? this.#engine
    next.serve()
    this.#positions.moved()
    old.stop(false).catch((err: unknown) => this.#log.warn({ err }, 'the old index process did not stop'))
    // It may have been overtaken while it loaded.
    if (next.worn !== null) this.#replace(next.worn)
    this.#pump()
  }
}
