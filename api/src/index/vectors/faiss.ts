// FAISS by faiss-node. Everything is checked before it is called: what C++ throws can end the process.
// faiss-node loses a query's floats at every search; `lostBytes` counts them, and the process is replaced in time.
// It switches from one scan per query to a matrix product at 20 queries, so batches that lie between are filled up
// with zeros (docs/decisions/, "FAISS in batches").
import { createRequire } from 'node:module'
import path from 'node:path'
import { MOST_EXPECTED, type Seeker, type VectorEngine, type VectorSegment } from './port.ts'
import { SegmentFile } from './segment-file.ts'

/** From so many queries on, filling up to MATRIX is cheaper than one scan each. */
export const FILL_FROM = 5
export const MATRIX = 20
/** Vectors that are scanned while one is read and scored. */
const SCANNED_PER_READ = 12

const ROOT = path.resolve(import.meta.dirname, '../../../..')

export interface FaissIndex {
  ntotal(): number
  getDimension(): number
  search(queries: number[], k: number): { labels: number[]; distances: number[] }
}

export interface Faiss {
  Index: { read(file: string): FaissIndex }
}

function isFaiss(loaded: unknown): loaded is Faiss {
  return (
    typeof loaded === 'object' &&
    loaded !== null &&
    'Index' in loaded &&
    typeof loaded.Index === 'function' &&
    'read' in loaded.Index
  )
}

export function loadFaiss(): VectorEngine | null {
  const addon = loadAddon()
  return addon === null ? null : new FaissEngine(addon)
}

/** From node_modules, else as compiled by `npm start` into .native; null when there is neither. */
export function loadAddon(): Faiss | null {
  for (const place of [`${ROOT}/`, `${ROOT}/.native/`])
    try {
      const loaded: unknown = createRequire(place)('faiss-node')
      if (isFaiss(loaded)) return loaded
    } catch {
      // not there, or not compiled
    }
  return null
}

class FaissEngine implements VectorEngine {
  readonly name = 'faiss'
  readonly #faiss: Faiss
  lostBytes = 0

  constructor(faiss: Faiss) {
    this.#faiss = faiss
  }

  open(file: string, dimensions: number): VectorSegment {
    const segment = new SegmentFile(file, dimensions)
    try {
      const index = this.#faiss.Index.read(file)
      if (index.ntotal() !== segment.count || index.getDimension() !== dimensions)
        throw new Error(`${file} was changed while it was read`)
      return new FaissSegment(index, segment, (bytes) => {
        this.lostBytes += bytes
      })
    } catch (error) {
      segment.close()
      throw error
    }
  }
}

class FaissSegment implements VectorSegment {
  readonly #index: FaissIndex
  readonly #file: SegmentFile
  readonly #lost: (bytes: number) => void

  constructor(index: FaissIndex, file: SegmentFile, lost: (bytes: number) => void) {
    this.#index = index
    this.#file = file
    this.#lost = lost
  }

  get count(): number {
    return this.#file.count
  }

  get scanCost(): number {
    return this.count / SCANNED_PER_READ
  }

  scan(seekers: readonly Seeker[]): ArrayLike<number> {
    const rest = new Float64Array(seekers.length).fill(Number.POSITIVE_INFINITY)
    let left = seekers
      .map((seeker, row) => ({ seeker, row }))
      .filter(({ seeker }) => seeker.expected <= MOST_EXPECTED)
    while (left.length > 0) {
      const least = Math.min(...left.map(({ seeker }) => seeker.expected))
      // Rankings of about the same length go together, as many queries at once as there are.
      const group = left.filter(({ seeker }) => seeker.expected <= least * 4)
      left = left.filter(({ seeker }) => seeker.expected > least * 4)
      const k = Math.min(this.count, Math.max(...group.map(({ seeker }) => seeker.expected)))
      for (const [i, last] of this.#rank(
        group.map(({ seeker }) => seeker),
        k,
      ).entries())
        rest[group[i]?.row ?? 0] = last
    }
    return rest
  }

  /** Offers each seeker the k best. @returns for each, what no other vector's score exceeds */
  #rank(seekers: readonly Seeker[], k: number): number[] {
    const { labels, distances } = this.#search(
      seekers.map(({ vector }) => vector),
      k,
    )
    const bound = roundingBound(this.#file.dimensions)
    return seekers.map((seeker, row) => {
      for (let at = row * k; at < (row + 1) * k; at++) {
        const label = labels[at] ?? -1
        const score = distances[at] ?? 0
        // Below 0 stands for nothing.
        if (label >= 0) seeker.offer(label, score - bound, score + bound)
      }
      if (k === this.count) return Number.NEGATIVE_INFINITY
      return (distances[(row + 1) * k - 1] ?? Number.POSITIVE_INFINITY) + bound
    })
  }

  #search(queries: readonly Float32Array[], k: number): { labels: number[]; distances: number[] } {
    if (!Number.isInteger(k) || k < 1 || k > this.count) throw new RangeError(`k ${k} of ${this.count}`)
    const { dimensions } = this.#file
    const rows = queries.length >= FILL_FROM && queries.length < MATRIX ? MATRIX : queries.length
    // faiss-node takes plain arrays only.
    const flat = new Array<number>(rows * dimensions).fill(0)
    for (const [row, query] of queries.entries()) {
      if (query.length !== dimensions) throw new RangeError(`${query.length} of ${dimensions} dimensions`)
      for (let i = 0; i < dimensions; i++) flat[row * dimensions + i] = query[i] ?? 0
    }
    this.#lost(flat.length * 4)
    return this.#index.search(flat, k)
  }

  read(first: number, count: number, into: Float32Array): void {
    this.#file.read(first, count, into)
  }

  close(): void {
    this.#file.close()
  }
}

/** How far a score in single precision may be from the exact one: n · u for unit vectors. */
function roundingBound(dimensions: number): number {
  return (dimensions + 8) * 2 ** -24
}
