// One scan by two threads, in memory that both see. Its owner takes blocks from the first one up, the helper from the last
// one down; each takes one at a time, and what nobody has taken is anybody's. So whoever is kept from its core for a
// while leaves the rest to the other. The owner never waits: when nothing is left to take it ends the scan, and the block
// that the helper still has in hand, if any, it scans itself; what the helper brings then is too late.
import type { Query, Sink } from './blocks.ts'
import { BLOCK, GROUP } from './kernel.ts'
import { AT_ONCE } from './workbench.ts'

/** Where the words of the memory are. */
const STATE = 0
/** IDLE: only the owner touches anything. WORK: the helper has a scan, or is not there yet. */
const [WORK, IDLE] = [0, 1]
/** Blocks that nobody has taken; below 0 when somebody was refused. */
const LEFT = 1
/** Blocks that the helper is done with, and those of them that the owner has read; or OVER. */
const [DELIVERED, READ] = [2, 3]
const OVER = -1
/** What is scanned. */
const [ROWS, BLOCKS, QUERIES] = [4, 5, 6]
const THRESHOLDS = 8
const SCALES = THRESHOLDS + AT_ONCE
const LENGTHS = SCALES + AT_ONCE
const VECTORS = LENGTHS + AT_ONCE

/** Of a hit: its group, scores and residuals. */
const HIT_WORDS = 1 + 2 * GROUP
/** Of a block and one query: how many hits, and they. */
const QUERY_WORDS = 1 + BLOCK * HIT_WORDS
/** For blocks that are not read yet, 1 MB: with one query these are 900, which take 6 ms to scan. */
const SLOTS_WORDS = 2 ** 18

function slotsAt(stride: number): number {
  return VECTORS + (AT_ONCE * stride) / 2
}

export function sharedScanMemory(stride: number): SharedArrayBuffer {
  return new SharedArrayBuffer(4 * (slotsAt(stride) + SLOTS_WORDS))
}

class SharedScan {
  protected readonly words: Int32Array
  protected readonly floats: Float32Array
  /** The queries as they lie on a workbench. */
  readonly vectors: Int16Array
  readonly #stride: number

  constructor(memory: SharedArrayBuffer, stride: number) {
    this.words = new Int32Array(memory)
    this.floats = new Float32Array(memory)
    this.vectors = new Int16Array(memory, 4 * VECTORS, AT_ONCE * stride)
    this.#stride = stride
  }

  protected get slots(): number {
    return Math.floor(SLOTS_WORDS / ((this.words[QUERIES] ?? 0) * QUERY_WORDS))
  }

  /** Where what was delivered after `n` other blocks lies: a number of hits for each query, then the hits. */
  protected slot(n: number): number {
    return slotsAt(this.#stride) + (n % this.slots) * (this.words[QUERIES] ?? 0) * QUERY_WORDS
  }

  protected takeOne(): boolean {
    return Atomics.load(this.words, LEFT) > 0 && Atomics.sub(this.words, LEFT, 1) > 0
  }
}

export class OwnersScan extends SharedScan {
  /** Blocks of all scans that the helper has done. */
  helped = 0
  /** Of this one, delivered and read. */
  #delivered = 0
  #read = 0

  get helperIsIdle(): boolean {
    return Atomics.load(this.words, STATE) === IDLE
  }

  /** While the helper is idle, and after `vectors` were written. The first `done` of the blocks are nobody's. */
  begin(rows: number, blocks: number, done: number, queries: readonly Query[], sink: Sink): void {
    for (const [n, { scale, length }] of queries.entries()) {
      this.floats[SCALES + n] = scale
      this.floats[LENGTHS + n] = length
    }
    this.words[ROWS] = rows
    this.words[BLOCKS] = blocks
    this.words[QUERIES] = queries.length
    this.words[LEFT] = blocks - done
    this.words[DELIVERED] = 0
    this.words[READ] = 0
    this.#delivered = 0
    this.#read = 0
    this.#raise(sink)
    Atomics.store(this.words, STATE, WORK)
    Atomics.notify(this.words, STATE)
  }

  /** Whether there was a block left. */
  take(): boolean {
    return this.takeOne()
  }

