// Time that passes only while somebody waits for it: hours of a stack take no second of a test.
import type { Clock } from '../port.ts'

export class VirtualClock implements Clock {
  #now = Date.parse('2026-11-28T12:00:00Z')
  readonly #due: { readonly at: number; readonly run: () => void }[] = []

  now(): Date {
    return new Date(this.#now)
  }

  /** Does something `ms` from now, when time gets there. */
  after(ms: number, run: () => void): void {
    this.#due.push({ at: this.#now + ms, run })
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    const until = this.#now + ms
    for (let next = this.#next(until); next !== undefined; next = this.#next(until)) {
      this.#now = Math.max(this.#now, next.at)
      next.run()
    }
    this.#now = Math.max(this.#now, until)
    await new Promise((resolve) => setImmediate(resolve))
    signal?.throwIfAborted()
  }

  /** Takes what is due first; what is due at the same moment in the order in which it was asked for. */
  #next(until: number) {
    let first = -1
    for (const [index, { at }] of this.#due.entries())
      if (at <= until && (first < 0 || at < (this.#due[first]?.at ?? 0))) first = index
    return first < 0 ? undefined : this.#due.splice(first, 1)[0]
  }
}
