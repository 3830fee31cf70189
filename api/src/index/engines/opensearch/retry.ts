// How often a cluster in trouble is asked again. Two things multiply load just when there is least room for it: everybody
// coming back at the same moment, and every request being sent three times.

/** Of all requests, so many are sent a second time. */
const RATIO = 0.1
/** And so many a second, however few requests there are. */
const FLOOR_PER_SECOND = 1
const CAPACITY = 10

/**
 * A token bucket: a request puts a tenth of a token in, a retry takes a whole one. The idea is the per-client retry budget
 * of Google's "Site Reliability Engineering" (chapter "Handling Overload") and of Finagle's RetryBudget, which has the floor.
 */
export class RetryBudget {
  readonly #now: () => number
  #tokens = CAPACITY
  #filledAt: number

  /** @param now milliseconds of a clock that only goes forward */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
    this.#filledAt = now()
  }

  /** A request that is sent for the first time. */
  asked(): void {
    this.#fill(RATIO)
  }

  /** @returns whether there is enough for one more retry, which is then taken */
  take(): boolean {
    const now = this.#now()
    this.#fill(((now - this.#filledAt) / 1_000) * FLOOR_PER_SECOND)
    this.#filledAt = now
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }

  #fill(tokens: number): void {
    this.#tokens = Math.min(CAPACITY, this.#tokens + tokens)
  }
}

/**
 * Milliseconds before try n + 1 (n from 0): anything between nothing and a bound that doubles, "full jitter" of
 * "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).
 */
export function backoffMs(n: number, base: number, most: number, random: () => number = Math.random): number {
  return random() * Math.min(most, base * 2 ** n)
}

/** Of a Retry-After header: seconds, or a date. @returns milliseconds; undefined: it says nothing that can be read */
export function retryAfterMs(header: unknown, now: number = Date.now()): number | undefined {
  if (typeof header !== 'string' || header.trim() === '') return undefined
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1_000 : Date.parse(header) - now
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined
}
