// The chores of the process that answers, done beside its searches: sealing the tail of vectors, writing checkpoints,
// and saying when it should be replaced. One chore at a time.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { clean, isDiskFull, type ManifestFile } from './checkpoint/checkpoint.ts'
import { namesInUse, writeCheckpoint } from './checkpoint/write.ts'
import type { IndexState } from './state.ts'
import { SEAL_AT } from './vectors/store.ts'

const EVERY_MS = 1_000
/** What a restart has to apply again costs about 0.1 ms a passage. */
const CHANGES = { least: 1_000, share: 0.05, most: 10_000 } as const
const QUIET_MS = 10 * 60_000
const BETWEEN_MS = 10_000
/** faiss-node loses 1.5 kB a question: a process is replaced after about 5,400. */
const LOST_BYTES = 8 * 2 ** 20
/** Dead passages, or postings that no checkpoint has packed, that are worth a new process. */
const UNTIDY = { places: 20_000, share: 0.3, postings: 1_000_000 } as const

export interface MaintenanceOptions {
  readonly state: IndexState
  readonly dir: string
  /** Segment files with known hashes. */
  readonly files: ReadonlyMap<string, ManifestFile>
  /** Passages that no checkpoint has: all after a rebuild. */
  readonly changed: number
  readonly log: Logger
  readonly worn: (why: string) => void
  readonly written: () => void
}

export class Maintenance {
  readonly #options: MaintenanceOptions
  readonly #stop = new AbortController()
  #changed: number
  #changedSince: number | null
  #last = Number.NEGATIVE_INFINITY
  #serving = false
  #worn = false
  #running: Promise<void> = Promise.resolve()
  #kick: (() => void) | undefined

  constructor(options: MaintenanceOptions) {
    this.#options = options
    this.#changed = options.changed
    this.#changedSince = options.changed > 0 ? performance.now() : null
  }

  /** Until `close`. A failed chore is logged and tried again. */
  start(): void {
    this.#running = this.#run()
  }

  /** Checkpoints are this process's to write. */
  serve(): void {
    this.#serving = true
    this.#kick?.()
  }

  /** Its vectors are of a generation that is not active any more: no checkpoint of it is wanted. */
  supersede(): void {
    if (this.#worn) return
    this.#worn = true
    this.#options.worn('another generation is active')
  }

  changed(passages: number): void {
    if (passages === 0) return
    this.#changed += passages
    this.#changedSince ??= performance.now()
    const { vectors } = this.#options.state
    if (vectors !== null && vectors.tail.count >= SEAL_AT) this.#kick?.()
  }

  /** Stops; with `checkpoint`, what no checkpoint has is written first. */
  async close(checkpoint: boolean): Promise<void> {
    const finish = checkpoint && this.#serving && !this.#worn
    this.#stop.abort()
    this.#kick?.()
    await this.#running
    if (finish && this.#changed > 0) await this.#write()
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        await this.#once(signal)
      } catch (error) {
        if (!signal.aborted) {
          this.#options.log.error({ err: error }, 'a chore of the index failed and is tried again')
          if (isDiskFull(error)) await this.#clean()
          await sleep(BETWEEN_MS, undefined, { signal }).catch(() => {})
        }
      }
      if (signal.aborted) return
      const kicked = new Promise<void>((resolve) => {
        this.#kick = resolve
      })
      const timer = new AbortController()
      const pause = sleep(EVERY_MS, undefined, {
        signal: AbortSignal.any([signal, timer.signal]),
        ref: false,
      })
      await Promise.race([kicked, pause.catch(() => {})])
      timer.abort()
    }
  }

  async #once(signal: AbortSignal): Promise<void> {
    const { state, dir } = this.#options
    if (state.vectors !== null && state.vectors.tail.count >= SEAL_AT) await state.vectors.seal(dir)
    if (!this.#serving || this.#worn) return
    if (this.#due()) await this.#write(signal)
    const why = this.#wear()
    if (why === null) return
    if (this.#changed > 0) await this.#write(signal)
    this.#worn = true
    this.#options.worn(why)
  }

  /** Only a checkpoint that was written clears up, and a full disk lets none be written. */
  async #clean(): Promise<void> {
    const { state, dir, log } = this.#options
    await clean(dir, namesInUse(state)).catch((err: unknown) =>
      log.warn({ err }, 'the folder of the index was not cleared up'),
    )
  }

  #due(): boolean {
    const now = performance.now()
    if (this.#changedSince === null || now - this.#last < BETWEEN_MS) return false
    const { passages } = this.#options.state
    const many = Math.min(CHANGES.most, Math.max(CHANGES.least, passages.live * CHANGES.share))
    return this.#changed >= many || now - this.#changedSince > QUIET_MS
  }

  async #write(signal?: AbortSignal): Promise<void> {
    const { state, dir, files, log, written } = this.#options
    const before = this.#changed
    const started = performance.now()
    const { number, position } = await writeCheckpoint(state, dir, files, signal)
    this.#changed -= before
    this.#changedSince = this.#changed > 0 ? performance.now() : null
    this.#last = performance.now()
    log.info({ number, seq: position.seq, ms: Math.round(performance.now() - started) }, 'checkpoint written')
    written()
  }

  #wear(): string | null {
    const { engine, passages, lexical } = this.#options.state
    if (engine.lostBytes >= LOST_BYTES) return 'memory that searches lost'
    const dead = passages.count - passages.live
    if (dead >= UNTIDY.places && dead >= passages.count * UNTIDY.share) return 'dead passages'
    const { base, recent } = lexical.postings.size
    if (recent >= UNTIDY.postings && recent >= (base + recent) * UNTIDY.share) return 'postings not packed'
    return null
  }
}
