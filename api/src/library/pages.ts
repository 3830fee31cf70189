// The extracted text of a document, page by page, as the source beside an answer shows it. Text leaves only by a
// query that holds, on the primary, the viewer's right, the document's life and the version's being the current one:
// what was deleted, replaced or forbidden is not handed out, whatever a browser still remembers (promise P5).
import { requireDocument, VISIBLE_COLLECTIONS_SQL } from '../access/collections.ts'
import type { Viewer } from '../access/port.ts'
import type { Pool } from '../database/pool.ts'
import { AppError } from '../errors.ts'

export interface PageList {
  readonly versionId: string
  /** False for a version that is not searched (any more, or yet): its text is not shown. */
  readonly current: boolean
  readonly mediaType: string
  /** Lengths in characters (code points). Empty unless current. */
  readonly pages: { readonly number: number; readonly length: number }[]
}

/** Of the current version, unless one is named. @throws AppError NOT_FOUND */
export async function listPages(
  deps: { pool: Pool },
  viewer: Viewer,
  request: { id: string; versionId?: string | undefined },
): Promise<PageList> {
  const document = await requireDocument(deps.pool, viewer, request.id, 'viewer')
  const { rows } = await deps.pool.query<{ id: string; media_type: string; current: boolean }>(
    `SELECT v.id, v.media_type, d.current_version_id IS NOT DISTINCT FROM v.id AS current
     FROM documents d JOIN document_versions v ON v.document_id = d.id
     WHERE d.id = $1 AND d.deleted_at IS NULL AND v.id = coalesce($2::uuid, d.current_version_id,
       (SELECT n.id FROM document_versions n WHERE n.document_id = d.id ORDER BY n.number DESC LIMIT 1))`,
    [document.id, request.versionId ?? null],
  )
  const version = rows[0]
  if (version === undefined) throw new AppError('NOT_FOUND')
  const pages = version.current
    ? await deps.pool.query<{ number: number; length: number }>(
        'SELECT number, length(text) AS length FROM pages WHERE version_id = $1 ORDER BY number',
        [version.id],
      )
    : { rows: [] }
  return { versionId: version.id, current: version.current, mediaType: version.media_type, pages: pages.rows }
}

/** @throws AppError NOT_FOUND */
export async function getPage(
  deps: { pool: Pool },
  viewer: Viewer,
  request: { id: string; versionId: string; number: number },
): Promise<{ number: number; text: string }> {
  const { rows } = await deps.pool.query<{ number: number; text: string }>({
    name: 'library-page',
    text: `SELECT p.number, p.text FROM documents d JOIN pages p ON p.version_id = d.current_version_id
           WHERE d.id = $2 AND d.current_version_id = $3 AND p.number = $4 AND d.deleted_at IS NULL
             AND d.collection_id IN ${VISIBLE_COLLECTIONS_SQL}`,
    values: [viewer.userId, request.id, request.versionId, request.number],
  })
  const page = rows[0]
  if (page === undefined) throw new AppError('NOT_FOUND')
  return page
}
