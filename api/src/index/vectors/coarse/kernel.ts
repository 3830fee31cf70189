// The inner loops of the coarse engine, as WebAssembly with vectors of 128 bits, which every Node has.
//   dots     products of int8 rows and int16 queries, exact sums in int32 (see queryLevel)
//   select   which of them can reach a threshold, by scale and residual (see rows.ts)
//   largest, round   a row of floats as int8
// Rows come in groups of four, one lane of a sum each: four rows of int8, padded to STEP dimensions, then their scales and
// their residuals as float32. Queries are padded alike.
import {
  assemble,
  type Code,
  doWhile,
  FunctionMaker,
  f32,
  f32x4,
  i32,
  i32x4,
  narrow,
  sequence,
  v128,
  when,
} from './assembler.ts'

/** Dimensions that one turn of the inner loop takes. */
const STEP = 32
/** Rows that are summed side by side. */
export const GROUP = 4
/** Groups of one call at most: with 384 dimensions they stay in the processor's second cache for all queries of a batch. */
export const BLOCK = 32

/** Bytes of a row of so many dimensions. */
export function strideOf(dimensions: number): number {
  return Math.ceil(dimensions / STEP) * STEP
}

/** Bytes of a group; `stride` × GROUP is where its scales are, and 16 bytes further its residuals. */
export function groupBytes(stride: number): number {
  return GROUP * stride + 2 * 4 * GROUP
}

export interface Kernel {
  /** Groups from address `from` to `end` with the query at `query`: an int32 for each row at `out`. */
  dots1(from: number, end: number, query: number, out: number): void
  /** The same with two queries, the second one behind the first, and its sums behind those of BLOCK groups. */
  dots2(from: number, end: number, query: number, out: number): void
  /**
   * For the same groups: replaces the sums at `sums` by scores as float32 (sum × scale × `unit`), and writes the address of
   * a group's scores to `hits` where one of them, plus its residual × `norm`, is at least `threshold`.
   * @returns where the hits end
   */
  select(
    from: number,
    end: number,
    sums: number,
    hits: number,
    unit: number,
    norm: number,
    threshold: number,
  ): number
  /** The largest absolute value of the floats from address `from` to `end`: multiples of STEP. */
  largest(from: number, end: number): number
  /** Writes these floats × `inverse`, rounded, as int8 to `out`. @returns the sum of (float − int8 × scale)² */
  round(from: number, end: number, out: number, scale: number, inverse: number): number
}

function dots(name: string, stride: number, queries: number) {
  const f = new FunctionMaker()
  const [row, end, query, out] = [
    f.parameter('i32'),
    f.parameter('i32'),
    f.parameter('i32'),
    f.parameter('i32'),
  ]
  const [atRow, atQuery, stop, values] = [f.local('i32'), f.local('i32'), f.local('i32'), f.local('v128')]
  const each = Array.from({ length: queries }, () => ({
    values: f.local('v128'),
    sums: [f.local('v128'), f.local('v128'), f.local('v128'), f.local('v128')] as const,
  }))

  const eightDimensions = (from: number) =>
    sequence(
      ...each.map((q, n) => q.values.set(v128.load(atQuery.get, 2 * (n * stride + from)))),
      ...[0, 1, 2, 3].map((r) =>
        sequence(
          values.set(v128.load8x8(atRow.get, r * stride + from)),
          ...each.flatMap(({ values: other, sums }) =>
            sums.map((sum, i) =>
              i === r ? sum.set(i32x4.add(sum.get, i32x4.dot(values.get, other.get))) : [],
            ),
          ),
        ),
      ),
    )
  return f.make(
    name,
    null,
    doWhile(
      i32.lessThan(row.get, end.get),
      ...each.flatMap(({ sums }) => sums.map((sum) => sum.set(v128.zero))),
      atQuery.set(query.get),
      atRow.set(row.get),
      stop.set(i32.add(row.get, i32.const(stride))),
      doWhile(
        i32.lessThan(atRow.get, stop.get),
        ...Array.from({ length: STEP / 8 }, (_, i) => eightDimensions(8 * i)),
        atQuery.set(i32.add(atQuery.get, i32.const(2 * STEP))),
        atRow.set(i32.add(atRow.get, i32.const(STEP))),
      ),
      ...each.map(({ sums: [a, b, c, d] }, n) =>
        v128.store(out.get, lanes(pairs(a.get, b.get), pairs(c.get, d.get)), 4 * n * GROUP * BLOCK),
      ),
      row.set(i32.add(row.get, i32.const(groupBytes(stride)))),
      out.set(i32.add(out.get, i32.const(4 * GROUP))),
    ),
  )
}

/** a0+a2, b0+b2, a1+a3, b1+b3 */
const pairs = (a: Code, b: Code) =>
  i32x4.add(i32x4.shuffle(a, b, [0, 4, 1, 5]), i32x4.shuffle(a, b, [2, 6, 3, 7]))
/** The sums of a, b, c and d from pairs(a, b) and pairs(c, d). */
const lanes = (ab: Code, cd: Code) =>
  i32x4.add(i32x4.shuffle(ab, cd, [0, 1, 4, 5]), i32x4.shuffle(ab, cd, [2, 3, 6, 7]))

