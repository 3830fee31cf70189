import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { coarseEngine } from './coarse/coarse.ts'
import { bySize, loadEngine } from './engine.ts'
import { exactEngine } from './exact.ts'
import { segmentHeader } from './segment-file.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'terrace-engine-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A segment of so many vectors of one dimension. */
function fileOf(count: number): string {
  const file = path.join(folder, `${count}.faiss`)
  writeFileSync(file, Buffer.concat([segmentHeader(1, count), Buffer.alloc(4 * count)]))
  return file
}

test('a segment is opened by the engine for its size, and what either of them loses counts', () => {
  const small = { ...exactEngine(), lostBytes: 5 }
  const large = { ...coarseEngine(), lostBytes: 20 }
  const opened: string[] = []
  for (const engine of [small, large]) {
    const { open } = engine
    engine.open = (file, dimensions) => {
      opened.push(`${engine.name} ${path.basename(file)}`)
      return open(file, dimensions)
    }
  }
  const engine = bySize(small, large, 10)
  expect(engine.name).toBe('exact')
  expect(engine.lostBytes).toBe(25)
  for (const count of [1, 9, 10, 200]) {
    const segment = engine.open(fileOf(count), 1)
    expect(segment.count).toBe(count)
    segment.close()
  }
  expect(opened).toEqual(['exact 1.faiss', 'exact 9.faiss', 'coarse 10.faiss', 'coarse 200.faiss'])
})

test('without FAISS large segments are scanned coarsely, small ones exactly', () => {
  const engine = loadEngine({ faiss: false })
  expect(engine.name).toBe('exact')
  const costs = [16_383, 16_384].map((count) => {
    const segment = engine.open(fileOf(count), 1)
    segment.close()
    return count / segment.scanCost
  })
  expect(costs).toEqual([4, 32])
})
