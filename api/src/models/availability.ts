// Whether each model can answer now. Two things tell: a look at its server, which spends no token (looks.ts), and what
// became of real answers, which knows more and wins for a while. What is known is shown at once, however old; whoever
// lists models waits only for those of which nothing is known at all, and not for long.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { ErrorCode } from '../../../contract/errors.ts'
import { AppError } from '../errors.ts'
import type { LanguageModel, ModelEvent } from './port.ts'

export const MODEL_STATES = [
  'available',
  /** Not looked at yet, or there is no way to: taken for available. */
  'unknown',
  /** Its server is there and lists others: a warning, since some servers know names that they do not list. */
  'not-listed',
  'busy',
  'allowance-used',
  'refused-key',
  'unreachable',
  'retired',
] as const
export type ModelState = (typeof MODEL_STATES)[number]

export interface Availability {
  readonly state: ModelState
  /** Since when this server knows it. */
  readonly since: Date
}

/** What a look shows. */
export interface Seen {
  readonly state: 'available' | 'unknown' | 'not-listed' | 'busy' | 'refused-key' | 'unreachable'
  /** An answer that came knows better: a key may be allowed to ask a model and not to read the list. */
  readonly doubtful?: boolean
  /** How many requests its server takes, where it says so. */
  readonly requestsPerMinute?: number
}

/** One look at a model's server. It ends by itself within seconds. */
export type Look = () => Promise<Seen>

export interface Looked {
  readonly id: string
  /** Null where only answers tell. */
  readonly look: Look | null
}

/**
 * In these a model is not taken by default while another one can be. Busy is not among them: it passes too soon to have
 * people's questions go now to one model, now to another.
 */
const OUT: ReadonlySet<ModelState> = new Set(['allowance-used', 'refused-key', 'unreachable', 'retired'])

const MINUTE = 60_000

interface Told {
  readonly state: ModelState
  readonly ms: number
  /** As long as no answer came between, each time counts twice as long as the one before, up to this. Default: `ms`. */
  readonly most?: number
}

/**
 * What a failed answer says of its model, and for how long that counts, whatever a look shows meanwhile. A server may list
 * its models and answer none: what is taken by default would go to and fro between it and the next one, and every half
 * minute somebody's question would find out.
 */
const TOLD: Partial<Record<ErrorCode, Told>> = {
  MODEL_UNAVAILABLE: { state: 'unreachable', ms: MINUTE / 2, most: 10 * MINUTE },
  MODEL_BUSY: { state: 'busy', ms: MINUTE / 2 },
  MODEL_ALLOWANCE_USED: { state: 'allowance-used', ms: 10 * MINUTE, most: 60 * MINUTE },
  MODEL_REFUSED_KEY: { state: 'refused-key', ms: 10 * MINUTE, most: 60 * MINUTE },
  MODEL_RETIRED: { state: 'retired', ms: 60 * MINUTE },
}

/** Milliseconds. */
const FRESH = 30_000
const FIRST_LOOK = 1_500

interface Entry {
  readonly id: string
  seen: Seen | null
  /** In `now()`'s time. */
  lookedAt: number
  looking: boolean
  /** The first look, or the end of the patience with it. */
  first: Promise<unknown> | undefined
  told: { readonly state: ModelState; readonly until: number } | null
  /** How often it was out since an answer came. Many answers that fail together are once. */
  rests: number
  /** It has answered. */
  proven: boolean
  shown: Availability
}

export class ModelAvailability {
  readonly #log: Logger
  readonly #now: () => number
  readonly #entries = new Map<string, Entry>()
  #closed = false

  /** @param now milliseconds from any moment on. For tests */
  constructor(log: Logger, now: () => number = () => performance.now()) {
    this.#log = log
    this.#now = now
  }

