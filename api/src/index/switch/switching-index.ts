// The index port over two engines, one of which answers. A search keeps the engine that it began with (`hold`), whatever answers
// meanwhile, so that no answer is mixed; and an engine that is not wanted any more is closed when the last such search is over.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { EngineName } from '../../engine-names.ts'
import { unavailable } from '../engines/positions.ts'
import type { HeldIndex, Index, IndexAnswer, IndexQuery, IndexStatus, Position } from '../port.ts'
import type { Filling } from './servers.ts'

/** One engine of this server, running. */
export interface RunningEngine {
  /** What searches ask. */
  readonly index: Index
  /** The engine without what stands in for it while it is away (words/): only itself says whether it can be switched to. */
  readonly bare: Index
  /** What it holds, counted now. */
  count(signal: AbortSignal): Promise<{ documents: number; passages: number; vectors: number }>
  /** Null: this server fills nothing. */
  filling(): Filling | null
  close(): Promise<void>
}

export interface SwitchingOptions {
  /** @throws Error, in a sentence for the operator: this server can't have that engine */
  readonly open: (name: EngineName) => Promise<RunningEngine>
  readonly log: Logger
}

/** The new one has to have what the old one has shown (promise P3), but for so long only: what it lacks, a search reads itself. */
const TAKE_OVER_MS = 5_000
/** No search takes so long: what holds an engine after that was lost. */
const HOLD_MS = 150_000

interface Slot {
  readonly name: EngineName
  readonly opening: Promise<RunningEngine | null>
  running: RunningEngine | null
  trouble: string | null
  holds: number
  released: () => void
}

export class SwitchingIndex implements Index {
  readonly #options: SwitchingOptions
  readonly #slots = new Map<EngineName, Slot>()
  readonly #closings = new Set<Promise<void>>()
  readonly #stop = new AbortController()
  #answers: EngineName
  #alongside: () => Promise<void> = async () => {}
  /** One change after the other. */
  #applying: Promise<void> = Promise.resolve()

  constructor(first: EngineName, options: SwitchingOptions) {
    this.#options = options
    this.#answers = first
    this.#open(first)
  }

  /** What answers here. */
  get answers(): EngineName {
    return this.#answers
  }

  /** Resolves when the first engine has started, or can't. */
  async started(): Promise<void> {
    await this.#slots.get(this.#answers)?.opening
  }

  /** Both where both are running. */
  running(name: EngineName): RunningEngine | null {
    return this.#slots.get(name)?.running ?? null
  }

  trouble(name: EngineName): string | null {
    return this.#slots.get(name)?.trouble ?? null
  }

  /** Resolves when this server goes by it; engines that are not wanted any more may be closing still. */
  apply(answers: EngineName, wanted: ReadonlySet<EngineName>): Promise<void> {
    this.#applying = this.#applying.then(() => this.#apply(answers, wanted))
    return this.#applying
  }

