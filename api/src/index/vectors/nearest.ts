// The k nearest allowed passages of each query, exactly: the k highest exact scores, ties by passage id, whatever
// engine, batch size, filter or number of segments (promise P6; recall 1.0).
// An engine ranks with scores a rounding off. A ranking is believed only when everything it left out must lie below
// the k-th exact score; else it is asked for more. Where few vectors are allowed, they are scored one by one instead.
import type { Allowed } from '../filter.ts'
import type { Passages } from '../passages.ts'
import { Top } from '../top.ts'
import { dot, roundingBound } from './port.ts'
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

/** Asked beyond k, so that the usual ranking is believed at the first try. */
const MARGIN = 16
/** Reading and scoring an allowed vector costs about as much as FAISS scanning so many. */
const SCAN_RATIO = 12
/** A ranking of more than this costs more than scoring every allowed vector does. */
const MAX_K = 4_096
/** Vectors read at once when neighbours are allowed. */
const READ_ROWS = 128

export function nearest(
  store: VectorStore,
  passages: Passages,
  queries: readonly NearestQuery[],
): Neighbour[][] {
  const results = queries.map((): Neighbour[] => [])
  const scan = new ScanBatch(store, passages, results)
  for (const [row, query] of queries.entries()) {
    const { vectors } = query.allowed
    if (vectors === 0 || query.k === 0) continue
    if (vectors * SCAN_RATIO < store.count) results[row] = scoreEach(store, passages, query)
    else scan.add(row, query)
  }
  scan.run()
  return results
}

/** Scores every allowed vector. */
function scoreEach(
  store: VectorStore,
  passages: Passages,
  { vector, allowed, k }: NearestQuery,
): Neighbour[] {
  const top = new Top(k)
  const buffer = new Float32Array(READ_ROWS * store.dimensions)
  const { dimensions } = store
  const numbers = passages.vector.values
  const ids = passages.ids.values
  const alive = passages.alive.values
  let [first, count, place] = [0, 0, 0]
  const flush = () => {
    if (count === 0) return
    store.read(first, count, buffer)
    for (let i = 0; i < count; i++) {
      const score = dot(vector, buffer, i * dimensions)
      if (score >= top.floor) top.offer(score, ids[place + i] ?? 0, place + i)
    }
    count = 0
  }
  for (const [from, end] of allowed.ranges())
    for (let at = from; at < end; at++) {
      const number = numbers[at] ?? -1
      if (number < 0 || alive[at] !== 1) continue
      // Passages that are neighbours usually have neighbouring vectors: one read for many.
      if (count > 0 && count < READ_ROWS && number === first + count && at === place + count) count++
      else {
        flush()
        first = number
        place = at
        count = 1
      }
    }
  flush()
  return top.sorted()
}

interface Pending {
  readonly row: number
  readonly query: NearestQuery
  /** The best of the store's tail, by exact score. */
  readonly tail: readonly Neighbour[]
  /** How long a ranking it asks for. */
  readonly k: number
}

interface Found {
  readonly score: number
  readonly number: number
  readonly place: number
}

class ScanBatch {
  readonly #store: VectorStore
  readonly #passages: Passages
  readonly #results: Neighbour[][]
  readonly #bound: number
  #pending: Pending[] = []

  constructor(store: VectorStore, passages: Passages, results: Neighbour[][]) {
    this.#store = store
    this.#passages = passages
    this.#results = results
    this.#bound = roundingBound(store.dimensions)
  }

  add(row: number, query: NearestQuery): void {
    const share = query.allowed.vectors / this.#store.count
    const k = Math.ceil(((query.k + MARGIN) / share) * (share === 1 ? 1 : 1.25))
    this.#pending.push({ row, query, tail: this.#tail(query), k })
  }

  run(): void {
    while (this.#pending.length > 0) {
      const least = Math.min(...this.#pending.map(({ k }) => k))
      // Rankings of about the same length go together, as many queries at once as there are.
      const group = this.#pending.filter(({ k }) => k <= least * 4)
      this.#pending = this.#pending.filter(({ k }) => k > least * 4)
      if (least <= MAX_K) this.#round(group)
      else
        for (const { row, query } of group) this.#results[row] = scoreEach(this.#store, this.#passages, query)
    }
  }

  #tail({ vector, allowed, k }: NearestQuery): Neighbour[] {
    const { first, count } = this.#store.tail
    const owner = this.#store.owner.values
    const ids = this.#passages.ids.values
    const top = new Top(k)
    for (let number = first; number < first + count; number++) {
      const place = owner[number] ?? NOBODY
      if (place === NOBODY || !allowed.has(place)) continue
      const score = this.#store.score(vector, number)
      if (score >= top.floor) top.offer(score, ids[place] ?? 0, place)
    }
    return top.sorted()
  }

  /** Those whose ranking can not be believed become pending again, with a larger k. */
  #round(group: readonly Pending[]): void {
    const k = Math.max(...group.map((pending) => pending.k))
    const found = group.map((): Found[] => [])
    // Nothing that a segment left out scores higher than this.
    const leftOut = group.map(() => Number.NEGATIVE_INFINITY)
    const owner = this.#store.owner.values
    const vectors = group.map(({ query }) => query.vector)
    for (const { first, segment } of this.#store.segments) {
      const some = Math.min(k, segment.count)
      const { labels, scores } = segment.search(vectors, some)
      for (const [i, { query }] of group.entries()) {
        const list = found[i]
        for (let at = i * some; at < (i + 1) * some; at++) {
          const label = labels[at] ?? -1
          const place = label < 0 ? NOBODY : (owner[first + label] ?? NOBODY)
          if (place !== NOBODY && query.allowed.has(place))
            list?.push({ score: scores[at] ?? 0, number: first + label, place })
        }
        if (some < segment.count)
          leftOut[i] = Math.max(leftOut[i] ?? 0, scores[(i + 1) * some - 1] ?? Number.POSITIVE_INFINITY)
      }
    }
    for (const [i, pending] of group.entries()) {
      const top = this.#rescore(pending, found[i] ?? [])
      const rest = leftOut[i] ?? 0
      if (rest === Number.NEGATIVE_INFINITY || rest + this.#bound < top.floor)
        this.#results[pending.row] = top.sorted()
      else this.#pending.push({ ...pending, k: k * 4 })
    }
  }

  /** The k best of the tail and of what was found, by exact score. */
  #rescore({ query: { vector, k }, tail }: Pending, found: Found[]): Top {
    const top = new Top(k)
    for (const { score, id, place } of tail) top.offer(score, id, place)
    found.sort((a, b) => b.score - a.score)
    const least = (found[k - 1]?.score ?? Number.NEGATIVE_INFINITY) - 2 * this.#bound
    const ids = this.#passages.ids.values
    for (const { score, number, place } of found) {
      if (score < least) break
      const exact = this.#store.score(vector, number)
      if (exact >= top.floor) top.offer(exact, ids[place] ?? 0, place)
    }
    return top
  }
}
