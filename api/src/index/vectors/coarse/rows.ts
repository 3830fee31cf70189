// Vectors as int8, scanned for what can reach a floor.
// With q and v the vectors, q' and v' as rounded:  |q·v − q'·v'| ≤ |q|·|v−v'| + |q−q'|·|v'|
// The first term is known row by row, the second is small (a query has 16 bits) and bounded for all rows at once,
// together with what single precision may lose on the way.
import type { Seeker } from '../port.ts'
import type { SegmentFile } from '../segment-file.ts'
import { BLOCK_ROWS, Blocks, type Query, type Sink } from './blocks.ts'
import type { Helper } from './helper.ts'
import { GROUP } from './kernel.ts'
import { quantiseQuery, quantiseRow, queryLevel } from './quantise.ts'
import type { OwnersScan } from './shared-scan.ts'
import { AT_ONCE, type Workbench, workbench } from './workbench.ts'

/** Vectors read from the file at once: several blocks. */
const READ_ROWS = 8 * BLOCK_ROWS
/**
 * Above what single precision may lose: of the lengths' product 2^-19 in a row's residual and a few roundings of 2^-24 in
 * a score, and what is too small for it.
 */
const [RELATIVE, ABSOLUTE] = [2 ** -18, 2 ** -100]
/** Products of longer vectors could leave the range of single precision: nothing is known of them, and all are offered. */
const LONGEST = 2 ** 100

interface Asked extends Query {
  readonly seeker: Seeker
  /** How far a score may be off, beside |q| times the row's residual. */
  readonly slack: number
}

export class Rows {
  readonly #count: number
  readonly #dimensions: number
  readonly #bench: Workbench
  readonly #blocks: Blocks
  readonly #helper: Helper | null
  /** No row is longer, and no residual. */
  #longest = 0
  #worst = 0

  /** Reads all vectors of the file. */
  constructor(file: SegmentFile, helper: Helper | null) {
    this.#helper = helper
    this.#count = file.count
    this.#dimensions = file.dimensions
    this.#bench = workbench(file.dimensions)
    this.#blocks = new Blocks(file.dimensions, file.count)
    const piece = new Float32Array(Math.min(READ_ROWS, file.count) * file.dimensions)
    for (let row = 0; row < file.count; row += READ_ROWS) {
      const some = Math.min(READ_ROWS, file.count - row)
      file.read(row, some, piece)
      for (let from = 0; from < some; from += BLOCK_ROWS)
        this.#fill(row + from, piece.subarray(from * file.dimensions, some * file.dimensions))
    }
  }

  /** Rounds a block, whose first row is `first`, or what there is of it. */
  #fill(first: number, vectors: Float32Array): void {
    const { kernel, float32, floats, block, stride, groupBytes } = this.#bench
    const width = this.#dimensions
    const rows = Math.min(BLOCK_ROWS, vectors.length / width)
    for (let row = 0; row < rows; row++) {
      float32.set(vectors.subarray(row * width, (row + 1) * width), floats / 4)
      float32.fill(0, floats / 4 + width, floats / 4 + stride)
      const group = block + Math.floor(row / GROUP) * groupBytes
      const lane = row % GROUP
      const rounded = quantiseRow(kernel, floats, floats + stride * 4, width, group + lane * stride)
      // As a float32 that is not below it.
      const residual = Math.fround(rounded.residual * (1 + RELATIVE) + ABSOLUTE)
      const scales = (group + GROUP * stride) / 4
      float32[scales + lane] = rounded.scale
      float32[scales + GROUP + lane] = residual
      this.#worst = Math.max(this.#worst, residual)
      this.#longest = Math.max(this.#longest, rounded.largest * Math.sqrt(width))
    }
    this.#blocks.store(first / BLOCK_ROWS)
  }

  /** Offers each seeker, by label, what may reach its floor. */
  scan(seekers: readonly Seeker[]): void {
    for (let from = 0; from < seekers.length; from += AT_ONCE) this.#scan(seekers.slice(from, from + AT_ONCE))
  }

  /** Nobody may scan any more, and the helper has no hold of the memory. */
  close(): void {
    this.#helper?.forget(this.#blocks.memory)
  }

  #scan(seekers: readonly Seeker[]): void {
    const asked: Asked[] = []
    for (const seeker of seekers) {
      const one = this.#ask(seeker, asked.length)
      if (one.slack < Number.POSITIVE_INFINITY) asked.push(one)
      else for (let row = 0; row < this.#count; row++) seeker.offer(row, -one.slack, one.slack)
    }
    if (asked.length === 0) return
    const blocks = this.#blocks
    const offers = new Offers(asked, this.#count)
    let shared: OwnersScan | null = null
    let [done, end] = [0, blocks.count]
    try {
      for (;;) {
        shared ??= this.#helper?.join(blocks, done, asked, offers) ?? null
        if (shared === null ? done === end : !shared.take()) break
        blocks.scan(done++, asked, offers)
        shared?.exchange(offers)
      }
    } finally {
      if (shared !== null) end -= shared.end()
    }
    shared?.readRest(offers)
    for (; done < end; done++) blocks.scan(done, asked, offers)
  }

  /** Writes query `n` of a scan to the workbench. What is behind its dimensions does not matter: rows have zeros there. */
  #ask(seeker: Seeker, n: number): Asked {
    const { int16, queries, stride } = this.#bench
    const { vector } = seeker
    if (vector.length !== this.#dimensions)
      throw new RangeError(`${vector.length} of ${this.#dimensions} dimensions`)
    const into = int16.subarray(queries / 2 + n * stride, queries / 2 + (n + 1) * stride)
    const { scale, residual } = quantiseQuery(vector, queryLevel(vector.length), into)
    const length = Math.hypot(...vector)
    const longest = length * (this.#longest + this.#worst)
    const slack =
      longest < LONGEST ? residual * this.#longest + RELATIVE * longest + ABSOLUTE : Number.POSITIVE_INFINITY
    return { seeker, scale, length, slack }
  }
}

class Offers implements Sink {
  readonly #asked: readonly Asked[]
  readonly #count: number

  constructor(asked: readonly Asked[], count: number) {
    this.#asked = asked
    this.#count = count
  }

  threshold(n: number): number {
    const one = this.#asked[n]
    return one === undefined ? Number.POSITIVE_INFINITY : one.seeker.floor - one.slack
  }

  found(
    block: number,
    n: number,
    group: number,
    floats: Float32Array,
    scores: number,
    residuals: number,
  ): void {
    const one = this.#asked[n]
    if (one === undefined) return
    const { seeker, length, slack } = one
    const label = block * BLOCK_ROWS + group * GROUP
    for (let i = 0; i < GROUP && label + i < this.#count; i++) {
      const score = floats[scores + i] ?? 0
      const bound = length * (floats[residuals + i] ?? 0) + slack
      if (score + bound >= seeker.floor) seeker.offer(label + i, score - bound, score + bound)
    }
  }
}