  /**
   * Has those looked at that were not within 30 s, never one of them twice at the same time. Resolves when something
   * is known of each, after 1.5 s at the latest.
   */
  async look(models: readonly Looked[]): Promise<void> {
    const waiting: Promise<unknown>[] = []
    for (const { id, look } of models) {
      const entry = this.#entry(id)
      const isStale = this.#now() - entry.lookedAt >= FRESH
      if (look !== null && isStale && !entry.looking && !this.#closed) this.#begin(entry, look)
      const isKnown = entry.seen !== null || entry.told !== null || entry.proven
      if (!isKnown && entry.first !== undefined) waiting.push(entry.first)
    }
    await Promise.all(waiting)
  }

  of(id: string): Availability {
    return this.#note(this.#entry(id))
  }

  /** Whether it may be taken by default. */
  isUsable(id: string): boolean {
    return !OUT.has(this.of(id).state)
  }

  requestsPerMinute(id: string): number | null {
    return this.#entry(id).seen?.requestsPerMinute ?? null
  }

  /** What became of an answer: null when it came. Failures that are not the model's own say nothing here. */
  tell(id: string, failure: AppError | null): void {
    const entry = this.#entry(id)
    if (failure === null) {
      entry.told = null
      entry.rests = 0
      entry.proven = true
      entry.seen = { ...entry.seen, state: 'available' }
      entry.lookedAt = this.#now()
    } else {
      const told = TOLD[failure.code]
      if (told === undefined) return
      entry.told = { state: told.state, until: this.#now() + this.#restOf(entry, told, failure) }
      if (told.state === 'refused-key' || told.state === 'retired') entry.proven = false
    }
    this.#note(entry)
  }

  /** Milliseconds. */
  #restOf(entry: Entry, { state, ms, most = ms }: Told, { detail }: AppError): number {
    if (state === 'busy') {
      const asked = Number(detail.seconds ?? 0) * 1_000
      return asked > 0 ? Math.min(asked, 10 * MINUTE) : ms
    }
    const { told } = entry
    const isResting = told !== null && OUT.has(told.state) && this.#now() < told.until
    if (!isResting) entry.rests++
    return Math.min(ms * 2 ** (entry.rests - 1), most)
  }

  /** The same model; what becomes of its answers is told. */
  watched(model: LanguageModel): LanguageModel {
    const { id } = model.info
    return {
      info: model.info,
      stream: (messages, options) => {
        const events = model.stream(messages, options)[Symbol.asyncIterator]()
        let heard = false
        const onEvent = (result: IteratorResult<ModelEvent>) => {
          if (!heard && result.done !== true && result.value.type === 'text') {
            heard = true
            this.tell(id, null)
          }
          return result
        }
        const onError = (error: unknown) => {
          if (error instanceof AppError) this.tell(id, error)
          throw error
        }
        // Not a generator around it: that would cost every token of every stream more than this.
        const watched: AsyncIterator<ModelEvent> = {
          next: () => events.next().then(onEvent, onError),
          return: async () => (await events.return?.()) ?? { done: true, value: undefined },
        }
        return { [Symbol.asyncIterator]: () => watched }
      },
    }
  }

  /** What looks that are under way show counts no more. */
  close(): void {
    this.#closed = true
  }

  #entry(id: string): Entry {
    let entry = this.#entries.get(id)
    if (entry === undefined) {
      entry = {
        ...{ id, seen: null, lookedAt: Number.NEGATIVE_INFINITY, looking: false, first: undefined },
        ...{ told: null, rests: 0, proven: false, shown: { state: 'unknown', since: new Date() } },
      }
      this.#entries.set(id, entry)
    }
    return entry
  }

  #begin(entry: Entry, look: Look): void {
    entry.looking = true
    const done = look()
      .catch((): Seen => ({ state: 'unreachable' }))
      .then((seen) => {
        entry.looking = false
        if (this.#closed) return
        entry.seen = seen
        entry.lookedAt = this.#now()
        this.#note(entry)
      })
    entry.first ??= Promise.race([done, sleep(FIRST_LOOK, undefined, { ref: false })])
  }

  #stateOf({ told, seen, proven }: Entry): ModelState {
    if (told !== null && this.#now() < told.until) return told.state
    if (seen === null) return proven ? 'available' : 'unknown'
    return proven && seen.doubtful === true ? 'available' : seen.state
  }

  #note(entry: Entry): Availability {
    const state = this.#stateOf(entry)
    const before = entry.shown.state
    if (state === before) return entry.shown
    entry.shown = { state, since: new Date() }
    const { id } = entry
    if (OUT.has(state)) this.#log.warn({ model: id, state }, 'a model can not answer now')
    else if (OUT.has(before)) this.#log.info({ model: id, state }, 'a model can be asked again')
    return entry.shown
  }
}
