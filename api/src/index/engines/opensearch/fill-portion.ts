// Passages out of the tables a portion at a time, in the order of documents' keys, each portion by short statements of its own:
// what is read an hour after the fill began holds back no vacuum, and is as it is by then.
import { type Queryable, within } from '../../../database/pool.ts'
import { type End, noteEnd, withEnd } from '../../database-source.ts'
import type { LogEnd } from '../../state.ts'

/** Passages after which a portion ends with the document, and those that one statement reads at most. */
export const PORTION = 500
const DOCUMENTS = 200
const STATEMENT_MS = 30_000

/** A document as searches see it. */
export interface FilledDocument {
  readonly documentKey: number
  readonly collectionKey: number
  readonly versionId: string
  readonly readingId: number
  /** Its vectors are published. */
  readonly embedded: boolean
  /** As many as there may be at most. */
  readonly passages: number
}

export interface FilledPassage {
  readonly document: FilledDocument
  readonly id: number
  readonly language: string
  readonly heading: string
  readonly text: string
  /** Little-endian float32. */
  readonly vector: Buffer | null
}

/**
 * The next documents with about PORTION passages; none: there are no more. Of one at least, however long it is.
 * @param seen told of the log's end by then
 */
export async function nextDocuments(
  db: Queryable,
  lastKey: number,
  reading: number,
  seen: (end: LogEnd) => void,
): Promise<FilledDocument[]> {
  const { rows } = await db.query<End & FilledDocument & { readonly documentKey: number | null }>(
    within(STATEMENT_MS, {
      name: 'fill-documents',
      text: withEnd(
        `SELECT s.*, coalesce((SELECT max(p.ordinal) + 1 FROM passages p
                                     WHERE p.version_id = s."versionId" AND p.reading_id = s."readingId"), 0) AS passages
               FROM (SELECT d.key AS "documentKey", c.key AS "collectionKey", v.id AS "versionId",
                       CASE WHEN v.stage = 'searchable' THEN $2::int ELSE v.reading_id END AS "readingId",
                       v.stage = 'searchable' AS embedded
                     FROM documents d JOIN collections c ON c.id = d.collection_id AND c.deleted_at IS NULL
                     JOIN document_versions v ON v.id = d.current_version_id
                     WHERE d.deleted_at IS NULL AND d.key > $1 ORDER BY d.key LIMIT ${DOCUMENTS}) s`,
        'r."documentKey"',
      ),
      values: [lastKey, reading],
    }),
  )
  noteEnd(rows, seen)
  const documents: FilledDocument[] = []
  let passages = 0
  for (const row of rows)
    if (row.documentKey !== null && passages < PORTION) {
      documents.push(row)
      passages += row.passages
    }
  return documents
}

interface Piece {
  readonly document: FilledDocument
  readonly first: number
  readonly last: number
}

/** Pieces of documents for one statement each. */
function* statements(documents: readonly FilledDocument[]): Generator<Piece[]> {
  let pieces: Piece[] = []
  let room = PORTION
  for (const document of documents)
    for (let first = 0; first < document.passages; ) {
      const last = Math.min(document.passages, first + room) - 1
      pieces.push({ document, first, last })
      room -= last + 1 - first
      first = last + 1
      if (room > 0) continue
      yield pieces
      pieces = []
      room = PORTION
    }
  if (pieces.length > 0) yield pieces
}

interface Row extends End {
  readonly n: string | null
  readonly id: string
  readonly language: string
  readonly heading: string
  readonly text: string
  readonly vector: Buffer | null
}

/**
 * Their passages, in order, and vectors of this generation where they are published. What is changed between two
 * statements is half one and half the other: the log says so, at an entry that `seen` is not behind.
 * @param seen told of the log's end by each
 */
export async function* readPassages(
  db: Queryable,
  documents: readonly FilledDocument[],
  generationId: number,
  seen: (end: LogEnd) => void,
): AsyncGenerator<FilledPassage> {
  for (const pieces of statements(documents)) {
    const { rows } = await db.query<Row>(
      within(STATEMENT_MS, {
        name: 'fill-passages',
        text: withEnd(
          `SELECT t.n, p.ordinal, p.id, p.language, p.heading, p.text, pv.vector
                 FROM unnest($1::uuid[], $2::int[], $3::int[], $4::int[], $5::bool[]) WITH ORDINALITY
                   AS t(version_id, reading_id, first, last, embedded, n)
                 JOIN passages p ON p.version_id = t.version_id AND p.reading_id = t.reading_id
                   AND p.ordinal BETWEEN t.first AND t.last
                 LEFT JOIN passage_vectors pv ON pv.passage_id = p.id AND pv.generation_id = $6 AND t.embedded`,
          'r.n, r.ordinal',
        ),
        values: [
          pieces.map(({ document }) => document.versionId),
          pieces.map(({ document }) => document.readingId),
          pieces.map(({ first }) => first),
          pieces.map(({ last }) => last),
          pieces.map(({ document }) => document.embedded),
          generationId,
        ],
      }),
    )
    noteEnd(rows, seen)
    for (const { n, id, language, heading, text, vector } of rows) {
      const document = pieces[Number(n) - 1]?.document
      if (document !== undefined) yield { document, id: Number(id), language, heading, text, vector }
    }
  }
}
