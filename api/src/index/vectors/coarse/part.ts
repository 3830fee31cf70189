// Vectors as int8 in one memory of WebAssembly, scanned for what can reach a floor.
// With q and v the vectors, q' and v' as rounded:  |q·v − q'·v'| ≤ |q|·|v−v'| + |q−q'|·|v'|
// The first term is known row by row, the second is small (a query has 16 bits) and bounded for all rows at once,
// together with what single precision may lose on the way.
import type { Seeker } from '../port.ts'
import type { SegmentFile } from '../segment-file.ts'
import { BLOCK, GROUP, type Kernel, kernel, STEP, wasmMemory } from './kernel.ts'
import { quantise, queryLevel, ROW_LEVEL } from './quantise.ts'

/** Queries of one scan. */
export const AT_ONCE = 32
/** Vectors read from the file at once. */
const READ_ROWS = 1_024
/** Above what single precision may lose, relative and absolute: a few roundings of 2^-24 each, and what is below its range. */
const [RELATIVE, ABSOLUTE] = [2 ** -20, 2 ** -100]
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
  /** Addresses: AT_ONCE queries; sums of two; hits; then rows, scales and residuals. */
  readonly #at: { sums: number; hits: number; rows: number; scales: number; residuals: number }
  readonly #int16: Int16Array
  readonly #int32: Int32Array
  readonly #float32: Float32Array
  /** The longest row as it is here, and the largest residual. */
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
    const rows = hits + (BLOCK / GROUP) * 4
    const scales = rows + padded * this.#stride
    const residuals = scales + padded * 4
    this.#at = { sums, hits, rows, scales, residuals }
    const memory = wasmMemory(residuals + padded * 4)
    this.#kernel = kernel(this.#stride, memory)
    this.#int16 = new Int16Array(memory.buffer)
    this.#int32 = new Int32Array(memory.buffer)
    this.#float32 = new Float32Array(memory.buffer)
    this.#fill(file, new Int8Array(memory.buffer, rows, count * this.#stride))
  }

  #fill(file: SegmentFile, rows: Int8Array): void {
    const piece = new Float32Array(Math.min(READ_ROWS, this.#count) * this.#dimensions)
    const row = new Int8Array(this.#dimensions)
    const [scales, residuals] = [this.#at.scales / 4, this.#at.residuals / 4]
    for (let from = 0; from < this.#count; from += READ_ROWS) {
      const some = Math.min(READ_ROWS, this.#count - from)
      file.read(this.#first + from, some, piece)
      for (let i = 0; i < some; i++) {
        const rounded = quantise(piece, i * this.#dimensions, this.#dimensions, ROW_LEVEL, row)
        rows.set(row, (from + i) * this.#stride)
        // As a float32 that is not below it.
        const residual = Math.fround(rounded.residual * (1 + RELATIVE) + ABSOLUTE)
        this.#float32[scales + from + i] = rounded.scale
        this.#float32[residuals + from + i] = residual
        this.#longest = Math.max(this.#longest, rounded.length)
        this.#worst = Math.max(this.#worst, residual)
      }
    }
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
    const { scale, residual } = quantise(vector, 0, vector.length, queryLevel(vector.length), into)
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
