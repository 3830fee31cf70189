// Passages, vectors and log entries as PostgreSQL has them. Read from the primary: the index follows its log.
// Whatever is asked here is given up soon when nothing is said to it: searches of everybody go by what comes of it.
import { BRIEF_MS, type Queryable, within } from '../database/pool.ts'
import type { LogRow } from './apply.ts'
import type { Generation, PassageRow, Source, VectorRow } from './source.ts'
import type { LogEnd, LogPosition } from './state.ts'

const PORTION = 500
/** Of rows that may have to come from a disk. To begin an entry anew costs more than to wait. */
const PORTION_MS = 30_000

export function databaseSource(db: Queryable): Source {
  let seen: LogEnd | null = null
  const note = (end: LogEnd) => {
    seen = end
  }
  return {
    seen: () => seen,
    passages: (versionId, readingId) => passagesOf(db, versionId, readingId, note),
    vectors: (versionId, generationId) => vectorsOf(db, versionId, generationId, note),
    activeGeneration: () => activeGeneration(db),
  }
}

/** The log's end, in the snapshot that rows were read in: with each row, and alone where there is none. */
export interface End {
  readonly head: string
  readonly head_id: string | null
}

/** @param order of the rows, as `r` */
export const withEnd = (rows: string, order = 'r.ordinal') => `SELECT h.seq AS head, e.id AS head_id, r.*
  FROM index_head h LEFT JOIN index_log e ON e.seq = h.seq LEFT JOIN LATERAL (${rows}) r ON true
  WHERE h.id = 1 ORDER BY ${order}`

/** @param seen told of the end, where the log still has its entry */
export function noteEnd([row]: readonly End[], seen: (end: LogEnd) => void): void {
  if (row !== undefined && row.head_id !== null) seen({ seq: Number(row.head), id: row.head_id })
}

/** The rows, without the one that only says where the log ends. */
function noted<R extends End & { id: string | null }>(
  rows: readonly R[],
  note: (end: LogEnd) => void,
): (R & { id: string })[] {
  noteEnd(rows, note)
  return rows.filter((row): row is R & { id: string } => row.id !== null)
}

async function* passagesOf(
  db: Queryable,
  versionId: string,
  readingId: number,
  note: (end: LogEnd) => void,
): AsyncGenerator<PassageRow[]> {
  for (let last = -1; ; ) {
    const { rows: read } = await db.query<{
      head: string
      head_id: string | null
      id: string | null
      ordinal: number
      language: string
      heading: string
      text: string
    }>(
      within(PORTION_MS, {
        name: 'index-passages',
        text: withEnd(`SELECT id, ordinal, language, heading, text FROM passages
                       WHERE version_id = $1 AND reading_id = $2 AND ordinal > $3
                       ORDER BY ordinal LIMIT ${PORTION}`),
        values: [versionId, readingId, last],
      }),
    )
    const rows = noted(read, note)
    if (rows.length > 0)
      yield rows.map(({ id, language, heading, text }) => ({ id: Number(id), language, heading, text }))
    if (rows.length < PORTION) return
    last = rows.at(-1)?.ordinal ?? last
  }
}

async function* vectorsOf(
  db: Queryable,
  versionId: string,
  generationId: number,
  note: (end: LogEnd) => void,
): AsyncGenerator<VectorRow[]> {
  for (let last = -1; ; ) {
    const { rows: read } = await db.query<End & { id: string | null; ordinal: number; vector: Buffer }>(
      within(PORTION_MS, {
        name: 'index-vectors',
        text: withEnd(`SELECT p.id, p.ordinal, v.vector FROM passages p
                       JOIN passage_vectors v ON v.passage_id = p.id AND v.generation_id = $2
                       WHERE p.version_id = $1 AND p.ordinal > $3
                         AND p.reading_id = (SELECT reading_id FROM generations WHERE id = $2)
                       ORDER BY p.ordinal LIMIT ${PORTION}`),
        values: [versionId, generationId, last],
      }),
    )
    const rows = noted(read, note)
    if (rows.length > 0) yield rows.map((row) => ({ passageId: Number(row.id), vector: row.vector }))
    if (rows.length < PORTION) return
    last = rows.at(-1)?.ordinal ?? last
  }
}

export async function activeGeneration(db: Queryable): Promise<Generation | null> {
  const { rows } = await db.query<{ id: number; dimensions: number }>(
    within(BRIEF_MS, {
      text: "SELECT id, dimensions FROM generations WHERE state = 'active' ORDER BY id LIMIT 1",
    }),
  )
  return rows[0] ?? null
}

/**
 * Whether the active generation has changed after a position. A checkpoint from before can't be continued, not even when
 * its generation is active again: it has no vectors of what was published in between.
 */
export async function switchedSince(db: Queryable, seq: number): Promise<boolean> {
  const { rows } = await db.query<{ switched: boolean }>(
    within(BRIEF_MS, {
      text: "SELECT EXISTS (SELECT 1 FROM index_log WHERE seq > $1 AND op = 'switch-generation') AS switched",
      values: [seq],
    }),
  )
  return rows[0]?.switched === true
}

export interface LogReading {
  readonly head: { readonly epoch: string; readonly seq: number }
  /** Id of the entry at the position asked for; null when there is none (any more). */
  readonly entryId: string | null
  /** Id of the entry that the position has seen beyond itself; null when there is none (any more). */
  readonly seenId: string | null
  /** Entries after it, in order. */
  readonly entries: readonly LogRow[]
}

export const LOG_PORTION = 200

/** Head, own entry and what follows, in one statement: one snapshot, one round trip. */
export async function readLog(
  db: Queryable,
  { seq: after, seen }: Pick<LogPosition, 'seq' | 'seen'>,
): Promise<LogReading> {
  const { rows } = await db.query<{
    head_epoch: string
    head_seq: string
    own_id: string | null
    seen_id: string | null
    seq: string | null
    id: string
    epoch: string
    op: string
    collection_key: number | null
    document_key: number | null
    version_id: string | null
    generation_id: number | null
    reading_id: number | null
    user_id: string | null
  }>(
    within(BRIEF_MS, {
      name: 'index-log',
      text: `SELECT h.epoch AS head_epoch, h.seq AS head_seq, own.id AS own_id, far.id AS seen_id, l.*
             FROM index_head h
             LEFT JOIN index_log own ON own.seq = $1
             LEFT JOIN index_log far ON far.seq = $2
             LEFT JOIN LATERAL (
               SELECT seq, id, epoch, op, collection_key, document_key, version_id, generation_id, reading_id,
                 user_id
               FROM index_log WHERE seq > $1 ORDER BY seq LIMIT ${LOG_PORTION}) l ON true
             WHERE h.id = 1 ORDER BY l.seq`,
      values: [after, seen?.seq ?? null],
    }),
  )
  const first = rows[0]
  if (first === undefined) throw new Error('index_head has no row: the first migration did not run')
  return {
    head: { epoch: first.head_epoch, seq: Number(first.head_seq) },
    entryId: first.own_id,
    seenId: first.seen_id,
    entries: rows.flatMap((row) =>
      row.seq === null
        ? []
        : [
            {
              seq: Number(row.seq),
              id: row.id,
              epoch: row.epoch,
              op: row.op,
              collectionKey: row.collection_key,
              documentKey: row.document_key,
              versionId: row.version_id,
              generationId: row.generation_id,
              readingId: row.reading_id,
              userId: row.user_id,
            },
          ],
    ),
  }
}