function select(stride: number) {
  const f = new FunctionMaker()
  const [group, end, at, hits] = [
    f.parameter('i32'),
    f.parameter('i32'),
    f.parameter('i32'),
    f.parameter('i32'),
  ]
  const [unit, norm, threshold] = [f.parameter('f32'), f.parameter('f32'), f.parameter('f32')]
  const [units, norms, thresholds] = [f.local('v128'), f.local('v128'), f.local('v128')]
  const scores = f.local('v128')
  const [scales, residuals] = [
    v128.load(group.get, GROUP * stride),
    v128.load(group.get, GROUP * stride + 4 * GROUP),
  ]
  const upper = f32x4.add(scores.get, f32x4.multiply(residuals, norms.get))
  return f.make(
    'select',
    'i32',
    units.set(f32x4.splat(unit.get)),
    norms.set(f32x4.splat(norm.get)),
    thresholds.set(f32x4.splat(threshold.get)),
    doWhile(
      i32.lessThan(group.get, end.get),
      scores.set(f32x4.multiply(f32x4.fromI32x4(v128.load(at.get)), f32x4.multiply(scales, units.get))),
      v128.store(at.get, scores.get),
      when(
        v128.anyTrue(f32x4.greaterOrEqual(upper, thresholds.get)),
        i32.store(hits.get, at.get),
        hits.set(i32.add(hits.get, i32.const(4))),
      ),
      at.set(i32.add(at.get, i32.const(4 * GROUP))),
      group.set(i32.add(group.get, i32.const(groupBytes(stride)))),
    ),
    hits.get,
  )
}

function largest() {
  const f = new FunctionMaker()
  const [from, end] = [f.parameter('i32'), f.parameter('i32')]
  const most = f.local('v128')
  return f.make(
    'largest',
    'f32',
    doWhile(
      i32.lessThan(from.get, end.get),
      most.set(f32x4.max(most.get, f32x4.absolute(v128.load(from.get)))),
      from.set(i32.add(from.get, i32.const(16))),
    ),
    f32.max(
      f32.max(f32x4.lane(most.get, 0), f32x4.lane(most.get, 1)),
      f32.max(f32x4.lane(most.get, 2), f32x4.lane(most.get, 3)),
    ),
  )
}

function round() {
  const f = new FunctionMaker()
  const [from, end, out] = [f.parameter('i32'), f.parameter('i32'), f.parameter('i32')]
  const [scale, inverse] = [f.parameter('f32'), f.parameter('f32')]
  const [scales, inverses, values, lost] = [
    f.local('v128'),
    f.local('v128'),
    f.local('v128'),
    f.local('v128'),
  ]
  const four = [f.local('v128'), f.local('v128'), f.local('v128'), f.local('v128')] as const
  const [a, b, c, d] = four
  return f.make(
    'round',
    'f32',
    scales.set(f32x4.splat(scale.get)),
    inverses.set(f32x4.splat(inverse.get)),
    doWhile(
      i32.lessThan(from.get, end.get),
      ...four.map((whole, i) =>
        sequence(
          values.set(v128.load(from.get, 16 * i)),
          whole.set(f32x4.round(f32x4.multiply(values.get, inverses.get))),
          values.set(f32x4.subtract(values.get, f32x4.multiply(whole.get, scales.get))),
          lost.set(f32x4.add(lost.get, f32x4.multiply(values.get, values.get))),
          whole.set(f32x4.toI32x4(whole.get)),
        ),
      ),
      v128.store(out.get, narrow(a.get, b.get, c.get, d.get)),
      out.set(i32.add(out.get, i32.const(16))),
      from.set(i32.add(from.get, i32.const(64))),
    ),
    f32.add(
      f32.add(f32x4.lane(lost.get, 0), f32x4.lane(lost.get, 1)),
      f32.add(f32x4.lane(lost.get, 2), f32x4.lane(lost.get, 3)),
    ),
  )
}

/** What is used of it here: Node's types leave it out. */
declare const WebAssembly: {
  Memory: new (size: { initial: number }) => WasmMemory
  Module: new (code: Uint8Array<ArrayBuffer>) => object
  Instance: new (module: object, imports: object) => { readonly exports: object }
}

export interface WasmMemory {
  readonly buffer: ArrayBuffer
}

const PAGE = 65_536
const modules = new Map<number, object>()

/** So many bytes of zeros. */
export function wasmMemory(bytes: number): WasmMemory {
  return new WebAssembly.Memory({ initial: Math.ceil(bytes / PAGE) })
}

/** The loops for rows of `stride` bytes in a memory. */
export function kernel(stride: number, memory: WasmMemory): Kernel {
  const module =
    modules.get(stride) ??
    new WebAssembly.Module(
      assemble([dots('dots1', stride, 1), dots('dots2', stride, 2), select(stride), largest(), round()]),
    )
  modules.set(stride, module)
  // What it exports is what was assembled a line above.
  return new WebAssembly.Instance(module, { env: { memory } }).exports as Kernel
}
