// Which passages hold a term, and how often. A posting is one 32-bit number: place << 8 | frequency (at most 255).
// `base` came from a checkpoint: all postings of a term side by side, the quickest to read. `recent` grows: chains of
// blocks of 4, 8, … 256 postings in chunks of memory that are never copied. Both ascend by place, nothing is ever
// changed or removed, so a checkpoint can read up to a remembered place while more is added.
import { Growing } from '../growing.ts'

export interface SavedPostings {
  /** By number. */
  readonly terms: readonly string[]
  /** Of each term's postings; one more than terms. */
  readonly offsets: Uint32Array
  readonly postings: Uint32Array
}

const CHUNK_BITS = 20
const CHUNK = 1 << CHUNK_BITS
const MASK = CHUNK - 1
const FIRST_BLOCK = 4
const LAST_BLOCK = 256

export class Postings {
  readonly #base: SavedPostings
  readonly #numbers = new Map<string, number>()
  readonly #terms: string[]
  /** Memory of the blocks; a block's first number is the address of the next one, 0 for none. */
  readonly #chunks: Uint32Array[] = [new Uint32Array(CHUNK)]
  #free = 1
  // By term: its first block, where its next posting goes, where its last block ends, how many it has.
  readonly #first = new Growing(Uint32Array)
  readonly #next = new Growing(Uint32Array)
  readonly #end = new Growing(Uint32Array)
  readonly #counts = new Growing(Uint32Array)
  #recent = 0

  constructor(saved?: SavedPostings) {
    this.#base = saved ?? { terms: [], offsets: new Uint32Array(1), postings: new Uint32Array(0) }
    this.#terms = [...this.#base.terms]
    for (const [number, term] of this.#terms.entries()) this.#numbers.set(term, number)
    for (const column of [this.#first, this.#next, this.#end, this.#counts]) {
      column.reserve(this.#terms.length)
      column.length = this.#terms.length
    }
  }

  get terms(): readonly string[] {
    return this.#terms
  }

  get size(): { base: number; recent: number } {
    return { base: this.#base.postings.length, recent: this.#recent }
  }

  number(term: string): number | undefined {
    return this.#numbers.get(term)
  }

  /** `term` has to be a string of its own (analysis.ts `standalone`). */
  numberOrNew(term: string): number {
    const known = this.#numbers.get(term)
    if (known !== undefined) return known
    const number = this.#terms.push(term) - 1
    this.#numbers.set(term, number)
    for (const column of [this.#first, this.#next, this.#end, this.#counts]) column.push(0)
    return number
  }

  /** Places must not descend from call to call. */
  add(term: number, place: number, frequency: number): void {
    const count = this.#counts.values[term] ?? 0
    let at = this.#next.values[term] ?? 0
    if (at === (this.#end.values[term] ?? 0)) at = this.#newBlock(term, count)
    const chunk = this.#chunks[at >>> CHUNK_BITS]
    if (chunk !== undefined) chunk[at & MASK] = ((place << 8) | Math.min(frequency, 255)) >>> 0
    this.#next.values[term] = at + 1
    this.#counts.values[term] = count + 1
    this.#recent++
  }

  /** How many postings the term has, of dead passages too. */
  count(term: number): number {
    return this.#baseCount(term) + (this.#counts.values[term] ?? 0)
  }

  /**
   * Calls `take` with every run of the term's postings, ascending by place: a few calls for many postings.
   * With `before`, only postings of places below it.
   */
  runs(term: number, take: (postings: Uint32Array, from: number, to: number) => void, before?: number): void {
    const limit = before === undefined ? undefined : before * 256
    if (this.#baseCount(term) > 0) {
      const { offsets, postings } = this.#base
      const from = offsets[term] ?? 0
      const to = offsets[term + 1] ?? 0
      take(postings, from, limit === undefined ? to : cut(postings, from, to, limit))
    }
    let left = this.#counts.values[term] ?? 0
    let size = FIRST_BLOCK
    for (let block = this.#first.values[term] ?? 0; block !== 0 && left > 0; ) {
      const chunk = this.#chunks[block >>> CHUNK_BITS]
      if (chunk === undefined) return
      const from = (block & MASK) + 1
      const to = from + Math.min(left, size)
      const end = limit === undefined ? to : cut(chunk, from, to, limit)
      take(chunk, from, end)
      if (end < to) return
      left -= size
      size = Math.min(size * 2, LAST_BLOCK)
      block = chunk[block & MASK] ?? 0
    }
  }

  #baseCount(term: number): number {
    const { offsets, terms } = this.#base
    return term < terms.length ? (offsets[term + 1] ?? 0) - (offsets[term] ?? 0) : 0
  }

  /** @returns the address of its first posting */
  #newBlock(term: number, count: number): number {
    // Blocks of 4, 8, … 256, 256, …: how large this one is follows from how many came before it.
    const size = count < LAST_BLOCK * 2 - FIRST_BLOCK ? count + FIRST_BLOCK : LAST_BLOCK
    const rest = CHUNK - (this.#free & MASK)
    if (rest < size + 1) this.#free += rest
    const block = this.#free
    this.#free += size + 1
    if (this.#free > 2 ** 32) throw new Error('too many postings since the last checkpoint')
    if (block >>> CHUNK_BITS === this.#chunks.length) this.#chunks.push(new Uint32Array(CHUNK))
    if (count === 0) this.#first.values[term] = block
    else {
      // The last block is full: its end is where its postings end.
      const before = (this.#end.values[term] ?? 0) - blockBefore(count) - 1
      const chunk = this.#chunks[before >>> CHUNK_BITS]
      if (chunk !== undefined) chunk[before & MASK] = block
    }
    this.#end.values[term] = block + 1 + size
    return block + 1
  }
}

/** The size of the block that was filled when `count` postings had been written. */
function blockBefore(count: number): number {
  return count < LAST_BLOCK * 2 - FIRST_BLOCK ? (count + FIRST_BLOCK) / 2 : LAST_BLOCK
}

/** The first posting in [from, to) that is not below `limit`. */
function cut(postings: Uint32Array, from: number, to: number, limit: number): number {
  let [low, high] = [from, to]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((postings[middle] ?? 0) < limit) low = middle + 1
    else high = middle
  }
  return low
}
