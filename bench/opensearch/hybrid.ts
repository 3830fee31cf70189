// One question, answered by OpenSearch's own ways to fuse two rankings: the query `hybrid` with a pipeline that makes both
// scores comparable and adds them, or goes by ranks. Both rankings are the product's (query.ts), terms, weights and filter
// included, so that fusing is all that differs.
import { z } from 'zod'
import type { Cluster } from '../../api/src/index/engines/opensearch/cluster.ts'
import {
  countQuery,
  nearestQuery,
  routingOf,
  scopeOf,
  wordsQuery,
} from '../../api/src/index/engines/opensearch/query.ts'
import { corpusOf } from '../../api/src/index/engines/opensearch/search.ts'
import type { Known } from '../../api/src/index/engines/opensearch/watch.ts'
import { Analysers } from '../../api/src/index/lexical/analysis.ts'
import { readQuestion } from '../../api/src/index/lexical/read-question.ts'
import type { IndexFilter } from '../../api/src/index/port.ts'
import { POOL } from '../../api/src/index/search.ts'

const sums = (technique: string) => ({
  phase_results_processors: [
    {
      'normalization-processor': {
        ...{ normalization: { technique }, combination: { technique: 'arithmetic_mean' } },
      },
    },
  ],
})

/** As their documentation has them, weights and constants left as they come. */
export const PIPELINES = {
  'hybrid, min-max': sums('min_max'),
  'hybrid, l2': sums('l2'),
  'hybrid, RRF': {
    phase_results_processors: [
      { 'score-ranker-processor': { combination: { technique: 'rrf', rank_constant: 60 } } },
    ],
  },
} as const
export type Way = keyof typeof PIPELINES
export const WAYS = Object.keys(PIPELINES) as Way[]

const pipelineOf = (way: Way) => way.replace(/[^a-z0-9]+/gi, '-').toLowerCase()

/** @throws Trouble */
export async function createPipelines(cluster: Cluster): Promise<void> {
  for (const way of WAYS)
    await cluster.send({ method: 'PUT', path: `/_search/pipeline/${pipelineOf(way)}`, body: PIPELINES[way] })
}

const answer = z.object({
  hits: z.object({ hits: z.array(z.object({ _source: z.object({ passageId: z.number() }) })) }),
})
const counts = z.object({
  responses: z.array(z.object({ hits: z.object({ total: z.object({ value: z.number() }) }) })),
})

export interface HybridQuestion {
  readonly text: string
  readonly vector: Float32Array
  readonly filter: IndexFilter
}

export class Hybrid {
  readonly #cluster: Cluster
  readonly #known: Known
  readonly #analysers = new Analysers()

  constructor(cluster: Cluster, known: Known) {
    this.#cluster = cluster
    this.#known = known
  }

  /** @returns ids of passages, best first */
  async search(way: Way, { text, vector, filter }: HybridQuestion, limit: number): Promise<number[]> {
    const { facts, index } = this.#known
    const question = await readQuestion({ text }, corpusOf(facts), this.#analysers, (terms) =>
      this.#live([...terms]),
    )
    const [scope, size] = [scopeOf(filter), Math.max(POOL, limit)]
    const words = wordsQuery(question.terms, question.codes, scope, true, size)
    const queries = [
      ...(question.terms.some(({ live }) => live > 0) ? [words.query] : []),
      nearestQuery(vector, scope, size).query,
    ]
    const routing = routingOf(filter)
    const found = await this.#cluster.send({
      ...{ method: 'POST', path: `/${index}/_search` },
      query: { search_pipeline: pipelineOf(way), ...(routing === undefined ? {} : { routing }) },
      body: { size, query: { hybrid: { queries } }, _source: ['passageId'], track_total_hits: false },
      idempotent: true,
    })
    const ids = answer.parse(found).hits.hits.map(({ _source }) => _source.passageId)
    return ids.slice(0, limit)
  }

  async #live(terms: readonly string[]): Promise<ReadonlyMap<string, number>> {
    if (terms.length === 0) return new Map()
    const header = JSON.stringify({ index: this.#known.index })
    const lines = terms.flatMap((term) => [header, JSON.stringify(countQuery(term))])
    const request = { method: 'POST', path: '/_msearch', lines, idempotent: true } as const
    const { responses } = counts.parse(await this.#cluster.send(request))
    return new Map(terms.map((term, i) => [term, responses[i]?.hits.total.value ?? 0]))
  }
}
