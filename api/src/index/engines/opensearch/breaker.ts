// A circuit breaker (Nygard, "Release It!"): when the cluster has not been reached a few times in a row, nobody waits for
// it any more. Open, it asks by itself whether the cluster is there again, one probe at a time, and closes with the first
// answer; so no caller is ever the one who finds out by waiting. Not from a library: the well-kept one there is
// (cockatiel) lets a caller's own request be the probe.
import { backoffMs } from './retry.ts'

/** Failures in a row, without any answer between them. */
const THRESHOLD = 5
const PROBE_MS = 200
const MOST_MS = 2_000

export interface BreakerOptions {
  /** @returns whether the cluster answers. Never rejects. */
  readonly probe: () => Promise<boolean>
  /** It is there again. */
  readonly closed: () => void
}

export class Breaker<Failure> {
  readonly #options: BreakerOptions
  #inARow = 0
  #over = false
  #open: { readonly why: Failure; timer: NodeJS.Timeout | undefined } | null = null

  constructor(options: BreakerOptions) {
    this.#options = options
  }

  /** What opened it, while it is open. */
  get why(): Failure | null {
    return this.#open?.why ?? null
  }

  /** The cluster has answered, whatever it said. */
  answered(): void {
    this.#inARow = 0
    if (this.#open === null) return
    clearTimeout(this.#open.timer)
    this.#open = null
    this.#options.closed()
  }

  /** It was not reached, or said nothing in time. */
  failed(why: Failure): void {
    if (this.#over || this.#open !== null || ++this.#inARow < THRESHOLD) return
    this.#open = { why, timer: undefined }
    this.#ask(0)
  }

  /** Nobody is asked any more; what is still under way changes nothing. */
  close(): void {
    this.#over = true
    clearTimeout(this.#open?.timer)
    this.#open = null
  }

  #ask(probes: number): void {
    const open = this.#open
    if (open === null) return
    const wait = PROBE_MS / 2 + backoffMs(probes, PROBE_MS, MOST_MS)
    open.timer = setTimeout(async () => {
      const there = await this.#options.probe()
      // Closed meanwhile, or opened anew: that one has a probe of its own.
      if (this.#open !== open) return
      if (there) this.answered()
      else this.#ask(probes + 1)
    }, wait)
    open.timer.unref()
  }
}
