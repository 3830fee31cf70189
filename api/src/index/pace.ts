// Long work on the thread that also answers searches is cut into slices of a few milliseconds.
import { setImmediate as nextTurn } from 'node:timers/promises'

const SLICE_MS = 3

export class Pace {
  #since = performance.now()
  readonly #signal: AbortSignal | undefined

  /** Work that asks `pause` ends with the signal's reason once it aborts. */
  constructor(signal?: AbortSignal) {
    this.#signal = signal
  }

  /** Whether it is time to `await pause()`. Ask it every few microseconds of work. */
  get due(): boolean {
    return performance.now() - this.#since > SLICE_MS
  }

  /** Lets waiting searches run first. */
  async pause(): Promise<void> {
    await nextTurn()
    this.#signal?.throwIfAborted()
    this.#since = performance.now()
  }
}
