// Vectors as small integers times a scale, and how much that changes them: whatever is computed from the integers is
// off by at most what these lengths say.

/** The largest integer of a row. */
export const ROW_LEVEL = 127

export interface Quantised {
  /** A float32: integer × scale is the value. */
  readonly scale: number
  /** The length of what rounding took away. */
  readonly residual: number
  /** The length of what is left: integers × scale. */
  readonly length: number
}

/** The largest integer of a query, such that products with a row add up to an int32 whatever the values are. */
export function queryLevel(dimensions: number): number {
  return Math.min(32_767, Math.floor((2 ** 31 - 1) / (ROW_LEVEL * dimensions)))
}

/** A scale below this is taken for 0, so that none is too small to be a float32 of full precision. */
const LEAST_SCALE = 2 ** -100

/** Rounds the `count` values from `from` on to integers up to ±`level`, written to `into`. Lengths are to double precision. */
export function quantise(
  values: Float32Array,
  from: number,
  count: number,
  level: number,
  into: Int8Array | Int16Array,
): Quantised {
  let largest = 0
  for (let i = 0; i < count; i++) {
    const size = Math.abs(values[from + i] ?? 0)
    if (size > largest) largest = size
  }
  const rounded = Math.fround(largest / level)
  const scale = rounded < LEAST_SCALE ? 0 : rounded
  const inverse = scale === 0 ? 0 : 1 / scale
  let [lost, kept] = [0, 0]
  for (let i = 0; i < count; i++) {
    const value = values[from + i] ?? 0
    const integer = Math.round(value * inverse)
    into[i] = integer
    const rest = value - integer * scale
    lost += rest * rest
    kept += integer * integer
  }
  return { scale, residual: Math.sqrt(lost), length: Math.sqrt(kept) * scale }
}
