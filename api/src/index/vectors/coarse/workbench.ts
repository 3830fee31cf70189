// The memory of WebAssembly in which blocks are scanned: a small one for all segments of the same dimensions, where a
// block is copied before it is scanned. Rows are kept outside of it, in memory that large pages can be had for (see
// `nativeEnvironment`) and that may be larger than 4 GiB: copying costs less than small pages do. Each thread has its own.
import { BLOCK, GROUP, groupBytes, type Kernel, kernel, strideOf, wasmMemory } from './kernel.ts'

/** Queries of one scan. */
export const AT_ONCE = 32

export interface Workbench {
  readonly kernel: Kernel
  readonly stride: number
  /** Bytes of a group of rows. */
  readonly groupBytes: number
  /** Addresses: AT_ONCE queries, the sums of two of them over a block, hits, one row of floats, a block. */
  readonly queries: number
  readonly sums: number
  readonly hits: number
  readonly floats: number
  readonly block: number
  readonly bytes: Buffer
  readonly int16: Int16Array
  readonly int32: Int32Array
  readonly float32: Float32Array
}

const benches = new Map<number, Workbench>()

/** For whoever uses it without a pause. */
export function workbench(dimensions: number): Workbench {
  const stride = strideOf(dimensions)
  const there = benches.get(stride)
  if (there !== undefined) return there
  const queries = 0
  const sums = queries + AT_ONCE * stride * 2
  const hits = sums + 2 * BLOCK * GROUP * 4
  const floats = hits + BLOCK * 4
  const block = floats + stride * 4
  const memory = wasmMemory(block + BLOCK * groupBytes(stride))
  const { buffer } = memory
  const views = {
    ...{ bytes: Buffer.from(buffer), int16: new Int16Array(buffer) },
    ...{ int32: new Int32Array(buffer), float32: new Float32Array(buffer) },
  }
  const made = {
    ...{ kernel: kernel(stride, memory), stride, groupBytes: groupBytes(stride) },
    ...{ queries, sums, hits, floats, block, ...views },
  }
  benches.set(stride, made)
  return made
}
