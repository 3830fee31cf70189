// What a search engine for 10⁵ to 10⁹ passages costs, and how much slower its searches become: a model, not a measurement. It starts
// from two result files (opensearch.json, scale.json) and from the assumptions below, which it prints with its figures.
// `npm run bench -- opensearch-model`
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { z } from 'zod'
import { INSTANCE_TYPES } from '../infra/instance-types.ts'
import { begin, type Figure, finish, ROOT } from './harness.ts'
import { domainFor, SIZES_ASSUMED } from './opensearch/domain.ts'
import { FAN_OUT_ASSUMED, fanOut, shardOf } from './opensearch/fan-out.ts'

const HOURS = 730
/** What the bar of `npm run bench -- scale` allows a search alone, in ms at p99. */
const P99_BAR = 100

const spread = z.object({ p50: z.number(), p95: z.number() })
const cluster = readResult(
  'opensearch',
  z.object({
    ...{ passages: z.number(), shards: z.number() },
    results: z.object({
      everything: z.object({ opensearch: z.object({ searchMs: z.object({ fused: spread }) }) }),
    }),
    index: z.object({ diskBytesPerPassage: z.number() }),
  }),
)
const at = z.object({
  searchMs: z.object({ alone: z.object({ p50: z.number(), p99: z.number() }) }),
  memoryMb: z.object({ steady: z.number(), whileReplaced: z.number() }),
})
const alone = readResult('scale', z.object({ at100000: at, at300000: at, at1000000: at }))

const run = begin('opensearch-model')
const measured = cluster.results.everything.opensearch.searchMs.fused
const shard = shardOf(measured, cluster.shards)
const table: Record<string, Figure> = {}
for (let power = 5; power <= 9; power++) {
  const passages = 10 ** power
  const domain = domainFor(passages, cluster.index.diskBytesPerPassage)
  const passagesAShard = passages / domain.shards
  const times = fanOut(shard, domain.shards, passagesAShard, cluster.passages / cluster.shards)
  const over = (ms: number) => ms / measured.p50
  table[`1e${power}`] = {
    opensearch: {
      ...domain,
      // Not milliseconds: those of the measurement are its machine's, busy or idle.
      timesTheMeasuredMedian: { p50: over(times.p50), p95: over(times.p95), p99: over(times.p99) },
    },
    embedded: embedded(passages),
  }
}
finish(
  run,
  {
    measured: {
      ...{ medianMs: measured.p50, shardMedianMs: Math.exp(shard.mu), shardSigma: shard.sigma },
      passages: cluster.passages,
      diskBytesPerPassage: cluster.index.diskBytesPerPassage,
    },
    assumed: { ...FAN_OUT_ASSUMED, ...SIZES_ASSUMED },
    /** Passages at which a search of the embedded engine alone reaches its bar, by its figures at a million. */
    embeddedReachesItsBarAt: Math.round((1e6 * P99_BAR) / alone.at1000000.searchMs.alone.p99),
    table,
  },
  [],
)

/** Two API servers whose memory holds the index while it is replaced, and 4 GiB for the rest of a server. Null beyond what was measured. */
function embedded(passages: number): Figure {
  if (passages > 1e6) return null
  const figures = passages <= 1e5 ? alone.at100000 : alone.at1000000
  const needed = figures.memoryMb.whileReplaced / 1024 + 4
  const [name, price] =
    (['m7g.large', 'm7g.xlarge', 'm7g.2xlarge'] as const)
      .filter((type) => INSTANCE_TYPES[type].memoryGiB >= needed)
      .map((type) => [type, INSTANCE_TYPES[type].price?.[0] ?? Number.NaN] as const)[0] ?? []
  return {
    servers: `2 × ${name ?? 'none'}`,
    usdAMonth: price === undefined ? null : 2 * price * HOURS,
    latencyMs: { p50: figures.searchMs.alone.p50, p99: figures.searchMs.alone.p99 },
  }
}

function readResult<T>(name: string, figures: z.ZodType<T>): T {
  const file = path.join(ROOT, 'bench/results', `${name}.json`)
  return z.object({ figures }).parse(JSON.parse(readFileSync(file, 'utf8'))).figures as T
}
