// Sealed vectors, searched by inner product. An engine opens a segment file (FAISS's own flat format, whoever reads
// it) and offers what may be among the best, each with the bounds of its exact score; exact scores come from `read`
// and one dot product. Every engine runs vectors/port.cases.ts.

export interface VectorSegment {
  readonly count: number
  /** What a scan costs, in single vectors that are read and scored: where fewer are allowed, those are scored instead. */
  readonly scanCost: number
  /**
   * Offers each seeker what is not below its floor, and maybe more; each vector once at most.
   * @returns for each seeker a score that nothing exceeds which it was not offered: where that is not below its floor
   * (which may rise by what other segments offer), it has to scan again and expect more. -Infinity: nothing is missing;
   * an engine that ranks need not rank more than MOST_EXPECTED.
   */
  scan(seekers: readonly Seeker[]): ArrayLike<number>
  /** Copies `count` vectors from label `first` on. @throws Error when they are not there */
  read(first: number, count: number, into: Float32Array): void
  close(): void
}

/** Who would have to expect more than this of a segment is better off with every allowed vector of it scored. */
export const MOST_EXPECTED = 4_096

/** One query, and what it has found so far. */
export interface Seeker {
  /** Finite, and of the segment's dimensions. */
  readonly vector: Float32Array
  /** How many of a segment's best will probably be enough: where an engine that ranks begins. At least 1. */
  readonly expected: number
  /** Vectors whose exact score is lower are not wanted. Rises while vectors are offered. */
  readonly floor: number
  /** The exact score of vector `label` is not below `lower` and not above `upper`. */
  offer(label: number, lower: number, upper: number): void
}

export interface VectorEngine {
  readonly name: 'faiss' | 'exact' | 'coarse'
  /** @throws Error when the file is not a whole segment of these dimensions */
  open(file: string, dimensions: number): VectorSegment
  /** Bytes that searches have lost so far: a process that lost much is replaced. */
  readonly lostBytes: number
}

/**
 * The dot product of all exact scores: four sums in a fixed order, in double precision, so that the same two vectors
 * give the same bits on every server (promise P6). `from` is where the second vector begins.
 */
export function dot(query: Float32Array, vectors: Float32Array, from: number): number {
  const n = query.length
  const whole = n - (n % 4)
  let [a, b, c, d] = [0, 0, 0, 0]
  for (let i = 0, j = from; i < whole; i += 4, j += 4) {
    a += (query[i] ?? 0) * (vectors[j] ?? 0)
    b += (query[i + 1] ?? 0) * (vectors[j + 1] ?? 0)
    c += (query[i + 2] ?? 0) * (vectors[j + 2] ?? 0)
    d += (query[i + 3] ?? 0) * (vectors[j + 3] ?? 0)
  }
  for (let i = whole; i < n; i++) a += (query[i] ?? 0) * (vectors[from + i] ?? 0)
  return a + b + (c + d)
}

export function isFiniteVector(vector: Float32Array): boolean {
  for (const value of vector) if (!Number.isFinite(value)) return false
  return true
}
