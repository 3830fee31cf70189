// Which original a person may download: viewers the version that is searched (or the newest, before any is), those
// who edit the collection every version.
import { requireDocument } from '../access/collections.ts'
import type { Viewer } from '../access/port.ts'
import type { Pool } from '../database/pool.ts'
import { AppError } from '../errors.ts'

export interface Original {
  readonly storageKey: string
  readonly filename: string
  readonly mediaType: string
  readonly bytes: number
  readonly sha256: string
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** @throws AppError NOT_FOUND */
export async function findOriginal(
  deps: { pool: Pool },
  viewer: Viewer,
  versionId: string,
): Promise<Original> {
  if (!UUID.test(versionId)) throw new AppError('NOT_FOUND')
  const { rows } = await deps.pool.query<{
    document_id: string
    storage_key: string
    filename: string
    media_type: string
    bytes: string
    sha256: string
    newest: boolean
  }>(
    `SELECT v.document_id, v.storage_key, v.filename, v.media_type, v.bytes, v.sha256,
            NOT EXISTS (SELECT 1 FROM document_versions n
                        WHERE n.document_id = v.document_id AND n.number > v.number) AS newest
     FROM document_versions v WHERE v.id = $1`,
    [versionId],
  )
  const row = rows[0]
  if (row === undefined) throw new AppError('NOT_FOUND')
  // Asked after the row was read: a right that ended in between has ended.
  const document = await requireDocument(deps.pool, viewer, row.document_id, 'viewer')
  const shown = document.currentVersionId === null ? row.newest : document.currentVersionId === versionId
  if (!shown && document.role === 'viewer') throw new AppError('NOT_FOUND')
  return {
    storageKey: row.storage_key,
    filename: row.filename,
    mediaType: row.media_type,
    bytes: Number(row.bytes),
    sha256: row.sha256,
  }
}
