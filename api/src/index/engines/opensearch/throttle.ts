// How fast an index is filled, where an operator has said so: searches, and whoever writes documents, share the cluster and the
// database with it.
import { setTimeout as sleep } from 'node:timers/promises'

/** What was not used of the last moment may be used at once, and no more. */
const CREDIT_MS = 500
/** Timers are no finer than this is worth. */
const LEAST_MS = 20

export class Throttle {
  readonly #rate: () => number | null
  /** performance.now() from which on the next may pass. */
  #next = performance.now()

  /** @param rate a second, asked each time, since it may be changed meanwhile; null: without limit */
  constructor(rate: () => number | null) {
    this.#rate = rate
  }

  /** One has passed: resolves when there is room for the next. @throws the signal's reason */
  async passed(signal: AbortSignal): Promise<void> {
    const rate = this.#rate()
    const now = performance.now()
    if (rate === null) {
      this.#next = now
      return
    }
    this.#next = Math.max(this.#next, now - CREDIT_MS) + 1_000 / rate
    const wait = this.#next - now
    if (wait > LEAST_MS) await sleep(wait, undefined, { signal })
  }
}
