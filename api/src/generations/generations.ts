// Generations of vectors side by side: one is active, another may be built beside it and switched to, the one before is
// kept to go back to. Here: what there is and how far it is. change.ts: what an owner does. fill.ts: the work in the
// background. coverage.ts: the rule that the active one is complete.
import { ERRORS, type ErrorCode, type ErrorDetail } from '../../../contract/errors.ts'
import { VISIBLE_COLLECTIONS_SQL } from '../access/collections.ts'
import type { Viewer } from '../access/port.ts'
import type { Pool } from '../database/pool.ts'
import type { Index } from '../index/port.ts'
import { PARSER, PASSAGE_TOKENS } from '../ingest/reading.ts'
import type { Embedders } from '../models/embedders.ts'
import { EMBEDDER_DIGEST } from '../models/generation.ts'
import { SEARCHABLE_VERSIONS } from './coverage.ts'
import { RATE_SECONDS } from './fill-state.ts'

/** `previous`: kept to go back to. */
export type GenerationState = 'active' | 'building' | 'previous' | 'removing'

export interface ListedGeneration {
  readonly id: number
  /** Of EMBEDDERS; null when it is not there (any more). */
  readonly embedderId: string | null
  /** As the embedder is called in EMBEDDERS, or the model's own name. */
  readonly name: string
  readonly dimensions: number
  readonly state: GenerationState
  /** Tokens that a passage should have, and the number of the parser (ingest/reading.ts). */
  readonly passageTokens: number
  readonly parser: number
  /** Documents that searches see by meaning, and those of them that were read for it. */
  readonly documents: number
  readonly documentsRead: number
  /** Passages of these, and those of them that have a vector of it. */
  readonly passages: number
  readonly embedded: number
  /** Nothing is missing: it can be switched to. */
  readonly ready: boolean
  /** At the present rate; null while that says nothing. */
  readonly secondsLeft: number | null
  readonly passagesPerMinute: number | null
  /** Why it stands still; it goes on by itself. */
  readonly problem: { readonly code: ErrorCode; readonly detail: ErrorDetail } | null
}

export interface ListedEmbedder {
  readonly id: string
  readonly name: string
  readonly host: string | null
  /** Null where it can't be used: its weights are missing. */
  readonly dimensions: number | null
  /** Of its vectors, when there are some, the active one first; see `generations`. */
  readonly generationId: number | null
}

export interface GenerationsOverview {
  readonly generations: readonly ListedGeneration[]
  readonly embedders: readonly ListedEmbedder[]
  /** How long passages can be, in tokens. */
  readonly passageTokens: typeof PASSAGE_TOKENS
  /** The number of this build's parser. */
  readonly parser: number
  /** Whose vectors this server's searches go by at this moment; null without any. */
  readonly searchedId: number | null
}

interface Row {
  readonly id: number
  readonly embedder_digest: string
  readonly passage_tokens: number
  readonly parser: number
  readonly documents: string
  readonly documents_read: string
  readonly model: string | null
  readonly dimensions: number
  readonly state: 'active' | 'building' | 'retired' | 'removing'
  readonly embedded: string | null
  readonly complete: boolean
  readonly rate: number
  readonly age: number
  readonly error_code: string | null
  readonly error_detail: ErrorDetail | null
  /** Of the file that it is about, where the viewer may see it. */
  readonly document_name: string | null
  readonly passages: string
}

export async function listGenerations({
  pool,
  embedders,
  index,
  viewer,
}: {
  readonly pool: Pool
  readonly embedders: Embedders
  readonly index: Pick<Index, 'status'>
  readonly viewer: Pick<Viewer, 'userId'>
}): Promise<GenerationsOverview> {
  const { rows } = await pool.query<Row>(
    `SELECT g.id, ${EMBEDDER_DIGEST} AS embedder_digest, r.passage_tokens, r.parser, g.key->>'model' AS model, g.dimensions, g.state, f.embedded,
       f.complete_at IS NOT NULL AS complete, f.error_code, f.error_detail,
       (SELECT d.name FROM documents d WHERE d.id = (f.error_detail->>'documentId')::uuid AND d.deleted_at IS NULL
          AND d.collection_id IN ${VISIBLE_COLLECTIONS_SQL}) AS document_name,
       coalesce(f.rate * exp(-extract(epoch FROM now() - f.rate_at) / ${RATE_SECONDS}), 0)::float8 AS rate,
       coalesce(extract(epoch FROM now() - f.started_at), 0)::float8 AS age,
       n.documents, n.documents_read, n.passages
     FROM generations g JOIN readings r ON r.id = g.reading_id
     LEFT JOIN generation_fills f ON f.generation_id = g.id
     CROSS JOIN LATERAL (
       SELECT count(*) AS documents, count(vr.version_id) AS documents_read, coalesce(sum(vr.passages), 0) AS passages
       FROM ${SEARCHABLE_VERSIONS}
       LEFT JOIN version_readings vr ON vr.version_id = v.id AND vr.reading_id = g.reading_id) n
     WHERE g.state <> 'removed' ORDER BY g.id`,
    [viewer.userId],
  )
  // The active one last: it is the one that stays.
  const ids = new Map(
    rows
      .toSorted((a, b) => Number(a.state === 'active') - Number(b.state === 'active'))
      .map((row) => [row.embedder_digest, row.id]),
  )
  return {
    generations: rows.map((row) => listed(row, embedders)),
    embedders: embedders.offered.map(({ id, name, host, embedder, digest }) => ({
      ...{ id, name, host },
      dimensions: embedder?.identity.dimensions ?? null,
      generationId: digest === null ? null : (ids.get(digest) ?? null),
    })),
    ...{ passageTokens: PASSAGE_TOKENS, parser: PARSER },
    searchedId: index.status().generation,
  }
}

function listed(row: Row, embedders: Embedders): ListedGeneration {
  const offered = embedders.offered.find(({ digest }) => digest === row.embedder_digest)
  const passages = Number(row.passages)
  const [documents, documentsRead] = [Number(row.documents), Number(row.documents_read)]
  const active = row.state === 'active'
  const embedded = active ? passages : Math.min(passages, Number(row.embedded ?? 0))
  // In its first seconds the rate has not yet forgotten that it began with nothing.
  const rate = row.rate / (1 - Math.exp(-Math.max(1, row.age) / RATE_SECONDS))
  // As many in each of the documents that are still to be read.
  const expected = documentsRead === 0 ? passages : Math.round((passages / documentsRead) * documents)
  const moves = !active && rate >= 0.01 && embedded < expected
  return {
    ...{ id: row.id, dimensions: row.dimensions, documents, documentsRead, passages, embedded },
    ...{ passageTokens: row.passage_tokens, parser: row.parser },
    embedderId: offered?.id ?? null,
    name: offered?.name ?? row.model ?? '',
    state: row.state === 'retired' ? 'previous' : row.state,
    ready: active || (row.complete && documentsRead === documents && embedded === passages),
    secondsLeft: moves ? Math.ceil((expected - embedded) / rate) : null,
    passagesPerMinute: moves ? Math.round(rate * 60) : null,
    problem: problemOf(row),
  }
}

function problemOf({ error_code, error_detail, document_name: name }: Row): ListedGeneration['problem'] {
  if (error_code === null || !isErrorCode(error_code)) return null
  if (error_code !== 'READING_FAILED') return { code: error_code, detail: error_detail ?? {} }
  const files = error_detail?.files ?? 1
  return name === null
    ? { code: 'READING_FAILED_ELSEWHERE', detail: { files } }
    : { code: error_code, detail: { files, name } }
}

/** A newer build's code may stand in the table. */
function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code)
}
