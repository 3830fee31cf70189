// One query while it is searched for: what segments offered, with bounds, and the k best of it by exact score.
// That many exact scores are at least as high as the k-th best lower bound (the floor), so what can not reach that is
// not among the best, and of the rest the most promising are scored first, until no other can be better.
import type { Allowed } from '../filter.ts'
import type { Passages } from '../passages.ts'
import { Top } from '../top.ts'
import { dot, type Seeker } from './port.ts'
import { NOBODY, type VectorStore } from './store.ts'

export interface NearestQuery {
  readonly vector: Float32Array
  readonly k: number
  readonly allowed: Allowed
}

export interface Neighbour {
  readonly place: number
  readonly id: number
  readonly score: number
}

interface Candidate {
  readonly number: number
  readonly place: number
  readonly lower: number
  readonly upper: number
}

/** Expected beyond k, so that the usual ranking of an engine that ranks is enough. */
const MARGIN = 16
/** Vectors read at once when neighbours are allowed. */
export const READ_ROWS = 128
/** So many candidates are looked through for those that have fallen below the floor. */
const CROWD = 1_024

export class Candidates implements Seeker {
  readonly vector: Float32Array
  readonly #query: NearestQuery
  expected: number
  readonly #store: VectorStore
  readonly #passages: Passages
  /** The k best lower bounds. */
  readonly #lower: Top
  #first = 0
  #found: Candidate[] = []
  #crowd = CROWD
  /** Those found by earlier scans, when a segment is scanned again. */
  #known: ReadonlySet<number> = new Set()

  constructor(store: VectorStore, passages: Passages, query: NearestQuery) {
    this.#store = store
    this.#passages = passages
    this.#query = query
    this.vector = query.vector
    this.#lower = new Top(query.k)
    const share = query.allowed.vectors / store.count
    this.expected = Math.ceil(((query.k + MARGIN) / share) * (share === 1 ? 1 : 1.25))
  }

  get floor(): number {
    return this.#lower.floor
  }

  /** The labels that follow are counted from this number on. */
  from(first: number): void {
    this.#first = first
  }

  /** Segments that this query scans again are asked for more. */
  widen(): void {
    this.expected *= 4
    this.#known = new Set(this.#found.map(({ number }) => number))
  }

  /** Scores what is allowed of `count` vectors from number `first` on, and offers that. */
  addEach(first: number, count: number): void {
    const { dimensions } = this.#store
    const buffer = new Float32Array(READ_ROWS * dimensions)
    this.from(first)
    for (let label = 0; label < count; ) {
      if (this.#placeOf(first + label) === NOBODY) {
        label++
        continue
      }
      // Neighbours are usually allowed together: one read for many.
      let some = 1
      while (some < READ_ROWS && label + some < count && this.#placeOf(first + label + some) !== NOBODY)
        some++
      this.#store.read(first + label, some, buffer)
      for (let i = 0; i < some; i++) {
        const score = dot(this.vector, buffer, i * dimensions)
        this.offer(label + i, score, score)
      }
      label += some
    }
  }

  offer(label: number, lower: number, upper: number): void {
    if (upper < this.floor) return
    const number = this.#first + label
    const place = this.#placeOf(number)
    if (place === NOBODY || this.#known.has(number)) return
    this.#lower.offer(lower, number, place)
    this.#found.push({ number, place, lower, upper })
    if (this.#found.length < this.#crowd) return
    this.#prune()
    this.#crowd = Math.max(CROWD, 2 * this.#found.length)
  }

  /** The k best, ties by passage id. Right once no segment has anything that is not below the floor. */
  best(): Neighbour[] {
    this.#prune()
    this.#found.sort((a, b) => b.upper - a.upper)
    const top = new Top(this.#query.k)
    const ids = this.#passages.ids.values
    for (const { number, place, lower, upper } of this.#found) {
      if (upper < top.floor) break
      const exact = lower === upper ? lower : this.#store.score(this.vector, number)
      if (exact >= top.floor) top.offer(exact, ids[place] ?? 0, place)
    }
    return top.sorted()
  }

  /** NOBODY for a vector that is not allowed. */
  #placeOf(number: number): number {
    const place = this.#store.owner.values[number] ?? NOBODY
    return place !== NOBODY && this.#query.allowed.has(place) ? place : NOBODY
  }

  #prune(): void {
    const { floor } = this
    this.#found = this.#found.filter(({ upper }) => upper >= floor)
  }
}
