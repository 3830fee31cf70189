// What the cluster keeps of a passage, and of the log's place: the writer's and the reader's common knowledge.
import { z } from 'zod'
import type { Generation } from '../../source.ts'
import type { LogPosition } from '../../state.ts'
import { type Cluster, Trouble } from './cluster.ts'

/** A passage. Its `_id` is its own, its `_routing` its collection's key. */
export interface PassageDocument {
  readonly passageId: number
  readonly documentKey: number
  readonly collectionKey: number
  readonly versionId: string
  readonly language: string
  /** Its terms in order, with a space between them. */
  readonly words: string
  /** How many. */
  readonly length: number
  readonly embedded: boolean
  /** Little-endian float32, base64. */
  readonly vector?: string
}

/** Of the passages that searches see. */
export interface Statistics {
  readonly passages: number
  readonly vectors: number
  /** Terms in all passages. */
  readonly length: number
  /** Passages by language. */
  readonly languages: Readonly<Record<string, number>>
}

/** What the index holds at a place of the log. */
export interface IndexFacts extends Statistics {
  readonly position: LogPosition
  /** Its vectors'; null while nothing was ever embedded. */
  readonly generation: Generation | null
  /** Whether the statistics are of this place: else of one before it, with the languages that came since. */
  readonly counted: boolean
}

const logEnd = z.object({ seq: z.number(), id: z.string() })
/** A LogPosition as it was written. */
export const logPosition = z
  .object({
    ...{ epoch: z.string(), seq: z.number(), entryId: z.string().nullable() },
    seen: logEnd.optional(),
  })
  .transform(
    ({ seen, ...position }): LogPosition => ({ ...position, ...(seen === undefined ? {} : { seen }) }),
  )
const facts = z.object({
  position: logPosition,
  generation: z.object({ id: z.number(), dimensions: z.number() }).nullable(),
  ...{ passages: z.number(), vectors: z.number(), length: z.number() },
  languages: z.record(z.string(), z.number()),
  counted: z.boolean().default(true),
})
const found = z.object({ _index: z.string(), _source: z.object({ state: facts }) })

/** Beside the passages, so that whoever switches from one index to another switches both. No search finds it. */
const STATE = 'state'

/** @param index a name or the alias. @returns null where there is no index, or nothing in it yet. @throws Trouble */
export async function readFacts(
  cluster: Cluster,
  index: string,
  signal?: AbortSignal,
): Promise<{ index: string; facts: IndexFacts } | null> {
  try {
    const answer = await cluster.send({
      ...{ method: 'GET', path: `/${index}/_doc/${STATE}`, query: { routing: STATE }, signal },
      timeoutMs: 5_000,
    })
    const { _index, _source } = found.parse(answer)
    return { index: _index, facts: _source.state }
  } catch (error) {
    if (error instanceof Trouble && error.kind === 'missing') return null
    throw error
  }
}

/** Never an older place over a newer one: who was the writer and does not know that it no longer is. @throws Trouble */
export async function writeFacts(cluster: Cluster, index: string, state: IndexFacts): Promise<void> {
  const query = { routing: STATE, version: state.position.seq, version_type: 'external_gte' }
  const path = `/${index}/_doc/${STATE}`
  await cluster.send({ method: 'PUT', path, query, body: { state }, idempotent: true })
}

const aggregated = z.object({
  hits: z.object({ total: z.object({ value: z.number() }) }),
  aggregations: z.object({
    length: z.object({ value: z.number() }),
    embedded: z.object({ doc_count: z.number() }),
    languages: z.object({ buckets: z.array(z.object({ key: z.string(), doc_count: z.number() })) }),
  }),
})

/** @throws Trouble */
export async function countPassages(cluster: Cluster, index: string): Promise<Statistics> {
  const answer = await cluster.send({
    method: 'POST',
    path: `/${index}/_search`,
    query: { allow_partial_search_results: false },
    body: {
      ...{ size: 0, track_total_hits: true, query: { exists: { field: 'passageId' } } },
      aggs: {
        length: { sum: { field: 'length' } },
        embedded: { filter: { term: { embedded: true } } },
        languages: { terms: { field: 'language', size: 200 } },
      },
    },
    idempotent: true,
    timeoutMs: 60_000,
  })
  const { hits, aggregations } = aggregated.parse(answer)
  return {
    passages: hits.total.value,
    vectors: aggregations.embedded.doc_count,
    length: aggregations.length.value,
    languages: Object.fromEntries(aggregations.languages.buckets.map((b) => [b.key, b.doc_count])),
  }
}

const DOCUMENTS = 10_000
const page = z.object({
  aggregations: z.object({
    documents: z.object({
      buckets: z.array(z.unknown()),
      after_key: z.record(z.string(), z.unknown()).optional(),
    }),
  }),
})

/** One by one, since the cluster's own count of different values is an estimate. @throws Trouble */
export async function countDocuments(cluster: Cluster, index: string, signal?: AbortSignal): Promise<number> {
  for (let counted = 0, after: Record<string, unknown> | undefined; ; ) {
    const sources = [{ document: { terms: { field: 'documentKey' } } }]
    const composite = { size: DOCUMENTS, sources, ...(after === undefined ? {} : { after }) }
    const answer = await cluster.send({
      ...{
        method: 'POST',
        path: `/${index}/_search`,
        query: { allow_partial_search_results: false },
        signal,
      },
      body: { size: 0, track_total_hits: false, aggs: { documents: { composite } } },
      idempotent: true,
      timeoutMs: 60_000,
    })
    const { buckets, after_key } = page.parse(answer).aggregations.documents
    counted += buckets.length
    if (buckets.length < DOCUMENTS || after_key === undefined) return counted
    after = after_key
  }
}
