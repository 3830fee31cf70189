// FAISS by itself: what a search at this size costs at least. In a process of its own, since what native libraries read
// of the environment they read at its start: `bareFaiss` starts this file.
import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { nativeEnvironment } from '../../api/src/index/engines/child.ts'
import { type FaissIndex, loadAddon } from '../../api/src/index/vectors/faiss.ts'
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

export interface BareIndex {
  readonly index: FaissIndex
  readonly queries: readonly Float32Array[]
}

export function openBare(vectors: number): BareIndex {
  const faiss = loadAddon()
  if (faiss === null) throw new Error('faiss-node is neither in node_modules nor in .native')
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-faiss-'))
  const file = path.join(folder, 'vectors.faiss')
  const fd = openSync(file, 'w')
  writeSync(fd, segmentHeader(DIMENSIONS, vectors))
  for (const [, vector] of clusteredVectors(vectors, DIMENSIONS)) writeSync(fd, new Uint8Array(vector.buffer))
  closeSync(fd)
  const index = faiss.Index.read(file)
  rmSync(folder, { recursive: true })
  const queries = Array.from(clusteredVectors(64, DIMENSIONS, 3), ([, vector]) => vector.slice())
  return { index, queries }
}

/** CPU milliseconds of one call with that many queries: the median of several, after a warm-up. */
export function cpuOf({ index, queries }: BareIndex, size: number, rounds: number): number {
  const times: number[] = []
  const flat = queries.slice(0, size).flatMap((query) => Array.from(query))
  for (let round = -2; round < rounds; round++) {
    const before = process.cpuUsage()
    index.search(flat, Math.min(K, index.ntotal()))
    const used = process.cpuUsage(before)
    if (round >= 0) times.push((used.user + used.system) / 1000)
  }
  return median(times)
}

export function bareFaiss(vectors: number): BareFaiss {
  const printed = underNativeEnvironment([import.meta.filename, String(vectors)], 'pipe')
  const [single = Number.NaN, of20 = Number.NaN] = printed.trim().split(' ').map(Number)
  return { single, of20 }
}

/** Runs a program as the index process is run. @returns what it printed */
export function underNativeEnvironment(args: readonly string[], stdout: 'pipe' | 'inherit'): string {
  const env = { ...process.env, ...nativeEnvironment() }
  const done = spawnSync(process.execPath, args, {
    env,
    encoding: 'utf8',
    stdio: ['ignore', stdout, 'inherit'],
  })
  if (done.status !== 0) throw new Error(`${args[0]} ended with ${done.status}`)
  return done.stdout ?? ''
}

if (import.meta.main) {
  const bare = openBare(Number(process.argv[2]))
  console.log(cpuOf(bare, 1, 30), cpuOf(bare, 20, 10) / 20)
}
