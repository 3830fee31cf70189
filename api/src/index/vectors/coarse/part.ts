// Vectors as int8 in one memory of WebAssembly, scanned for what can reach a floor.
// With q and v the vectors, q' and v' as rounded:  |q·v − q'·v'| ≤ |q|·|v−v'| + |q−q'|·|v'|
// The first term is known row by row, the second is small (a query has 16 bits) and bounded for all rows at once,
// together with what single precision may lose on the way.
import type { Seeker } from '../port.ts'
import type { SegmentFile } from '../segment-file.ts'
import { BLOCK, GROUP, type Kernel, kernel, STEP, wasmMemory } from './kernel.ts'
import { quantiseQuery, quantiseRow, queryLevel } from './quantise.ts'

/** Queries of one scan. */
export const AT_ONCE = 32
/** Vectors read from the file at once. */
const READ_ROWS = 1_024
/**
 * Above what single precision may lose: of the lengths' product 2^-19 in a row's residual and a few roundings of 2^-24 in
 * a score, and what is too small for it.
 */
const [RELATIVE, ABSOLUTE] = [2 ** -18, 2 ** -100]
/** Products of longer vectors could leave the range of single precision: nothing is known of them, and all are offered. */
const LONGEST = 2 ** 100

/** Bytes per vector. */
export function rowBytes(dimensions: number): number {
  return strideOf(dimensions) + 8
}

const strideOf = (dimensions: number) => Math.ceil(dimensions / STEP) * STEP

interface Asked {
  readonly seeker: Seeker
  readonly scale: number
  readonly length: number
  /** How far a score may be off, beside |q| times the row's residual. */
  readonly slack: number
}

export class Part {
  readonly #first: number
  readonly #count: number
  readonly #dimensions: number
  readonly #stride: number
  readonly #kernel: Kernel
  /** Addresses, behind AT_ONCE queries: sums of two of them, hits, one row of floats; rows, scales, residuals. */
  readonly #at: Record<'sums' | 'hits' | 'floats' | 'rows' | 'scales' | 'residuals', number>
  readonly #int16: Int16Array
  readonly #int32: Int32Array
  readonly #float32: Float32Array
  /** No row is longer, and no residual. */
  #longest = 0
  #worst = 0

  /** Reads vectors [first, first + count) of the file. */
  constructor(file: SegmentFile, first: number, count: number) {
    this.#first = first
    this.#count = count
    this.#dimensions = file.dimensions
    this.#stride = strideOf(file.dimensions)
    const padded = Math.ceil(count / GROUP) * GROUP
    const sums = AT_ONCE * this.#stride * 2
    const hits = sums + 2 * BLOCK * 4
    const floats = hits + (BLOCK / GROUP) * 4
    const rows = floats + this.#stride * 4
    const scales = rows + padded * this.#stride
    const residuals = scales + padded * 4
    this.#at = { sums, hits, floats, rows, scales, residuals }
    const memory = wasmMemory(residuals + padded * 4)
    this.#kernel = kernel(this.#stride, memory)
    this.#int16 = new Int16Array(memory.buffer)
    this.#int32 = new Int32Array(memory.buffer)
    this.#float32 = new Float32Array(memory.buffer)
    this.#fill(file)
  }

  #fill(file: SegmentFile): void {
    const [width, { floats, rows }] = [this.#dimensions, this.#at]
    const piece = new Float32Array(Math.min(READ_ROWS, this.#count) * width)
    const [scales, residuals] = [this.#at.scales / 4, this.#at.residuals / 4]
    let largest = 0
    for (let row = 0; row < this.#count; row++) {
      const at = row % READ_ROWS
      if (at === 0) file.read(this.#first + row, Math.min(READ_ROWS, this.#count - row), piece)
      this.#float32.set(piece.subarray(at * width, (at + 1) * width), floats / 4)
      const end = floats + this.#stride * 4
      const rounded = quantiseRow(this.#kernel, floats, end, width, rows + row * this.#stride)
      this.#float32[scales + row] = rounded.scale
      // As a float32 that is not below it.
      this.#float32[residuals + row] = rounded.residual * (1 + RELATIVE) + ABSOLUTE
      this.#worst = Math.max(this.#worst, this.#float32[residuals + row] ?? 0)
      largest = Math.max(largest, rounded.largest)
    }
    this.#longest = largest * Math.sqrt(width)
  }

  /** Offers each of at most AT_ONCE seekers, by label in the segment, what may reach its floor. */
  scan(seekers: readonly Seeker[]): void {
    const asked = seekers.map((seeker, n) => this.#ask(seeker, n))
    const { sums, rows } = this.#at
    for (let row = 0; row < this.#count; row += BLOCK) {
      const end = Math.min(row + BLOCK, Math.ceil(this.#count / GROUP) * GROUP)
      const [from, to] = [rows + row * this.#stride, rows + end * this.#stride]
      for (let n = 0; n < asked.length; n += 2) {
        const [one, two] = [asked[n], asked[n + 1]]
        const query = n * this.#stride * 2
        if (two === undefined) this.#kernel.dots1(from, to, query, sums)
        else this.#kernel.dots2(from, to, query, sums)
        if (one !== undefined) this.#offer(one, sums, row, end)
        if (two !== undefined) this.#offer(two, sums + BLOCK * 4, row, end)
      }
    }
  }

  /** Writes query `n` of a scan to the memory. */
  #ask(seeker: Seeker, n: number): Asked {
    const { vector } = seeker
    if (vector.length !== this.#dimensions)
      throw new RangeError(`${vector.length} of ${this.#dimensions} dimensions`)
    const into = this.#int16.subarray(n * this.#stride, (n + 1) * this.#stride)
    const { scale, residual } = quantiseQuery(vector, queryLevel(vector.length), into)
    const length = Math.hypot(...vector)
    const longest = length * (this.#longest + this.#worst)
    const slack =
      longest < LONGEST ? residual * this.#longest + RELATIVE * longest + ABSOLUTE : Number.POSITIVE_INFINITY
    return { seeker, scale, length, slack }
  }

  #offer({ seeker, scale, length, slack }: Asked, scores: number, row: number, end: number): void {
    const { scales, residuals, hits } = this.#at
    if (slack === Number.POSITIVE_INFINITY) {
      for (let at = row; at < Math.min(end, this.#count); at++) seeker.offer(this.#first + at, -slack, slack)
      return
    }
    const last = this.#kernel.select(
      scales + row * 4,
      scales + end * 4,
      residuals - scales,
      scores,
      hits,
      scale,
      length,
      seeker.floor - slack,
    )
    for (let hit = hits; hit < last; hit += 4) {
      const group = this.#int32[hit / 4] ?? 0
      const first = row + (group - scores) / 4
      for (let i = 0; i < GROUP && first + i < this.#count; i++) {
        const score = this.#float32[group / 4 + i] ?? 0
        const bound = length * (this.#float32[residuals / 4 + first + i] ?? 0) + slack
        if (score + bound >= seeker.floor) seeker.offer(this.#first + first + i, score - bound, score + bound)
      }
    }
  }
}
