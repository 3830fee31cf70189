// Which engine opens a segment. FAISS needs no second stage and is quick where vectors are few; from some number on
// its scan waits for memory, and the coarse one reads a quarter (figures: docs/decisions/, "A scan in two stages").
import { coarseEngine } from './coarse/coarse.ts'
import { exactEngine } from './exact.ts'
import { loadFaiss } from './faiss.ts'
import type { VectorEngine } from './port.ts'
import { SegmentFile } from './segment-file.ts'

/** Vectors from which on a segment is scanned coarsely: with FAISS, and beside the slower exact scan without it. */
const COARSE_FROM = { faiss: 131_072, exact: 16_384 } as const

/** FAISS where it can be had and is wanted, else the exact scan; large segments by the coarse one. */
export function loadEngine(wanted: { faiss: boolean }): VectorEngine {
  const faiss = wanted.faiss ? loadFaiss() : null
  return faiss === null
    ? bySize(exactEngine(), coarseEngine(), COARSE_FROM.exact)
    : bySize(faiss, coarseEngine(), COARSE_FROM.faiss)
}

/** Segments of at least `from` vectors are opened by `large`, others by `small`, whose name it has. */
export function bySize(small: VectorEngine, large: VectorEngine, from: number): VectorEngine {
  return {
    name: small.name,
    get lostBytes() {
      return small.lostBytes + large.lostBytes
    },
    open(file, dimensions) {
      const segment = new SegmentFile(file, dimensions)
      segment.close()
      return (segment.count < from ? small : large).open(file, dimensions)
    },
  }
}
