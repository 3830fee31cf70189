// The bounds of the coarse scan, for any vectors: those that round badly, are long, short or nothing, in any number of dimensions.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { Collector, randomUnits } from '../port.cases.ts'
import { dot } from '../port.ts'
import { segmentHeader } from '../segment-file.ts'
import { Blocks } from './blocks.ts'
import { coarseEngine } from './coarse.ts'
import { BLOCK, GROUP, groupBytes, kernel, wasmMemory } from './kernel.ts'
import { quantiseQuery, quantiseRow, queryLevel, ROW_LEVEL } from './quantise.ts'
import { workbench } from './workbench.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'terrace-coarse-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const file = path.join(folder, 'some.faiss')

function open(vectors: readonly Float32Array[], dimensions: number) {
  const bytes = vectors.map(({ buffer }) => Buffer.from(buffer))
  writeFileSync(file, Buffer.concat([segmentHeader(dimensions, vectors.length), ...bytes]))
  return coarseEngine(null).open(file, dimensions)
}

const sizes = [0, 1e-45, 1e-38, 1e-30, 1e-22, 1e-12, 1, 1, 1, 37, 1e12, 1e25, 3e38]
const value = fc.oneof(
  { weight: 3, arbitrary: fc.float({ min: -1, max: 1, noNaN: true }) },
  // One large value makes all the others round to nothing.
  { weight: 1, arbitrary: fc.constantFrom(0, 1, -1, 1 / 254, -1 / 254, 0.5 / 127) },
)
const few = fc.uniqueArray(fc.constantFrom(...sizes), { minLength: 1, maxLength: 3 })
const cases = fc.tuple(fc.integer({ min: 1, max: 70 }), few).chain(([dimensions, some]) => {
  const vector = fc
    .tuple(fc.constantFrom(...some), fc.array(value, { minLength: dimensions, maxLength: dimensions }))
    .map(([size, values]) => Float32Array.from(values, (x) => x * size))
  return fc.record({
    vectors: fc.array(vector, { minLength: 1, maxLength: 300 }),
    queries: fc.array(
      fc.oneof(
        vector,
        vector.map((some) => some.map((x) => Math.fround(Math.sign(x)))),
      ),
      { minLength: 1, maxLength: 5 },
    ),
    k: fc.integer({ min: 1, max: 20 }),
  })
})

test('whatever the vectors are: what is offered lies within its bounds, and what is not lies below the floor', () => {
  fc.assert(
    fc.property(cases, ({ vectors, queries, k }) => {
      const dimensions = vectors[0]?.length ?? 0
      const segment = open(vectors, dimensions)
      const seekers = queries.map((query) => new Collector(query, k, k))
      segment.scan(seekers)
      segment.close()
      for (const { vector, floor, offered } of seekers) {
        for (const label of offered.keys()) expect(label).toBeLessThan(vectors.length)
        for (const [label, other] of vectors.entries()) {
          const exact = dot(vector, other, 0)
          const bounds = offered.get(label)
          if (bounds === undefined) expect(exact).toBeLessThan(floor)
          else if (exact < bounds.lower || exact > bounds.upper)
            expect.fail(`${exact} is not from ${bounds.lower} to ${bounds.upper}`)
        }
      }
    }),
    { numRuns: 300 },
  )
})

test('bounds are narrow: of 5,000 vectors of 384 dimensions few more than the best need be read', () => {
  const dimensions = 384
  const flat = randomUnits(5_001, dimensions, 3)
  const vectors = Array.from({ length: 5_001 }, (_, i) => flat.slice(i * dimensions, (i + 1) * dimensions))
  const seeker = new Collector(vectors.pop() ?? new Float32Array(0), 50, 66)
  const segment = open(vectors, dimensions)
  segment.scan([seeker])
  segment.close()
  for (const { lower, upper } of seeker.offered.values()) expect(upper - lower).toBeLessThan(0.025)
  const exact = vectors.map((vector) => dot(seeker.vector, vector, 0)).sort((a, b) => b - a)
  const wanted = [...seeker.offered.values()].filter(({ upper }) => upper >= (exact[49] ?? 0)).length
  expect(wanted).toBeGreaterThanOrEqual(50)
  expect(wanted).toBeLessThan(100)
  expect(seeker.offered.size).toBeLessThan(1_000)
})

