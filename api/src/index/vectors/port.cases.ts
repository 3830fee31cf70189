// What every engine has to do: run by engines.test.ts with each.
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Top } from '../top.ts'
import { dot, type Seeker, type VectorEngine } from './port.ts'
import { segmentHeader } from './segment-file.ts'

const DIMENSIONS = 24

/** Numbers that are the same in every run (a linear congruential generator). */
function numbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 31 - 1
  }
}

export function randomUnits(count: number, dimensions: number, seed: number): Float32Array {
  const next = numbers(seed)
  const all = new Float32Array(count * dimensions)
  for (let row = 0; row < count; row++) {
    const vector = all.subarray(row * dimensions, (row + 1) * dimensions)
    for (let i = 0; i < dimensions; i++) vector[i] = next()
    const length = Math.hypot(...vector)
    for (let i = 0; i < dimensions; i++) vector[i] = (vector[i] ?? 0) / length
  }
  return all
}

/** Remembers what it is offered; the floor is the k-th best lower bound, or what it is given. */
export class Collector implements Seeker {
  readonly vector: Float32Array
  readonly expected: number
  readonly offered = new Map<number, { lower: number; upper: number }>()
  readonly #given: number
  readonly #lower: Top

  constructor(vector: Float32Array, k: number, expected: number, floor = Number.NEGATIVE_INFINITY) {
    this.vector = vector
    this.expected = expected
    this.#given = floor
    this.#lower = new Top(k)
  }

  get floor(): number {
    return Math.max(this.#given, this.#lower.floor)
  }

  offer(label: number, lower: number, upper: number): void {
    if (this.offered.has(label)) throw new Error(`${label} is offered again`)
    this.offered.set(label, { lower, upper })
    this.#lower.offer(lower, label, label)
  }
}

export function engineCases(engine: () => VectorEngine): void {
  const dir = mkdtempSync(path.join(tmpdir(), 'terrace-vectors-'))
  afterAll(() => rmSync(dir, { recursive: true, force: true }))
  const file = path.join(dir, 'all.faiss')
  const count = 3_000
  const vectors = randomUnits(count, DIMENSIONS, 1)
  const whole = Buffer.concat([segmentHeader(DIMENSIONS, count), Buffer.from(vectors.buffer)])
  beforeAll(() => writeFileSync(file, whole))

  /** The exact scores of a query, by label. */
  const exactScores = (query: Float32Array) =>
    Array.from({ length: count }, (_, label) => dot(query, vectors, label * DIMENSIONS))
  const batchOf = (size: number) => {
    const flat = randomUnits(size, DIMENSIONS, 7 + size)
    return Array.from({ length: size }, (_, i) => flat.slice(i * DIMENSIONS, (i + 1) * DIMENSIONS))
  }

  test.each([1, 2, 4, 5, 11, 19, 20, 21, 32, 67])(
    'offers a batch of %i all that may be among the best, within bounds',
    (batch) => {
      const segment = engine().open(file, DIMENSIONS)
      const seekers = batchOf(batch).map((query) => new Collector(query, 25, 40))
      const rest = segment.scan(seekers)
      for (const [row, { vector, floor, offered }] of seekers.entries()) {
        const exact = exactScores(vector)
        for (const [label, { lower, upper }] of offered) {
          expect(lower).toBeLessThanOrEqual(exact[label] ?? Number.NaN)
          expect(upper).toBeGreaterThanOrEqual(exact[label] ?? Number.NaN)
        }
        const most = rest[row] ?? Number.NaN
        expect(most).toBeLessThan(floor)
        for (const [label, score] of exact.entries())
          if (!offered.has(label) && score >= floor) expect(score).toBeLessThanOrEqual(most)
        // The bounds are of use: nowhere near everything is offered.
        expect(offered.size).toBeLessThan(count / 3)
      }
      segment.close()
    },
  )

  test('offers all where there is no floor, and reads them back bit by bit', () => {
    const segment = engine().open(file, DIMENSIONS)
    const seeker = new Collector(vectors.slice(0, DIMENSIONS), count + 1, count)
    expect(segment.scan([seeker])[0]).toBe(Number.NEGATIVE_INFINITY)
    expect([...seeker.offered.keys()].sort((a, b) => a - b)).toEqual(
      Array.from({ length: count }, (_, i) => i),
    )
    const some = new Float32Array(3 * DIMENSIONS)
    segment.read(count - 3, 3, some)
    expect(some).toEqual(vectors.slice((count - 3) * DIMENSIONS))
    expect(() => segment.read(count - 2, 3, some)).toThrow(RangeError)
    segment.close()
  })

  test('a floor that is there from the beginning holds', () => {
    const segment = engine().open(file, DIMENSIONS)
    const [query = new Float32Array(0)] = batchOf(1)
    const exact = exactScores(query)
    // Exactly the score of one of them: that one is wanted too.
    const floor = exact.toSorted((a, b) => b - a)[9] ?? Number.NaN
    const seeker = new Collector(query, count + 1, 40, floor)
    expect(segment.scan([seeker])[0]).toBeLessThan(floor)
    for (const [label, score] of exact.entries())
      if (score >= floor) expect(seeker.offered.has(label)).toBe(true)
    segment.close()
  })

  test('refuses files that are not whole segments of its dimensions', () => {
    const bad = path.join(dir, 'bad.faiss')
    const refuses = (bytes: Uint8Array) => {
      writeFileSync(bad, bytes)
      expect(() => engine().open(bad, DIMENSIONS)).toThrow(/bad\.faiss/)
    }
    refuses(new Uint8Array(0))
    refuses(whole.subarray(0, 20))
    refuses(Buffer.concat([whole, Buffer.alloc(4)]))
    for (let at = 0; at < 45; at++) {
      const flipped = Buffer.from(whole.subarray(0, 45 + 4 * DIMENSIONS * 3))
      flipped.writeUInt8(flipped.readUInt8(at) ^ 0x80, at)
      refuses(flipped)
    }
    writeFileSync(bad, whole)
    truncateSync(bad, whole.length - 1)
    expect(() => engine().open(bad, DIMENSIONS)).toThrow(/cut short/)
    writeFileSync(bad, whole)
    expect(() => engine().open(bad, DIMENSIONS + 1)).toThrow(/not a segment/)
    expect(() => engine().open(path.join(dir, 'none.faiss'), DIMENSIONS)).toThrow(/ENOENT/)
  })
}
