// Whether the cluster holds what the tables say, document by document: what was deleted is gone, nothing is missing, no
// passage is left of an older version. A cluster that was restored, or has lost a shard's last writes, does not tell. What
// differs is written again. Looked at in portions of documents, each at a moment when the index is at the log's very end,
// so that a difference is one and not a change on its way. Texts and vectors are not compared: they never change under a
// passage's id.
import type { Logger } from 'pino'
import { z } from 'zod'
import { type Client, isCanceled, type Pool, transaction, within } from '../../../database/pool.ts'
import { activeReading, seen } from '../../rebuild.ts'
import type { Source } from '../../source.ts'
import { type Cluster, Trouble } from './cluster.ts'
import type { Held, IndexWriter } from './writer.ts'

/** When a writer begins, and then so often. */
const EVERY_MS = 60 * 60_000
/** Keys of documents at a time; half of that where there is not the time for so many, since they may be long ones. */
const PORTION = 100
const PORTION_MS = 5_000
/** In which documents are written again before the log is looked at once more. */
const CORRECTING_MS = 1_000
/** To the next try where the log went on meanwhile, and where it failed. */
const BUSY_MS = 5_000
const FAILED_MS = 60_000

export interface AuditOptions {
  readonly pool: Pool
  readonly cluster: Cluster
  readonly log: Logger
  readonly signal: AbortSignal
  /** Default 100. */
  readonly portion?: number
  /** Milliseconds from the end of one look at everything to the next. Default an hour. */
  readonly everyMs?: number
  /** Milliseconds to the next try where the log went on meanwhile. Default 5,000. */
  readonly busyMs?: number
  /** The same where one failed. Default a minute. */
  readonly failedMs?: number
}

export class Audit {
  readonly #options: Required<AuditOptions>
  #portion: number
  #trouble: string | null = null
  #dueAt = 0
  /** Keys that are still to be looked at, of an audit under way. */
  #left: { from: number; readonly to: number } | null = null
  /** Documents that were written again and still differ, with what was there then: the cluster refuses some of it. */
  readonly #kept = new Map<number, string>()

  constructor(options: AuditOptions) {
    const defaults = { portion: PORTION, everyMs: EVERY_MS, busyMs: BUSY_MS, failedMs: FAILED_MS }
    this.#options = { ...defaults, ...options }
    this.#portion = this.#options.portion
  }

  /**
   * Looks at one portion, where it is time: called while nothing is half written, again and again. It is nobody's trouble but
   * its own: what fails is told of once, and the same portion is looked at later.
   * @returns false: what was written again for it has to be forgotten (`rewind`)
   * @throws Trouble `missing`: the index is gone
   */
  async step(writer: IndexWriter, source: Source): Promise<boolean> {
    if (performance.now() < this.#dueAt) return true
    try {
      await this.#look(writer, source)
      this.#trouble = null
      return true
    } catch (error) {
      if (error instanceof Trouble && error.kind === 'missing') throw error
      this.#options.signal.throwIfAborted()
      if (isLate(error)) this.#portion = Math.max(1, this.#portion >> 1)
      this.#dueAt = performance.now() + this.#options.failedMs
      const sentence = error instanceof Error ? error.message : String(error)
      if (sentence !== this.#trouble)
        this.#options.log.warn(
          { err: error },
          `OpenSearch can not be compared with the database: ${sentence}`,
        )
      this.#trouble = sentence
      return false
    }
  }

  async #look(writer: IndexWriter, source: Source): Promise<void> {
    this.#left ??= { from: 0, to: await this.#lastKey(writer.index) }
    const left = this.#left
    const to = left.from + this.#portion
    const there = await this.#inCluster(writer.index, left.from, to)
    const wanted = await this.#inTables(writer, left.from, to)
    // Something was published meanwhile: looked at again once that is written.
    if (wanted === null) {
      this.#dueAt = performance.now() + this.#options.busyMs
      return
    }
    const { corrected, whole } = await this.#correct(writer, source, there, wanted)
    if (corrected) await writer.show()
    if (!whole) return
    this.#portion = Math.min(2 * this.#portion, this.#options.portion)
    if (to <= left.to) left.from = to
    else {
      this.#left = null
      this.#dueAt = performance.now() + this.#options.everyMs
    }
  }

