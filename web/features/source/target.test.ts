import { expect, test } from 'vitest'
import { shownTarget } from './target.ts'

test('a passage is marked only in the reading that it is of', () => {
  const target = { page: 3, range: { start: 10, end: 20 } }
  expect(shownTarget(target, 2, 2)).toBe(target)
  expect(shownTarget(target, undefined, 2)).toBe(target)
  expect(shownTarget(target, 1, 2)).toEqual({ page: 3, range: null })
  const whole = { page: 3, range: null }
  expect(shownTarget(whole, 1, 2)).toBe(whole)
})
