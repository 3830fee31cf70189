// Two stages: a scan of the vectors as int8, which reads a quarter of the bytes and is right within bounds that it knows,
// and exact scores, read from the file, of the few that can be among the best (docs/decisions/, "A scan in two stages").
// The floats are not held in memory.
import type { Seeker, VectorEngine, VectorSegment } from '../port.ts'
import { SegmentFile } from '../segment-file.ts'
import { AT_ONCE, Part, rowBytes } from './part.ts'

/** Vectors that are scanned while one is read and scored. */
const SCANNED_PER_READ = 32
/** A memory of WebAssembly ends at 4 GiB. */
const PART_BYTES = 2 ** 30

/** A segment is divided into parts of at most about so many bytes. */
export function coarseEngine(partBytes = PART_BYTES): VectorEngine {
  return {
    name: 'coarse',
    lostBytes: 0,
    open: (file, dimensions) => new CoarseSegment(file, dimensions, partBytes),
  }
}

class CoarseSegment implements VectorSegment {
  readonly #file: SegmentFile
  #parts: Part[] = []

  constructor(file: string, dimensions: number, partBytes: number) {
    this.#file = new SegmentFile(file, dimensions)
    try {
      const rows = Math.max(1, Math.floor(partBytes / rowBytes(dimensions)))
      for (let first = 0; first < this.count; first += rows)
        this.#parts.push(new Part(this.#file, first, Math.min(rows, this.count - first)))
    } catch (error) {
      this.close()
      throw error
    }
  }

  get count(): number {
    return this.#file.count
  }

  get scanCost(): number {
    return this.count / SCANNED_PER_READ
  }

  scan(seekers: readonly Seeker[]): ArrayLike<number> {
    for (let from = 0; from < seekers.length; from += AT_ONCE)
      for (const part of this.#parts) part.scan(seekers.slice(from, from + AT_ONCE))
    return seekers.map(() => Number.NEGATIVE_INFINITY)
  }

  read(first: number, count: number, into: Float32Array): void {
    this.#file.read(first, count, into)
  }

  close(): void {
    this.#file.close()
    this.#parts = []
  }
}
