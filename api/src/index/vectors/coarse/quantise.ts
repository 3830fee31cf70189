// Vectors as small integers times a scale, and how much that changes them: whatever is computed from the integers is
// off by at most what these lengths say.
import type { Kernel } from './kernel.ts'

/** The largest integer of a row. */
export const ROW_LEVEL = 127

export interface Quantised {
  /** A float32: integer × scale is the value. */
  readonly scale: number
  /** The length of what rounding took away. */
  readonly residual: number
}

/** The largest integer of a query, such that its products with a row add up to an int32 whatever the values are. */
export function queryLevel(dimensions: number): number {
  return Math.min(32_767, Math.floor((2 ** 31 - 1) / (ROW_LEVEL * dimensions)))
}

/** With a smaller scale, what is lost squared would be too small for a float32: all is rounded to 0 instead. */
const LEAST_SCALE = 2 ** -40

function scaleOf(largest: number, level: number): number {
  const scale = Math.fround(largest / level)
  return scale < LEAST_SCALE ? 0 : scale
}

/** Rounds a query to integers up to ±`level`, written to `into`. */
export function quantiseQuery(query: Float32Array, level: number, into: Int16Array): Quantised {
  const scale = scaleOf(
    query.reduce((most, value) => Math.max(most, Math.abs(value)), 0),
    level,
  )
  let lost = 0
  for (const [i, value] of query.entries()) {
    const integer = scale === 0 ? 0 : Math.round(value / scale)
    into[i] = integer
    lost += (value - integer * scale) ** 2
  }
  return { scale, residual: Math.sqrt(lost) }
}

/**
 * Rounds the row of `count` floats (and zeros, up to `end`) at address `from` to int8 at `out`. The residual is right to
 * single precision: to less than 2^-19 of √count × largest, up to 65,536 dimensions.
 */
export function quantiseRow(kernel: Kernel, from: number, end: number, count: number, out: number) {
  const largest = kernel.largest(from, end)
  const scale = scaleOf(largest, ROW_LEVEL)
  if (scale === 0) return { largest, scale, residual: largest * Math.sqrt(count) }
  return { largest, scale, residual: Math.sqrt(kernel.round(from, end, out, scale, 1 / scale)) }
}
