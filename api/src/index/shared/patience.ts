// How long a server that starts waits for a shared checkpoint. It can do without: a rebuild takes minutes. So long for
// nothing, and longer as far as files come at a rate that is worth waiting for: 1.5 GB (a million passages) may take
// six minutes, and what a store brings more slowly, or somebody put there to be read for hours, is given up.
const GRACE_MS = 60_000
const BYTES_PER_MS = 4_000

export class Patience {
  readonly #began = performance.now()
  readonly #graceMs: number
  readonly #over: (bytes: number) => void
  #timer: NodeJS.Timeout

  /** `over` is called once, with what had come by then, unless it `ends` before. `graceMs`: default 60,000. */
  constructor(over: (bytes: number) => void, graceMs: number = GRACE_MS) {
    this.#graceMs = graceMs
    this.#over = over
    this.#timer = this.#wait(0)
  }

  /** Bytes of files so far. */
  received(bytes: number): void {
    clearTimeout(this.#timer)
    this.#timer = this.#wait(bytes)
  }

  ends(): void {
    clearTimeout(this.#timer)
  }

  #wait(bytes: number): NodeJS.Timeout {
    const allowed = this.#graceMs + bytes / BYTES_PER_MS
    return setTimeout(() => this.#over(bytes), this.#began + allowed - performance.now())
  }
}
