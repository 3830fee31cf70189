// The extracted text of a document, page by page, as the source beside an answer shows it. Text leaves only by a
// query that holds, on the primary, the viewer's right, the document's life and the version's being the current one:
// what was deleted, replaced or forbidden is not handed out, whatever a browser still remembers (promise P5).
import { requireDocument, VISIBLE_COLLECTIONS_SQL } from '../access/collections.ts'
import type { Viewer } from '../access/port.ts'
import type { Pool } from '../database/pool.ts'
import { AppError } from '../errors.ts'
import { SEEN_READING } from '../ingest/reading.ts'

export interface PageList {
  readonly versionId: string
  /** Of the pages that are listed. */
  readonly readingId: number
  /** False for a version that is not searched (any more, or yet): its text is not shown. */
  readonly current: boolean
  readonly mediaType: string
  /** Lengths in characters (code points). Empty unless current. */
  readonly pages: { readonly number: number; readonly length: number }[]
}

/**
 * In SQL, of a version `v`: the reading that a parameter names, as what was cited is of, while its pages are there; or
 * else the one that searches see.
 */
const shownReading = (parameter: string) => `(CASE WHEN EXISTS (
    SELECT 1 FROM pages asked WHERE asked.version_id = v.id AND asked.reading_id = ${parameter}::int)
  THEN ${parameter}::int ELSE ${SEEN_READING} END)`

/** Of the current version, unless one is named. @throws AppError NOT_FOUND */
export async function listPages(
  deps: { pool: Pool },
  viewer: Viewer,
  request: { id: string; versionId?: string | undefined; readingId?: number | undefined },
): Promise<PageList> {
  const document = await requireDocument(deps.pool, viewer, request.id, 'viewer')
  // One statement: a reading that is removed between two would be listed as a document without pages.
  const { rows } = await deps.pool.query<PageList>(
    `SELECT v.id AS "versionId", shown.reading_id AS "readingId", v.media_type AS "mediaType",
       d.current_version_id IS NOT DISTINCT FROM v.id AS current, coalesce((
         SELECT json_agg(json_build_object('number', p.number, 'length', length(p.text)) ORDER BY p.number)
         FROM pages p WHERE p.version_id = v.id AND p.reading_id = shown.reading_id
           AND d.current_version_id IS NOT DISTINCT FROM v.id), '[]') AS pages
     FROM documents d JOIN document_versions v ON v.document_id = d.id
     CROSS JOIN LATERAL (SELECT ${shownReading('$3')} AS reading_id) shown
     WHERE d.id = $1 AND d.deleted_at IS NULL AND v.id = coalesce($2::uuid, d.current_version_id,
       (SELECT n.id FROM document_versions n WHERE n.document_id = d.id ORDER BY n.number DESC LIMIT 1))`,
    [document.id, request.versionId ?? null, request.readingId ?? null],
  )
  const [list] = rows
  if (list === undefined) throw new AppError('NOT_FOUND')
  return list
}

/** @throws AppError NOT_FOUND */
export async function getPage(
  deps: { pool: Pool },
  viewer: Viewer,
  request: { id: string; versionId: string; readingId?: number | undefined; number: number },
): Promise<{ number: number; readingId: number; text: string }> {
  const { rows } = await deps.pool.query<{ number: number; readingId: number; text: string }>({
    name: 'library-page',
    text: `SELECT p.number, p.reading_id AS "readingId", p.text
           FROM documents d JOIN document_versions v ON v.id = d.current_version_id
           JOIN pages p ON p.version_id = v.id AND p.reading_id = ${shownReading('$5')}
           WHERE d.id = $2 AND d.current_version_id = $3 AND p.number = $4 AND d.deleted_at IS NULL
             AND d.collection_id IN ${VISIBLE_COLLECTIONS_SQL}`,
    values: [viewer.userId, request.id, request.versionId, request.number, request.readingId ?? null],
  })
  const page = rows[0]
  if (page === undefined) throw new AppError('NOT_FOUND')
  return page
}

export interface PageText {
  readonly number: number
  readonly text: string
}

/**
 * At most `count` pages from `from` on, of this very reading: none when that is gone, or when another condition under
 * which a page is handed out does not hold (any more).
 */
export async function getPages(
  deps: { pool: Pool },
  viewer: Viewer,
  request: { id: string; versionId: string; readingId: number; from: number; count: number },
): Promise<PageText[]> {
  const { rows } = await deps.pool.query<PageText>({
    name: 'library-pages',
    text: `SELECT p.number, p.text
           FROM documents d JOIN document_versions v ON v.id = d.current_version_id
           JOIN pages p ON p.version_id = v.id AND p.reading_id = $5
           WHERE d.id = $2 AND d.current_version_id = $3 AND d.deleted_at IS NULL
             AND d.collection_id IN ${VISIBLE_COLLECTIONS_SQL} AND p.number >= $4 AND p.number < $4::int + $6::int
           ORDER BY p.number`,
    values: [viewer.userId, request.id, request.versionId, request.from, request.readingId, request.count],
  })
  return rows
}
