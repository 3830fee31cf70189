// Vectors as int8, scanned for what can reach a floor.
// With q and v the vectors, q' and v' as rounded:  |q·v − q'·v'| ≤ |q|·|v−v'| + |q−q'|·|v'|
// The first term is known row by row, the second is small (a query has 16 bits) and bounded for all rows at once,
// together with what single precision may lose on the way.
import type { Seeker } from '../port.ts'
import type { SegmentFile } from '../segment-file.ts'
import { BLOCK, GROUP } from './kernel.ts'
import { quantiseQuery, quantiseRow, queryLevel } from './quantise.ts'
import { AT_ONCE, type Workbench, workbench } from './workbench.ts'

/** Vectors read from the file at once: several blocks. */
const READ_ROWS = 8 * BLOCK * GROUP
/**
 * Above what single precision may lose: of the lengths' product 2^-19 in a row's residual and a few roundings of 2^-24 in
 * a score, and what is too small for it.
 */
const [RELATIVE, ABSOLUTE] = [2 ** -18, 2 ** -100]
/** Products of longer vectors could leave the range of single precision: nothing is known of them, and all are offered. */
const LONGEST = 2 ** 100

interface Asked {
  readonly seeker: Seeker
  readonly scale: number
  readonly length: number
  /** How far a score may be off, beside |q| times the row's residual. */
  readonly slack: number
}

export class Rows {
  readonly #count: number
  readonly #dimensions: number
  readonly #bench: Workbench
  /** All groups. What the last one has beyond the last row means nothing. */
  readonly #groups: Int8Array
  /** No row is longer, and no residual. */
  #longest = 0
  #worst = 0

  /** Reads all vectors of the file. */
  constructor(file: SegmentFile) {
    this.#count = file.count
    this.#dimensions = file.dimensions
    this.#bench = workbench(file.dimensions)
    this.#groups = new Int8Array(Math.ceil(file.count / GROUP) * this.#bench.groupBytes)
    const piece = new Float32Array(Math.min(READ_ROWS, file.count) * file.dimensions)
    for (let row = 0; row < file.count; row += READ_ROWS) {
      const some = Math.min(READ_ROWS, file.count - row)
      file.read(row, some, piece)
      for (let from = 0; from < some; from += BLOCK * GROUP)
        this.#fill(row + from, piece.subarray(from * file.dimensions, some * file.dimensions))
    }
  }

  /** Rounds a block, whose first row is `first`, or what there is of it. */
  #fill(first: number, vectors: Float32Array): void {
    const { kernel, int8, float32, floats, block, stride, groupBytes } = this.#bench
    const width = this.#dimensions
    const rows = Math.min(BLOCK * GROUP, vectors.length / width)
    const bytes = Math.ceil(rows / GROUP) * groupBytes
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
    this.#groups.set(int8.subarray(block, block + bytes), (first / GROUP) * groupBytes)
  }

  /** Offers each seeker, by label, what may reach its floor. */
  scan(seekers: readonly Seeker[]): void {
    for (let from = 0; from < seekers.length; from += AT_ONCE) this.#scan(seekers.slice(from, from + AT_ONCE))
  }

  #scan(seekers: readonly Seeker[]): void {
    const { kernel, int8, queries, sums, block, stride, groupBytes } = this.#bench
    const asked = seekers.map((seeker, n) => this.#ask(seeker, n))
    for (let at = 0; at < this.#groups.length; at += BLOCK * groupBytes) {
      const groups = this.#groups.subarray(at, at + BLOCK * groupBytes)
      int8.set(groups, block)
      const first = (at / groupBytes) * GROUP
      const end = block + groups.length
      for (let n = 0; n < asked.length; n += 2) {
        const [one, two] = [asked[n], asked[n + 1]]
        const query = queries + n * stride * 2
        if (two === undefined) kernel.dots1(block, end, query, sums)
        else kernel.dots2(block, end, query, sums)
        if (one !== undefined) this.#offer(one, sums, first, end)
        if (two !== undefined) this.#offer(two, sums + BLOCK * GROUP * 4, first, end)
      }
    }
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

  /** Of the block on the workbench, whose first row is `first` and whose sums with this query are at `scores`. */
  #offer({ seeker, scale, length, slack }: Asked, scores: number, first: number, end: number): void {
    const { kernel, int32, float32, block, hits, stride, groupBytes } = this.#bench
    if (slack === Number.POSITIVE_INFINITY) {
      const rows = Math.min(BLOCK * GROUP, this.#count - first)
      for (let row = 0; row < rows; row++) seeker.offer(first + row, -slack, slack)
      return
    }
    const last = kernel.select(block, end, scores, hits, scale, length, seeker.floor - slack)
    for (let hit = hits; hit < last; hit += 4) {
      const at = int32[hit / 4] ?? 0
      const group = (at - scores) / (4 * GROUP)
      const label = first + group * GROUP
      const residuals = (block + group * groupBytes + GROUP * stride) / 4 + GROUP
      for (let i = 0; i < GROUP && label + i < this.#count; i++) {
        const score = float32[at / 4 + i] ?? 0
        const bound = length * (float32[residuals + i] ?? 0) + slack
        if (score + bound >= seeker.floor) seeker.offer(label + i, score - bound, score + bound)
      }
    }
  }
}