  /** Resolves when nothing is closing any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#closings)
  }

  hold(): HeldIndex {
    const slot = this.#slot()
    slot.holds++
    let held = true
    return {
      index: slot.running?.index ?? starting(slot),
      [Symbol.dispose]() {
        if (!held) return
        held = false
        slot.holds--
        slot.released()
      },
    }
  }

  search(query: IndexQuery | Promise<IndexQuery>, signal?: AbortSignal): Promise<IndexAnswer> {
    const slot = this.#slot()
    return (slot.running?.index ?? starting(slot)).search(query, signal)
  }

  waitFor(position: Position, timeoutMs: number): Promise<void> {
    const slot = this.#slot()
    return (slot.running?.index ?? starting(slot)).waitFor(position, timeoutMs)
  }

  status(): IndexStatus {
    const slot = this.#slot()
    const status = (slot.running?.index ?? starting(slot)).status()
    return { ...status, position: this.#furthest(status.position) }
  }

  /** What is to be stopped before the engines are. */
  alongside(stop: () => Promise<void>): void {
    this.#alongside = stop
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#alongside()
    await this.#applying
    for (const slot of [...this.#slots.values()]) this.#shut(slot)
    await this.settled()
  }

  /** That answers: it stays while the server lives. */
  #slot(): Slot {
    return this.#slots.get(this.#answers) ?? this.#open(this.#answers)
  }

  async #apply(answers: EngineName, wanted: ReadonlySet<EngineName>): Promise<void> {
    if (this.#stop.signal.aborted) return
    for (const name of wanted) if (!this.#slots.has(name)) this.#open(name)
    // One that could not be opened is tried again: what was wrong may have been put right.
    for (const slot of [...this.#slots.values()])
      if (slot.trouble !== null && slot.running === null && wanted.has(slot.name)) {
        this.#slots.delete(slot.name)
        this.#open(slot.name)
      }
    if (answers !== this.#answers) await this.#takeOver(answers)
    for (const slot of [...this.#slots.values()]) if (!wanted.has(slot.name)) this.#shut(slot)
  }

  async #takeOver(answers: EngineName): Promise<void> {
    const next = await this.#slots.get(answers)?.opening
    const from = this.#slots.get(this.#answers)?.running?.index.status().position
    if (next != null && from != null)
      await next.index.waitFor(from, TAKE_OVER_MS).catch((err: unknown) => {
        this.#options.log.warn(
          { err, engine: answers },
          'this engine answers before it has all that was shown',
        )
      })
    this.#options.log.info({ from: this.#answers, to: answers }, 'another search engine answers from now on')
    this.#answers = answers
  }

  /** A search that the engine before still answers may show more than the new one has. */
  #furthest(position: Position | null): Position | null {
    let found = position
    for (const { name, running, holds } of this.#slots.values()) {
      const other = name === this.#answers || holds === 0 ? null : running?.index.status().position
      if (found !== null && other?.epoch === found.epoch && other.seq > found.seq) found = other
    }
    return found
  }

  #open(name: EngineName): Slot {
    const opening = this.#options.open(name).catch((error: unknown) => {
      slot.trouble = error instanceof Error ? error.message : String(error)
      this.#options.log.error(
        { err: error, engine: name },
        `this search engine can not be used: ${slot.trouble}`,
      )
      return null
    })
    const slot: Slot = { name, opening, running: null, trouble: null, holds: 0, released: () => {} }
    this.#slots.set(name, slot)
    void opening.then((running) => {
      slot.running = running
    })
    return slot
  }

  #shut(slot: Slot): void {
    this.#slots.delete(slot.name)
    const closing = this.#shutWhenFree(slot)
      .catch((err: unknown) =>
        this.#options.log.warn({ err, engine: slot.name }, 'a search engine did not stop'),
      )
      .finally(() => this.#closings.delete(closing))
    this.#closings.add(closing)
  }

  async #shutWhenFree(slot: Slot): Promise<void> {
    const running = await slot.opening
    if (slot.holds > 0 && !this.#stop.signal.aborted) {
      const free = new Promise<void>((resolve) => {
        slot.released = () => slot.holds === 0 && resolve()
      })
      const timer = new AbortController()
      const signal = AbortSignal.any([timer.signal, this.#stop.signal])
      await Promise.race([free, sleep(HOLD_MS, undefined, { signal }).catch(() => {})])
      timer.abort()
    }
    await running?.close()
  }
}

/** What is said while an engine has not started, or can't. */
function starting({ name, opening, trouble }: Slot): Index {
  const engine = async () => {
    const running = await opening
    // The sentence is the operator's: it may name hosts.
    if (running === null) throw unavailable('the search engine can not be used; the log says why')
    return running.index
  }
  return {
    async search(query, signal) {
      if (query instanceof Promise) query.catch(() => {})
      return (await engine()).search(query, signal)
    },
    waitFor: async (position, timeoutMs) => (await engine()).waitFor(position, timeoutMs),
    status: () => ({
      ...{ ready: false, position: null, behindMs: null, stalledMs: null },
      ...{ passages: 0, vectors: 0, generation: null, engine: name },
      ...(trouble === null ? {} : { trouble }),
    }),
    close: async () => {},
  }
}
