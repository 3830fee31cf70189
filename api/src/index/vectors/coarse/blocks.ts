// The rows of a segment as int8, in blocks that are copied to the workbench to be scanned there. They lie in memory that
// several threads may see, which is ordinary memory otherwise: large pages can be had for it (see `nativeEnvironment`).
import { BLOCK, GROUP } from './kernel.ts'
import { type Workbench, workbench } from './workbench.ts'

export const BLOCK_ROWS = BLOCK * GROUP
/** What one Buffer shows at most: a Buffer's offsets are for less than 4 GiB. */
const PIECE_BYTES = 2 ** 30

/** A query that lies on the workbench: what its integers are to be multiplied by, and its length. */
export interface Query {
  readonly scale: number
  readonly length: number
}

/** Who wants to know which rows may reach a threshold. */
export interface Sink {
  /** For query `n`, now. */
  threshold(n: number): number
  /**
   * Some rows of a group of the block may reach it. `floats` has their scores from `scores` on, and their residuals from
   * `residuals` on.
   */
  found(
    block: number,
    n: number,
    group: number,
    floats: Float32Array,
    scores: number,
    residuals: number,
  ): void
}

export class Blocks {
  /** All groups. What the last one has beyond the last row means nothing. */
  readonly memory: SharedArrayBuffer
  readonly count: number
  readonly dimensions: number
  readonly #bench: Workbench
  readonly #bytes: number
  /** Blocks of a piece. */
  readonly #pieceBlocks: number
  readonly #pieces: readonly Buffer[]

  /** With the memory of blocks of the same dimensions: those. */
  constructor(dimensions: number, rows: number | SharedArrayBuffer) {
    this.dimensions = dimensions
    this.#bench = workbench(dimensions)
    const { groupBytes } = this.#bench
    this.memory =
      typeof rows === 'number' ? new SharedArrayBuffer(Math.ceil(rows / GROUP) * groupBytes) : rows
    this.#bytes = BLOCK * groupBytes
    this.count = Math.ceil(this.memory.byteLength / this.#bytes)
    this.#pieceBlocks = Math.ceil(PIECE_BYTES / this.#bytes)
    const piece = this.#pieceBlocks * this.#bytes
    this.#pieces = Array.from({ length: Math.ceil(this.count / this.#pieceBlocks) }, (_, n) =>
      Buffer.from(this.memory, n * piece, Math.min(piece, this.memory.byteLength - n * piece)),
    )
  }

  /** Keeps what is on the workbench as block `n`. */
  store(n: number): void {
    const { buffer, at, bytes } = this.#placeOf(n)
    this.#bench.bytes.copy(buffer, at, this.#bench.block, this.#bench.block + bytes)
  }

  /** The integers of the first `count` queries on the workbench. */
  queries(count: number): Int16Array {
    const { int16, queries, stride } = this.#bench
    return int16.subarray(queries / 2, queries / 2 + count * stride)
  }

  /** Scans block `n` for the queries that lie on the workbench. */
  scan(n: number, queries: readonly Query[], sink: Sink): void {
    const { kernel, bytes: bench, block, queries: first, stride, sums } = this.#bench
    const { buffer, at, bytes } = this.#placeOf(n)
    // A Buffer copies from shared memory twice as fast as a typed array, which does it word by word.
    buffer.copy(bench, block, at, at + bytes)
    const end = block + bytes
    for (let i = 0; i < queries.length; i += 2) {
      const [one, two] = [queries[i], queries[i + 1]]
      const query = first + i * stride * 2
      if (two === undefined) kernel.dots1(block, end, query, sums)
      else kernel.dots2(block, end, query, sums)
      if (one !== undefined) this.#select(n, i, one, sums, end, sink)
      if (two !== undefined) this.#select(n, i + 1, two, sums + BLOCK_ROWS * 4, end, sink)
    }
  }

  #select(n: number, i: number, query: Query, sums: number, end: number, sink: Sink): void {
    const { kernel, int32, float32, block, hits, stride, groupBytes } = this.#bench
    const last = kernel.select(block, end, sums, hits, query.scale, query.length, sink.threshold(i))
    for (let hit = hits; hit < last; hit += 4) {
      const scores = int32[hit / 4] ?? 0
      const group = (scores - sums) / (4 * GROUP)
      const residuals = block + group * groupBytes + GROUP * stride + 4 * GROUP
      sink.found(n, i, group, float32, scores / 4, residuals / 4)
    }
  }

  #placeOf(n: number): { buffer: Buffer; at: number; bytes: number } {
    const buffer = this.#pieces[Math.floor(n / this.#pieceBlocks)]
    if (buffer === undefined) throw new RangeError(`no block ${n}`)
    const at = (n % this.#pieceBlocks) * this.#bytes
    return { buffer, at, bytes: Math.min(this.#bytes, buffer.length - at) }
  }
}
