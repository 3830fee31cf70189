// Questions on their way to an index process. One batch is under way at a time; what arrives meanwhile is the next.
// A crowd is worth waiting for: 20 questions at once cost FAISS as much as five (docs/decisions/), so when many are
// about to arrive (their embedding has begun), those that wait are held back for a moment. A few never wait.
import type { IndexAnswer, IndexQuery } from '../port.ts'

/** Questions in a batch at most: what a matrix product gains beyond is little. */
const MOST = 32
/** Enough for a matrix product: waiting for more would leave the embedder idle. */
const ENOUGH = 20
/** Waiting and announced together: fewer are sent at once. */
const CROWD = 12
/** With so many, a question waits for the others' embedding for about as long anyway. */
const HOLD_MS = 200

export interface Waiting {
  readonly query: IndexQuery
  readonly since: number
  readonly resolve: (answer: IndexAnswer) => void
  readonly reject: (error: unknown) => void
  /** Index processes that ended with this question under way. */
  losses: number
}

export class Batches {
  /** Announced and not yet here. */
  expected = 0
  #waiting: Waiting[] = []
  readonly #underWay = new Map<number, readonly Waiting[]>()
  #lastBatch = 0

  get waiting(): number {
    return this.#waiting.length
  }

  get busy(): boolean {
    return this.#underWay.size > 0
  }

  isUnderWay(batch: number): boolean {
    return this.#underWay.has(batch)
  }

  add(waiting: Waiting): void {
    this.#waiting.push(waiting)
  }

  /** @returns whether it was still waiting */
  remove(waiting: Waiting): boolean {
    const at = this.#waiting.indexOf(waiting)
    if (at >= 0) this.#waiting.splice(at, 1)
    return at >= 0
  }

  /** Milliseconds that the waiting ones should be held back from now on; 0: send them. */
  hold(now: number): number {
    const [oldest] = this.#waiting
    if (oldest === undefined || this.#waiting.length >= ENOUGH || this.expected === 0) return 0
    if (this.#waiting.length + this.expected < CROWD) return 0
    return Math.max(0, HOLD_MS - (now - oldest.since))
  }

  /** The next batch, which is under way from now on. */
  take(): { batch: number; queries: readonly IndexQuery[] } {
    const taken = this.#waiting.splice(0, MOST)
    const batch = ++this.#lastBatch
    this.#underWay.set(batch, taken)
    return { batch, queries: taken.map(({ query }) => query) }
  }

  /** Those of a batch that is over. */
  finish(batch: number): readonly Waiting[] {
    const taken = this.#underWay.get(batch) ?? []
    this.#underWay.delete(batch)
    return taken
  }

  /** Puts what was under way back to the front. @returns those that have been lost too often */
  returnAll(lost: boolean, most: number): readonly Waiting[] {
    const back = [...this.#underWay.values()].flat()
    this.#underWay.clear()
    if (lost) for (const waiting of back) waiting.losses++
    this.#waiting.unshift(...back.filter(({ losses }) => losses <= most))
    return back.filter(({ losses }) => losses > most)
  }

  /** Everything that waits or is under way. */
  drain(): readonly Waiting[] {
    const all = [...[...this.#underWay.values()].flat(), ...this.#waiting]
    this.#underWay.clear()
    this.#waiting = []
    return all
  }
}
