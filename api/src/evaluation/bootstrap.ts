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
  const { low, high } = resampled(values.length, resamples, seed, (questions) => meanOf(values, questions))
  return { mean: meanOf(values, values.keys()), low, high }
}

/**
 * Of the mean of `above` divided by that of `below`, both over the same questions, which are sampled together. A resample
 * in which the lower mean is 0 counts as infinite.
 */
export function bootstrapRatio(
  above: readonly number[],
  below: readonly number[],
  resamples = RESAMPLES,
  seed = SEED,
): Estimate {
  const ratio = (questions: Iterable<number>) => {
    const sampled = [...questions]
    const divisor = meanOf(below, sampled)
    return divisor === 0 ? Number.POSITIVE_INFINITY : meanOf(above, sampled) / divisor
  }
  const { low, high } = resampled(above.length, resamples, seed, ratio)
  return { mean: ratio(above.keys()), low, high }
}

function resampled(
  questions: number,
  resamples: number,
  seed: number,
  statistic: (questions: Iterable<number>) => number,
): { low: number; high: number } {
  const random = randomNumbers(seed)
  const found = new Float64Array(resamples)
  const sampled = new Uint32Array(questions)
  for (let n = 0; n < resamples; n++) {
    for (let i = 0; i < questions; i++) sampled[i] = Math.floor(random() * questions)
    found[n] = statistic(sampled)
  }
  found.sort()
  return { low: percentile(found, 0.025), high: percentile(found, 0.975) }
}

function meanOf(values: readonly number[], questions: Iterable<number>): number {
  let [sum, count] = [0, 0]
  for (const question of questions) {
    sum += values[question] ?? 0
    count++
  }
  return sum / count
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
