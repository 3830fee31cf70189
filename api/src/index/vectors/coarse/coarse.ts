// Two stages: a scan of the vectors as int8, which reads a quarter of the bytes and is right within bounds that it knows,
// and exact scores, read from the file, of the few that can be among the best (docs/decisions/, "A scan in two stages").
// The floats are not held in memory.
import type { Seeker, VectorEngine, VectorSegment } from '../port.ts'
import { SegmentFile } from '../segment-file.ts'
import { Helper } from './helper.ts'
import { Rows } from './rows.ts'

/** Vectors that are scanned while one is read and scored. */
const SCANNED_PER_READ = 32

/** With a helper, or without. */
export function coarseEngine(helper: Helper | null = new Helper()): VectorEngine {
  return {
    name: 'coarse',
    lostBytes: 0,
    open: (file, dimensions) => new CoarseSegment(file, dimensions, helper),
  }
}

class CoarseSegment implements VectorSegment {
  readonly #file: SegmentFile
  #rows: Rows | null

  constructor(file: string, dimensions: number, helper: Helper | null) {
    this.#file = new SegmentFile(file, dimensions)
    try {
      this.#rows = new Rows(this.#file, helper)
    } catch (error) {
      this.#file.close()
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
    if (this.#rows === null) throw new Error('the segment is closed')
    this.#rows.scan(seekers)
    return seekers.map(() => Number.NEGATIVE_INFINITY)
  }

  read(first: number, count: number, into: Float32Array): void {
    this.#file.read(first, count, into)
  }

  /** Its memory goes with the rows. */
  close(): void {
    this.#file.close()
    this.#rows?.close()
    this.#rows = null
  }
}
