// Time that passes only while somebody waits for it: hours of a stack take no second of a test. Of several who wait, each
// wakes at its own time; it goes on when all of them have come to where they wait again.
import type { Clock } from '../port.ts'

interface Due {
  readonly at: number
  readonly run: () => void
}
interface Sleeper extends Due {
  readonly fail: (error: unknown) => void
}

export class VirtualClock implements Clock {
  #now = Date.parse('2026-11-28T12:00:00Z')
  readonly #due: Due[] = []
  readonly #sleepers: Sleeper[] = []
  #isPassing = false

  now(): Date {
    return new Date(this.#now)
  }

  /** Does something `ms` from now, when time gets there. */
  after(ms: number, run: () => void): void {
    this.#due.push({ at: this.#now + ms, run })
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    let end: (() => void) | undefined
    try {
      await new Promise<void>((run, fail) => {
        const sleeper = { at: this.#now + Math.max(ms, 0), run, fail }
        this.#sleepers.push(sleeper)
        end = () => {
          const index = this.#sleepers.indexOf(sleeper)
          if (index >= 0) this.#sleepers.splice(index, 1)
          fail(signal?.reason)
        }
        signal?.addEventListener('abort', end)
        this.#pass()
      })
    } finally {
      if (end !== undefined) signal?.removeEventListener('abort', end)
    }
    signal?.throwIfAborted()
  }

  /** To the next one who wakes, when nobody has anything else to do. */
  #pass(): void {
    if (this.#isPassing) return
    this.#isPassing = true
    setImmediate(() => {
      this.#isPassing = false
      const first = earliest(this.#sleepers, Number.POSITIVE_INFINITY)
      if (first === undefined) return
      try {
        for (
          let next = earliest(this.#due, first.at);
          next !== undefined;
          next = earliest(this.#due, first.at)
        ) {
          this.#now = Math.max(this.#now, next.at)
          next.run()
        }
        this.#now = Math.max(this.#now, first.at)
        first.run()
      } catch (error) {
        first.fail(error)
      }
      if (this.#sleepers.length > 0) this.#pass()
    })
  }
}

/** Takes what is due first, until then; what is due at the same moment in the order in which it was asked for. */
function earliest<T extends Due>(all: T[], until: number): T | undefined {
  let first = -1
  for (const [index, { at }] of all.entries())
    if (at <= until && (first < 0 || at < (all[first]?.at ?? 0))) first = index
  return first < 0 ? undefined : all.splice(first, 1)[0]
}
