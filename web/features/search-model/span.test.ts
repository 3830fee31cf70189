import { expect, test } from 'vitest'
import { formatSpan } from './span.ts'

test.each([
  [0.4, '10 seconds'],
  [31, '40 seconds'],
  [90, '2 minutes'],
  [3_000, '50 minutes'],
  [9_000, '2.5 hours'],
  [172_800, '2 days'],
])('%d s are about %s', (seconds, text) => {
  expect(formatSpan(seconds)).toBe(text)
})
