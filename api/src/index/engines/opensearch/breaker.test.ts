import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Breaker } from './breaker.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function opened(probe: () => Promise<boolean>): { breaker: Breaker<string>; closed: () => number } {
  const closed = vi.fn()
  const breaker = new Breaker<string>({ probe, closed })
  for (let i = 0; i < 4; i++) breaker.failed('early')
  expect(breaker.why).toBeNull()
  breaker.failed('the fifth')
  return { breaker, closed: () => closed.mock.calls.length }
}

const LONG = 60_000

test('failures in a row open it, and an answer between them does not count them on', async () => {
  const closed = vi.fn()
  const breaker = new Breaker<string>({ probe: async () => true, closed })
  for (let i = 0; i < 20; i++) {
    for (let j = 0; j < 4; j++) breaker.failed('away')
    breaker.answered()
  }
  expect(breaker.why).toBeNull()
  for (let j = 0; j < 5; j++) breaker.failed(`failure ${j}`)
  expect(breaker.why).toBe('failure 4')
  // What was under way when it opened says nothing new.
  breaker.failed('late')
  expect(breaker.why).toBe('failure 4')
  expect(closed).not.toHaveBeenCalled()
})

test('open, it probes until there is an answer, one at a time', async () => {
  const answers: ((there: boolean) => void)[] = []
  const { breaker, closed } = opened(() => new Promise((resolve) => answers.push(resolve)))
  await vi.advanceTimersByTimeAsync(LONG)
  expect(answers).toHaveLength(1)
  answers[0]?.(false)
  await vi.advanceTimersByTimeAsync(LONG)
  expect(answers).toHaveLength(2)
  expect([breaker.why, closed()]).toEqual(['the fifth', 0])
  answers[1]?.(true)
  await vi.advanceTimersByTimeAsync(LONG)
  expect([breaker.why, closed(), answers.length]).toEqual([null, 1, 2])
})

test('an answer to what was asked before it opened closes it', async () => {
  const probe = vi.fn(async () => false)
  const { breaker, closed } = opened(probe)
  breaker.answered()
  breaker.answered()
  await vi.advanceTimersByTimeAsync(LONG)
  expect([breaker.why, closed(), probe.mock.calls.length]).toEqual([null, 1, 0])
})

test('closed for good, it asks nobody any more', async () => {
  const probe = vi.fn(async () => false)
  const { breaker } = opened(probe)
  await vi.advanceTimersByTimeAsync(LONG)
  const { length } = probe.mock.calls
  expect(length).toBeGreaterThan(1)
  breaker.close()
  // What was under way fails now.
  for (let i = 0; i < 5; i++) breaker.failed('late')
  await vi.advanceTimersByTimeAsync(LONG)
  expect(probe.mock.calls).toHaveLength(length)
})
