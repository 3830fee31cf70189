// The exact scan in TypeScript: the fallback where FAISS can not be had, and the oracle of its tests.
// 0.3 µs a vector of 384 dimensions, all in memory.
import { Top } from '../top.ts'
import { dot, type Ranking, type VectorEngine, type VectorSegment } from './port.ts'
import { SegmentFile } from './segment-file.ts'

export function exactEngine(): VectorEngine {
  return { name: 'exact', lostBytes: 0, open: (file, dimensions) => new ExactSegment(file, dimensions) }
}

class ExactSegment implements VectorSegment {
  readonly count: number
  readonly #vectors: Float32Array
  readonly #dimensions: number

  constructor(file: string, dimensions: number) {
    const segment = new SegmentFile(file, dimensions)
    try {
      this.count = segment.count
      this.#dimensions = dimensions
      this.#vectors = new Float32Array(segment.count * dimensions)
      segment.read(0, segment.count, this.#vectors)
    } finally {
      segment.close()
    }
  }

  search(queries: readonly Float32Array[], k: number): Ranking {
    const labels = new Int32Array(queries.length * k)
    const scores = new Float64Array(queries.length * k)
    for (const [row, query] of queries.entries()) {
      const top = new Top(k)
      for (let label = 0; label < this.count; label++) {
        const score = dot(query, this.#vectors, label * this.#dimensions)
        if (score >= top.floor) top.offer(score, label, label)
      }
      for (const [i, { score, place }] of top.sorted().entries()) {
        labels[row * k + i] = place
        scores[row * k + i] = score
      }
    }
    return { labels, scores }
  }

  read(first: number, count: number, into: Float32Array): void {
    if (first < 0 || first + count > this.count)
      throw new RangeError(`no vectors ${first} to ${first + count}`)
    into.set(this.#vectors.subarray(first * this.#dimensions, (first + count) * this.#dimensions))
  }

  close(): void {
    // its memory goes with it
  }
}