test.each([32, 384, 1_536, 4_096])(
  'sums of products stay whole at %i dimensions, at their largest and in any lane',
  (dimensions) => {
    const group = groupBytes(dimensions)
    const [from, sums] = [4 * dimensions, 4 * dimensions + 2 * group]
    const memory = wasmMemory(sums + 2 * BLOCK * GROUP * 4)
    const { dots1, dots2 } = kernel(dimensions, memory)
    const level = queryLevel(dimensions)
    const queries = new Int16Array(memory.buffer, 0, 2 * dimensions)
    const rows = Array.from(
      { length: 8 },
      (_, row) =>
        new Int8Array(memory.buffer, from + Math.floor(row / 4) * group + (row % 4) * dimensions, dimensions),
    )
    for (let i = 0; i < dimensions; i++) {
      queries[i] = level
      queries[dimensions + i] = i % 3 === 0 ? -level : (i * 7) % level
      for (const [n, row] of rows.entries())
        row[i] = n < 2 ? ROW_LEVEL * (1 - 2 * n) : ((i * (n + 3)) % 255) - 127
    }
    const expected = (query: number) =>
      rows.map((row) => row.reduce((sum, x, i) => sum + x * (queries[query * dimensions + i] ?? 0), 0))
    const found = (query: number) =>
      Array.from(new Int32Array(memory.buffer, sums + query * BLOCK * GROUP * 4, 8))
    expect(expected(0).slice(0, 2)).toEqual([127 * level * dimensions, -127 * level * dimensions])
    dots1(from, sums, 2 * dimensions, sums)
    expect(found(0)).toEqual(expected(1))
    dots2(from, sums, 0, sums)
    expect(found(0)).toEqual(expected(0))
    expect(found(1)).toEqual(expected(1))
  },
)

test('rounding: the residual is what is missing, and hardly more', () => {
  const vector = Float32Array.from({ length: 32 }, (_, i) => [1, -0.6, 0.003, 0, 0.7][i] ?? 0)
  const missing = (integers: ArrayLike<number>, scale: number) =>
    Math.hypot(...Array.from(vector, (x, i) => x - (integers[i] ?? 0) * scale))

  const memory = wasmMemory(1_024)
  new Float32Array(memory.buffer).set(vector)
  const row = quantiseRow(kernel(32, memory), 0, 128, 32, 512)
  const integers = new Int8Array(memory.buffer, 512, 32)
  expect(Array.from(integers.subarray(0, 6))).toEqual([127, -76, 0, 0, 89, 0])
  expect(row.largest).toBe(1)
  expect(row.residual).toBeCloseTo(missing(integers, row.scale), 7)

  const into = new Int16Array(32)
  const query = quantiseQuery(vector, queryLevel(32), into)
  expect(into[0]).toBe(32_767)
  expect(query.residual).toBeCloseTo(missing(into, query.scale), 12)
  expect(query.residual).toBeLessThan(5e-5)
})

test('blocks beyond what one Buffer shows are kept like any others', () => {
  // 1.1 GB of which only what is stored is ever touched.
  const blocks = new Blocks(384, 2_800_001)
  const { bytes, block, groupBytes } = workbench(384)
  const end = block + BLOCK * groupBytes
  const some = [0, 21_398, 21_399, 21_400, 21_401, blocks.count - 2, blocks.count - 1]
  for (const [i, n] of some.entries()) {
    bytes.fill(i + 1, block, end)
    blocks.store(n)
  }
  const nobody = { threshold: () => 0, found: () => expect.fail('nothing was asked') }
  for (const [i, n] of some.entries()) {
    bytes.fill(0, block, end)
    blocks.scan(n, [], nobody)
    // The last one is cut short.
    const whole = n === blocks.count - 1 ? groupBytes * (Math.ceil(2_800_001 / GROUP) % BLOCK) : end - block
    expect(bytes.subarray(block, end).lastIndexOf(i + 1) + 1).toBe(whole)
    expect(bytes[block]).toBe(i + 1)
  }
  expect(() => blocks.scan(blocks.count + 1_000_000, [], nobody)).toThrow(RangeError)
})
