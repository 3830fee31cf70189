// How far a mean over questions would move with other questions of the same kind: percentile bootstrap (Efron &
// Tibshirani 1993, chapter 13; over topics, Sakai 2006). Of two methods' difference it is taken over each question's
// difference, so that questions which are hard for both don't blur it.

export interface Estimate {
  readonly mean: number
  /** 2.5th percentile of the resampled means. */
  readonly low: number
  /** 97.5th percentile. */
  readonly high: number
}

const RESAMPLES = 1_000
/** The same resamples each time: a number that is printed can be had again. */
const SEED = 1

/** Of at least one value. Samples as many values as there are, with replacement, 1,000 times. */
export function bootstrapMean(values: readonly number[], resamples = RESAMPLES, seed = SEED): Estimate {
  const random = randomNumbers(seed)
  const means = new Float64Array(resamples)
  for (let n = 0; n < resamples; n++) {
    let sum = 0
    for (let i = 0; i < values.length; i++) sum += values[Math.floor(random() * values.length)] ?? 0
    means[n] = sum / values.length
  }
  means.sort()
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return { mean, low: percentile(means, 0.025), high: percentile(means, 0.975) }
}

/** By linear interpolation between the two nearest ranks (Hyndman & Fan 1996, type 7). */
function percentile(sorted: Float64Array, share: number): number {
  const at = (sorted.length - 1) * share
  const low = sorted[Math.floor(at)] ?? Number.NaN
  const high = sorted[Math.ceil(at)] ?? Number.NaN
  return low + (high - low) * (at - Math.floor(at))
}

/** Mulberry32 (Ettinger, public domain): 0 inclusive to 1 exclusive. */
function randomNumbers(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
