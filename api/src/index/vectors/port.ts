// Sealed vectors, searched by inner product. An engine opens a segment file (FAISS's own flat format, whoever reads
// it) and ranks it; scores of an engine may be a rounding off, exact ones come from `read` and one dot product.
// Every engine runs vectors/port.cases.ts.

export interface VectorSegment {
  readonly count: number
  /**
   * For each query the k best vectors, best first. Queries are finite and of the segment's dimensions,
   * 1 ≤ k ≤ count. Row i holds the ranking of query i; a label below 0 stands for nothing.
   */
  search(queries: readonly Float32Array[], k: number): Ranking
  /** Copies `count` vectors from label `first` on. @throws Error when they are not there */
  read(first: number, count: number, into: Float32Array): void
  close(): void
}

export interface Ranking {
  readonly labels: ArrayLike<number>
  readonly scores: ArrayLike<number>
}

export interface VectorEngine {
  readonly name: 'faiss' | 'exact'
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

/** How far an engine's score may be from the exact one: n · u for unit vectors in single precision. */
export function roundingBound(dimensions: number): number {
  return (dimensions + 8) * 2 ** -24
}

export function isFiniteVector(vector: Float32Array): boolean {
  for (const value of vector) if (!Number.isFinite(value)) return false
  return true
}
