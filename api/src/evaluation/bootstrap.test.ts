import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bootstrapMean, bootstrapRatio } from './bootstrap.ts'

test('the interval of many values is that of the normal distribution, near enough', () => {
  // Standard error of the mean of 400 evenly spread values: σ / √n.
  const values = Array.from({ length: 400 }, (_, i) => i / 399)
  const { mean, low, high } = bootstrapMean(values, 4_000)
  const error = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 400) / 20
  expect(mean).toBeCloseTo(0.5, 12)
  expect(low).toBeCloseTo(mean - 1.96 * error, 2)
  expect(high).toBeCloseTo(mean + 1.96 * error, 2)
})

test('of two values every resample is known: a quarter of the means is the one, a quarter the other', () => {
  expect(bootstrapMean([0, 1])).toEqual({ mean: 0.5, low: 0, high: 1 })
})

test('the same values give the same interval again; another seed gives another', () => {
  const values = [0.1, 0.9, 0.4, 0.4, 0, 1, 0.3]
  expect(bootstrapMean(values)).toEqual(bootstrapMean(values))
  expect(bootstrapMean(values, 50, 2)).not.toEqual(bootstrapMean(values, 50, 3))
})

test('a paired difference that is the same for each question has no width, however the questions differ', () => {
  const fused = [0.2, 0.9, 0.5, 1]
  const { low, high } = bootstrapMean(fused.map((value) => value - (value - 0.125)))
  expect([low, high]).toEqual([0.125, 0.125])
})

test('the mean and every resample lie within the values, in order', () => {
  const values = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 1, maxLength: 60 })
  fc.assert(
    fc.property(values, (given) => {
      const { mean, low, high } = bootstrapMean(given, 200)
      expect(low).toBeLessThanOrEqual(high)
      expect(low).toBeGreaterThanOrEqual(Math.min(...given) - 1e-12)
      expect(high).toBeLessThanOrEqual(Math.max(...given) + 1e-12)
      expect(mean).toBeCloseTo(given.reduce((sum, value) => sum + value, 0) / given.length, 12)
    }),
  )
})

test('a ratio of means over the same questions is sampled by question, not by half', () => {
  // Each is half as good: every resample says so, however the questions differ.
  expect(bootstrapRatio([0.1, 0.4, 0.2], [0.2, 0.8, 0.4])).toEqual({ mean: 0.5, low: 0.5, high: 0.5 })
  const { mean, low, high } = bootstrapRatio([1, 0, 1, 0], [1, 1, 1, 1])
  expect([mean, low < 0.5, high > 0.5]).toEqual([0.5, true, true])
  expect(bootstrapRatio([1], [0]).mean).toBe(Number.POSITIVE_INFINITY)
})
