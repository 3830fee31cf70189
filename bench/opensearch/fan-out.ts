// A search is as slow as the slowest shard that it asks.
import { quantile } from '../harness.ts'
import { randomNumbers } from '../search/text.ts'

export const FAN_OUT_ASSUMED = {
  shardTimes: 'log-normal, independent of each other; nothing waits for a free core; no hedging',
  shardTimeByPassages: 'grows as the logarithm of the passages in a shard, by words as by meaning',
  network: 'part of what was measured over loopback, 1 ms more between zones',
  hardware: 'the cores of the measurement',
} as const
const NETWORK_MS = 1
const SEARCHES = 4_000
const SEED = 9

export interface ShardTimes {
  /** Mean and standard deviation of the logarithm of milliseconds. */
  readonly mu: number
  readonly sigma: number
}

/** Of one shard, from searches that asked several: a quantile q of the slowest of n is one of each at q^(1/n). */
export function shardOf(slowest: { readonly p50: number; readonly p95: number }, shards: number): ShardTimes {
  const [low, high] = [normalQuantile(0.5 ** (1 / shards)), normalQuantile(0.95 ** (1 / shards))]
  const sigma = (Math.log(slowest.p95) - Math.log(slowest.p50)) / (high - low)
  return { mu: Math.log(slowest.p50) - low * sigma, sigma }
}

/** Milliseconds of simulated searches, the same in every run. */
export function fanOut({ mu, sigma }: ShardTimes, shards: number, passages: number, measuredAt: number) {
  const growth = Math.max(1, Math.log(passages) / Math.log(measuredAt))
  const next = randomNumbers(SEED)
  // The slowest of n has the distribution of one to the n-th power: one draw instead of n.
  const times = Array.from(
    { length: SEARCHES },
    () => NETWORK_MS + growth * Math.exp(mu + sigma * normalQuantile((1 - next()) ** (1 / shards))),
  )
  return { p50: quantile(times, 0.5), p95: quantile(times, 0.95), p99: quantile(times, 0.99) }
}

/** By bisection of the distribution function (Abramowitz and Stegun 7.1.26, error below 2e-7). */
function normalQuantile(share: number): number {
  let [low, high] = [-8, 8]
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2
    if (normalShare(middle) < share) low = middle
    else high = middle
  }
  return (low + high) / 2
}

function normalShare(x: number): number {
  const t = 1 / (1 + (0.3275911 * Math.abs(x)) / Math.SQRT2)
  const poly =
    t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
  const half = (1 - poly * Math.exp((-x * x) / 2)) / 2
  return x >= 0 ? 0.5 + half : 0.5 - half
}