  /** Reads what was delivered, and says what need not be any more. */
  exchange(sink: Sink): void {
    this.#delivered = Atomics.load(this.words, DELIVERED)
    if (this.#delivered > this.#read) {
      this.readRest(sink)
      Atomics.store(this.words, READ, this.#read)
      Atomics.notify(this.words, READ)
    }
    this.#raise(sink)
  }

  /** The helper learns of it when it does: what is delivered in vain costs little. */
  #raise(sink: Sink): void {
    for (let n = 0; n < (this.words[QUERIES] ?? 0); n++) this.floats[THRESHOLDS + n] = sink.threshold(n)
  }

  /** Nothing more is delivered. @returns how many blocks were, the last ones; `readRest` reads what is not read of them */
  end(): number {
    Atomics.store(this.words, LEFT, 0)
    this.#delivered = Atomics.exchange(this.words, DELIVERED, OVER)
    this.helped += this.#delivered
    // Where it waits for room, it waits no longer.
    Atomics.store(this.words, READ, OVER)
    Atomics.notify(this.words, READ)
    return this.#delivered
  }

  readRest(sink: Sink): void {
    const { words, floats } = this
    const queries = words[QUERIES] ?? 0
    for (; this.#read < this.#delivered; this.#read++) {
      const block = (words[BLOCKS] ?? 0) - 1 - this.#read
      const slot = this.slot(this.#read)
      let at = slot + queries
      for (let n = 0; n < queries; n++)
        for (let left = words[slot + n] ?? 0; left > 0; left--, at += HIT_WORDS)
          sink.found(block, n, words[at] ?? 0, floats, at + 1, at + 1 + GROUP)
    }
  }
}

export class HelpersScan extends SharedScan implements Sink {
  #delivered = 0
  #slot = 0
  #at = 0

  /** Waits until there is one, saying that it may come. @returns which rows are to be scanned */
  wait(): number {
    Atomics.store(this.words, STATE, IDLE)
    while (Atomics.load(this.words, STATE) === IDLE) Atomics.wait(this.words, STATE, IDLE)
    this.#delivered = 0
    return this.words[ROWS] ?? 0
  }

  /** Of the scan that it waited for. */
  queries(): Query[] {
    return Array.from({ length: this.words[QUERIES] ?? 0 }, (_, n) => ({
      scale: this.floats[SCALES + n] ?? 0,
      length: this.floats[LENGTHS + n] ?? 0,
    }))
  }

  threshold(n: number): number {
    return this.floats[THRESHOLDS + n] ?? 0
  }

  /** How many blocks the owner has read, if that is too few for another to be delivered. */
  get full(): number | null {
    const read = Atomics.load(this.words, READ)
    return read === OVER || this.#delivered - read < this.slots ? null : read
  }

  /** Waits for room. @returns the block to be scanned next, or null: the scan is over */
  take(): number | null {
    for (let read = this.full; read !== null; read = this.full) Atomics.wait(this.words, READ, read)
    if (!this.takeOne()) return null
    const queries = this.words[QUERIES] ?? 0
    this.#slot = this.slot(this.#delivered)
    this.#at = this.#slot + queries
    this.words.fill(0, this.#slot, this.#at)
    return (this.words[BLOCKS] ?? 0) - 1 - this.#delivered
  }

  /** A hit in the block that was taken last; query after query. */
  found(_: number, n: number, group: number, from: Float32Array, scores: number, residuals: number): void {
    const { words, floats } = this
    words[this.#slot + n] = (words[this.#slot + n] ?? 0) + 1
    words[this.#at] = group
    for (let i = 0; i < GROUP; i++) {
      floats[this.#at + 1 + i] = from[scores + i] ?? 0
      floats[this.#at + 1 + GROUP + i] = from[residuals + i] ?? 0
    }
    this.#at += HIT_WORDS
  }

  /** With all that was found in it. @returns whether the owner still wants that, and maybe more */
  deliver(): boolean {
    const { words } = this
    const before = Atomics.compareExchange(words, DELIVERED, this.#delivered, this.#delivered + 1)
    return before === this.#delivered++
  }
}
