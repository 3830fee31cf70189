// FAISS by itself, in this process: what a search at this size costs at least.
import { mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { nativeEnvironment } from '../../api/src/index/engines/child.ts'
import { loadFaiss } from '../../api/src/index/vectors/faiss.ts'
import type { VectorSegment } from '../../api/src/index/vectors/port.ts'
import { segmentHeader } from '../../api/src/index/vectors/segment-file.ts'
import { median } from '../harness.ts'
import { clusteredVectors } from './library.ts'

const DIMENSIONS = 384
const K = 66

export type BareFaiss = {
  /** CPU milliseconds of one query alone. */
  readonly single: number
  /** CPU milliseconds per query in a batch of 20. */
  readonly of20: number
}

export function openSegment(vectors: number): { segment: VectorSegment; queries: Float32Array[] } {
  // Read when the libraries are loaded, which happens now.
  Object.assign(process.env, nativeEnvironment())
  const engine = loadFaiss()
  if (engine === null) throw new Error('faiss-node is neither in node_modules nor in .native')
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-faiss-'))
  const file = path.join(folder, 'vectors.faiss')
  const fd = openSync(file, 'w')
  writeSync(fd, segmentHeader(DIMENSIONS, vectors))
  for (const [, vector] of clusteredVectors(vectors, DIMENSIONS)) writeSync(fd, new Uint8Array(vector.buffer))
  const segment = engine.open(file, DIMENSIONS)
  rmSync(folder, { recursive: true })
  const queries = Array.from(clusteredVectors(64, DIMENSIONS, 3), ([, vector]) => vector.slice())
  return { segment, queries }
}

/** CPU milliseconds of one call with these queries: the median of several, after a warm-up. */
export function cpuOf(segment: VectorSegment, queries: readonly Float32Array[], rounds: number): number {
  const times: number[] = []
  for (let round = -2; round < rounds; round++) {
    const before = process.cpuUsage()
    segment.search(queries, Math.min(K, segment.count))
    const used = process.cpuUsage(before)
    if (round >= 0) times.push((used.user + used.system) / 1000)
  }
  return median(times)
}

export function bareFaiss(vectors: number): BareFaiss {
  const { segment, queries } = openSegment(vectors)
  const single = cpuOf(segment, queries.slice(0, 1), 30)
  const of20 = cpuOf(segment, queries.slice(0, 20), 10) / 20
  segment.close()
  return { single, of20 }
}
