import { expect, test } from 'vitest'
import { Batches, type Waiting } from './batches.ts'

function waiting(since = 0): Waiting {
  const query = { text: '', vector: null, limit: 1, filter: { kind: 'documents' as const, keys: [] } }
  return { query, since, losses: 0, resolve: () => {}, reject: () => {} }
}

function batches(count: number, expected: number): Batches {
  const all = new Batches()
  for (let i = 0; i < count; i++) all.add(waiting())
  all.expected = expected
  return all
}

test('a few are sent at once, whoever is announced', () => {
  expect(batches(1, 0).hold(0)).toBe(0)
  expect(batches(1, 10).hold(0)).toBe(0)
  expect(batches(11, 0).hold(0)).toBe(0)
})

test('of a crowd those that are there wait: for the others, for enough, and not for ever', () => {
  expect(batches(2, 10).hold(0)).toBeGreaterThan(0)
  expect(batches(12, 0).hold(0)).toBe(0)
  expect(batches(19, 13).hold(0)).toBeGreaterThan(0)
  expect(batches(20, 12).hold(0)).toBe(0)
  const crowd = batches(5, 20)
  expect(crowd.hold(150)).toBeLessThan(crowd.hold(0))
  expect(crowd.hold(10_000)).toBe(0)
})

test('batches have an upper size; what is lost comes first again, but not without end', () => {
  const all = batches(40, 0)
  const first = all.take()
  expect(first.queries).toHaveLength(32)
  expect(all.busy).toBe(true)
  expect(all.returnAll(true, 1)).toEqual([])
  expect([all.busy, all.waiting]).toEqual([false, 40])
  all.take()
  expect(all.returnAll(true, 1)).toHaveLength(32)
  expect(all.waiting).toBe(8)
  const { batch } = all.take()
  expect(all.returnAll(false, 1)).toEqual([])
  expect(all.finish(batch)).toEqual([])
  expect(all.drain()).toHaveLength(8)
})
