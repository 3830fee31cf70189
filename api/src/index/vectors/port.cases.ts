// What every engine has to do: run by engines.test.ts with the exact scan and with FAISS.
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { dot, roundingBound, type VectorEngine } from './port.ts'
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

export function engineCases(engine: () => VectorEngine): void {
  const dir = mkdtempSync(path.join(tmpdir(), 'terrace-vectors-'))
  afterAll(() => rmSync(dir, { recursive: true, force: true }))
  const file = path.join(dir, 'all.faiss')
  const count = 3_000
  const vectors = randomUnits(count, DIMENSIONS, 1)
  const whole = Buffer.concat([segmentHeader(DIMENSIONS, count), Buffer.from(vectors.buffer)])
  beforeAll(() => writeFileSync(file, whole))

  test.each([1, 2, 4, 5, 11, 19, 20, 21, 32])('ranks a batch of %i like the dot product does', (batch) => {
    const segment = engine().open(file, DIMENSIONS)
    const flat = randomUnits(batch, DIMENSIONS, 7 + batch)
    const queries = Array.from({ length: batch }, (_, i) => flat.slice(i * DIMENSIONS, (i + 1) * DIMENSIONS))
    const k = 25
    const { labels, scores } = segment.search(queries, k)
    for (const [row, query] of queries.entries()) {
      const exact = Array.from({ length: count }, (_, i) => dot(query, vectors, i * DIMENSIONS))
      const best = exact.toSorted((a, b) => b - a)
      for (let i = 0; i < k; i++) {
        const label = labels[row * k + i] ?? -1
        const score = scores[row * k + i] ?? Number.NaN
        expect(Math.abs(score - (exact[label] ?? Number.NaN))).toBeLessThan(roundingBound(DIMENSIONS))
        expect(Math.abs(score - (best[i] ?? Number.NaN))).toBeLessThan(roundingBound(DIMENSIONS))
      }
    }
    segment.close()
  })

  test('gives every vector when asked for all, and reads them back bit by bit', () => {
    const segment = engine().open(file, DIMENSIONS)
    const { labels } = segment.search([vectors.slice(0, DIMENSIONS)], count)
    expect(new Set(Array.from(labels)).size).toBe(count)
    const some = new Float32Array(3 * DIMENSIONS)
    segment.read(count - 3, 3, some)
    expect(some).toEqual(vectors.slice((count - 3) * DIMENSIONS))
    expect(() => segment.read(count - 2, 3, some)).toThrow(RangeError)
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