  async #correct(
    writer: IndexWriter,
    source: Source,
    there: ReadonlyMap<number, Found>,
    wanted: ReadonlyMap<number, Held & Found>,
  ): Promise<{ corrected: boolean; whole: boolean }> {
    const until = performance.now() + CORRECTING_MS
    let corrected = false
    for (const key of new Set([...there.keys(), ...wanted.keys()])) {
      const [has, needs] = [sayOf(there.get(key)), sayOf(wanted.get(key))]
      if (has === needs) this.#kept.delete(key)
      if (has === needs || this.#kept.get(key) === has) continue
      // The others are found again by the next look at the same portion.
      if (corrected && performance.now() > until) return { corrected, whole: false }
      this.#options.log.warn(
        { document: key, there: has, wanted: needs },
        'OpenSearch does not hold what the database says of a document: it is written again',
      )
      await writer.correct(key, wanted.get(key) ?? null, source)
      this.#kept.set(key, has)
      corrected = true
    }
    return { corrected, whole: true }
  }

  async #lastKey(index: string): Promise<number> {
    const body = { size: 0, track_total_hits: false, aggs: { last: { max: { field: 'documentKey' } } } }
    const { aggregations } = lastKey.parse(await this.#search(index, body))
    const { rows } = await this.#options.pool.query<{ last: number | null }>(
      within(PORTION_MS, { text: 'SELECT max(key) AS last FROM documents' }),
    )
    return Math.max(aggregations.last.value ?? 0, rows[0]?.last ?? 0)
  }

  /** Documents with keys from `from` to below `to`. */
  async #inCluster(index: string, from: number, to: number): Promise<Map<number, Found>> {
    const aggs = {
      embedded: { filter: { term: { embedded: true } } },
      ids: { sum: { field: 'passageId' } },
      // Where one was left in another collection they are two.
      ...{ first: { min: { field: 'collectionKey' } }, last: { max: { field: 'collectionKey' } } },
    }
    const body = {
      ...{ size: 0, track_total_hits: false, query: { range: { documentKey: { gte: from, lt: to } } } },
      aggs: { documents: { terms: { field: 'documentKey', size: to - from }, aggs } },
    }
    const { aggregations } = documents.parse(await this.#search(index, body))
    return new Map(
      aggregations.documents.buckets.map((bucket) => [
        bucket.key,
        {
          ...{ passages: bucket.doc_count, vectors: bucket.embedded.doc_count, ids: bucket.ids.value },
          collections: [bucket.first.value ?? 0, bucket.last.value ?? 0] as const,
        },
      ]),
    )
  }

  async #search(index: string, body: object): Promise<unknown> {
    return this.#options.cluster.send({
      ...{ method: 'POST', path: `/${index}/_search`, query: { allow_partial_search_results: false }, body },
      ...{ idempotent: true, timeoutMs: PORTION_MS, signal: this.#options.signal },
    })
  }

  /** Null where the index is not at the end of the log, as the statement sees it. */
  async #inTables(
    { position, generation }: IndexWriter,
    from: number,
    to: number,
  ): Promise<Map<number, Held & Found> | null> {
    const { pool } = this.#options
    const reading = await activeReading(pool)
    const { rows } = await briefly(pool, (client) =>
      client.query<Row>(
        within(PORTION_MS + 500, {
          text: `SELECT h.epoch, h.seq, r.* FROM index_head h LEFT JOIN LATERAL (
                 SELECT d.key, c.key AS collection, v.id AS version, p.reading_id AS reading,
                   count(*)::int AS passages, count(pv.passage_id)::int AS vectors, sum(p.id)::text AS ids
                 ${seen(reading)}
                 LEFT JOIN passage_vectors pv ON pv.passage_id = p.id AND pv.generation_id = $3
                   AND v.stage = 'searchable'
                 WHERE d.deleted_at IS NULL AND d.key >= $1 AND d.key < $2
                 GROUP BY d.key, c.key, v.id, p.reading_id) r ON true
               WHERE h.id = 1`,
          values: [from, to, generation?.id ?? 0],
        }),
      ),
    )
    const [head] = rows
    if (head === undefined || head.epoch !== position.epoch || Number(head.seq) !== position.seq) return null
    return new Map(
      rows.flatMap((row) => (row.key === null ? [] : [[row.key, heldOf(row)] as [number, Held & Found]])),
    )
  }
}

/** What tells one state of a document from another. */
interface Found {
  readonly passages: number
  readonly vectors: number
  /** Their sum. */
  readonly ids: number
  /** The least and the greatest key among its passages. */
  readonly collections: readonly [number, number]
}

/** Given up by the database too, which would go on with it: many documents may be long. */
const briefly = <T>(pool: Pool, work: (client: Client) => Promise<T>): Promise<T> =>
  transaction(pool, async (client) => {
    await client.query(`SET LOCAL statement_timeout = ${PORTION_MS}`)
    return work(client)
  })

/** Whether there was not the time for so much, in the database or in the cluster. */
function isLate(error: unknown): boolean {
  if (error instanceof Trouble) return error.cause instanceof Error && error.cause.name === 'TimeoutError'
  return isCanceled(error)
}

interface Row extends Pick<Found, 'passages' | 'vectors'> {
  readonly epoch: string
  readonly seq: string
  /** Null: no document has these keys. */
  readonly key: number | null
  readonly collection: number
  readonly version: string
  readonly reading: number
  readonly ids: string
}

const heldOf = ({ collection, version, reading, passages, vectors, ids }: Row): Held & Found => ({
  ...{ collectionKey: collection, versionId: version, readingId: reading, embedded: vectors > 0 },
  ...{ passages, vectors, ids: Number(ids), collections: [collection, collection] },
})

const sayOf = (found?: Found): string =>
  found === undefined
    ? 'nothing'
    : `${found.passages} passages, ${found.vectors} with vectors, ids ${found.ids}, collection ${[...new Set(found.collections)].join(' and ')}`

/** Null where none of them has the field. */
const extreme = z.object({ value: z.number().nullable() })
const lastKey = z.object({ aggregations: z.object({ last: extreme }) })
const documents = z.object({
  aggregations: z.object({
    documents: z.object({
      buckets: z.array(
        z.object({
          ...{ key: z.number(), doc_count: z.number() },
          embedded: z.object({ doc_count: z.number() }),
          ...{ ids: z.object({ value: z.number() }), first: extreme },
          last: extreme,
        }),
      ),
    }),
  }),
})
