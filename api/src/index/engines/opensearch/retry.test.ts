import { expect, test } from 'vitest'
import { backoffMs, RetryBudget, retryAfterMs } from './retry.ts'

function taken(budget: RetryBudget): number {
  let count = 0
  while (budget.take()) count++
  return count
}

test('one request in ten may be sent again, and one a second however few there are', () => {
  let now = 0
  const budget = new RetryBudget(() => now)
  const atStart = taken(budget)
  expect(atStart).toBeGreaterThan(0)
  for (let i = 0; i < 55; i++) budget.asked()
  expect(taken(budget)).toBe(5)
  now += 3_500
  expect(taken(budget)).toBe(3)
  // What is not needed is not saved up for ever: after a quiet day a cluster in trouble is not asked twice as often.
  for (let i = 0; i < 10_000; i++) budget.asked()
  now += 86_400_000
  expect(taken(budget)).toBe(atStart)
})

test('the wait before another try doubles up to a bound, and is spread from nothing to all of it', () => {
  const longest = [0, 1, 2, 3, 4, 50].map((n) => backoffMs(n, 100, 1_000, () => 1))
  expect(longest).toEqual([100, 200, 400, 800, 1_000, 1_000])
  expect(backoffMs(3, 100, 1_000, () => 0)).toBe(0)
  expect(backoffMs(3, 100, 1_000, () => 0.25)).toBe(200)
})

test.each([
  ['2', 2_000],
  [' 0 ', 0],
  ['Thu, 01 Jan 2026 00:00:30 GMT', 30_000],
  ['Wed, 31 Dec 2025 00:00:00 GMT', 0],
  ['soon', undefined],
  ['', undefined],
  [undefined, undefined],
])('Retry-After %o', (header, ms) => {
  expect(retryAfterMs(header, Date.parse('2026-01-01T00:00:00Z'))).toBe(ms)
})
