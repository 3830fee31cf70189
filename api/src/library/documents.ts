// What a person does with documents that are there: look, rename, cancel, retry, delete.
import type { PgBoss } from 'pg-boss'
import { LIMITS } from '../../../contract/limits.ts'
import type { DocumentStage } from '../../../contract/stages.ts'
import { requireCollection, requireDocument, VISIBLE_COLLECTIONS_SQL } from '../access/collections.ts'
import type { Viewer } from '../access/port.ts'
import { type Client, type Pool, transaction } from '../database/pool.ts'
import type { Lists } from '../database/reads.ts'
import { AppError } from '../errors.ts'
import { append } from '../index/log.ts'
import { sendIngest, sendJob } from '../jobs/jobs.ts'
import {
  type DocumentItem,
  documentItems,
  isOpen,
  OPEN_STAGES,
  toStage,
  toVersionItem,
  VERSION_COLUMNS,
  type VersionItem,
  type VersionRow,
} from './items.ts'
import { cleanTitle } from './names.ts'
import { CANCEL_CHANNEL, notifyCancel, notifyDocument } from './notices.ts'

export interface DocumentPage {
  readonly items: DocumentItem[]
  /** Null on the last page. */
  readonly nextCursor: string | null
}

/**
 * A collection's documents, newest first. The cursor is the last id seen: ids are UUIDv7, so they sort by time, and
 * what is added or deleted meanwhile neither repeats nor hides a document.
 */
export async function listDocuments(
  deps: { pool: Pool; reads: Lists },
  viewer: Viewer,
  request: { collectionId: string; search?: string | undefined; cursor?: string | undefined; limit: number },
): Promise<DocumentPage> {
  const { role } = await requireCollection(deps.pool, viewer, request.collectionId, 'viewer')
  const search = request.search?.normalize('NFC').trim() ?? ''
  const query = {
    where: `d.collection_id = $1 AND ($2::uuid IS NULL OR d.id < $2) AND ($3 = '' OR d.name ILIKE $3)`,
    tail: 'ORDER BY d.id DESC LIMIT $4',
    values: [
      request.collectionId,
      request.cursor ?? null,
      search === '' ? '' : `%${search.replace(/[\\%_]/g, '\\$&')}%`,
      request.limit + 1,
    ],
    roleOf: () => role,
  }
  const found = await deps.reads.read((db) => documentItems(db, query))
  const page = found.slice(0, request.limit)
  const nextCursor = found.length > request.limit ? (page.at(-1)?.id ?? null) : null
  return { items: deps.reads.mayLag ? await stillVisible(deps.pool, viewer, page) : page, nextCursor }
}

/** Without those that were deleted, or whose collection was closed to the viewer, since the state of a replica. */
async function stillVisible(pool: Pool, viewer: Viewer, items: DocumentItem[]): Promise<DocumentItem[]> {
  const { rows } = await pool.query<{ id: string }>({
    name: 'documents-still-visible',
    text: `SELECT id FROM documents
           WHERE id = ANY($2::uuid[]) AND deleted_at IS NULL AND collection_id IN ${VISIBLE_COLLECTIONS_SQL}`,
    values: [viewer.userId, items.map(({ id }) => id)],
  })
  const ids = new Set(rows.map(({ id }) => id))
  return items.filter(({ id }) => ids.has(id))
}

export async function getDocument(
  deps: { pool: Pool },
  viewer: Viewer,
  id: string,
): Promise<DocumentItem & { versions: VersionItem[] }> {
  const { role } = await requireDocument(deps.pool, viewer, id, 'viewer')
  const [item] = await documentItems(deps.pool, { where: 'd.id = $1', values: [id], roleOf: () => role })
  if (item === undefined) throw new AppError('NOT_FOUND')
  const { rows } = await deps.pool.query<VersionRow>(
    `SELECT ${VERSION_COLUMNS} FROM document_versions v WHERE v.document_id = $1 ORDER BY v.number DESC`,
    [id],
  )
  return { ...item, versions: rows.map(toVersionItem) }
}

export async function renameDocument(
  deps: { pool: Pool },
  viewer: Viewer,
  id: string,
  name: string,
): Promise<void> {
  const cleaned = cleanTitle(name, LIMITS.fileNameLength)
  await transaction(deps.pool, async (client) => {
    await requireDocument(client, viewer, id, 'editor')
    await client.query(
      'UPDATE documents SET name = $2, updated_at = now() WHERE id = $1 AND deleted_at IS NULL',
      [id, cleaned],
    )
    await notifyDocument(client, id)
  })
}

/** Its text leaves answers with this transaction's commit; rows and files go later (purge.ts). */
export async function deleteDocument(
  deps: { pool: Pool; jobs: PgBoss },
  viewer: Viewer,
  id: string,
): Promise<void> {
  await transaction(deps.pool, async (client) => {
    const document = await requireDocument(client, viewer, id, 'editor')
    await retractDocument(deps.jobs, client, document)
  })
}

/** The steps of deleting. Ends with an append: nothing may follow but COMMIT. @throws AppError NOT_FOUND when it is gone */
export async function retractDocument(
  jobs: PgBoss,
  client: Client,
  document: { readonly id: string; readonly key: number; readonly collectionKey: number },
): Promise<void> {
  const { rowCount } = await client.query(
    'UPDATE documents SET deleted_at = now() WHERE id = $1 AND deleted_at IS NULL',
    [document.id],
  )
  if (rowCount === 0) throw new AppError('NOT_FOUND')
  await client.query(
    `WITH stopped AS (UPDATE document_versions SET cancel_requested_at = now()
                      WHERE document_id = $1 AND stage = ANY($2::text[]) RETURNING id)
     SELECT pg_notify('${CANCEL_CHANNEL}', id::text) FROM stopped`,
    [document.id, OPEN_STAGES],
  )
  await notifyDocument(client, document.id)
  await sendJob(jobs, client, 'purge', { documentId: document.id })
  await append(client, {
    op: 'retract',
    collectionKey: document.collectionKey,
    documentKey: document.key,
  })
}

/**
 * Stops the work on the newest version. One that nobody works on yet is cancelled here and now; for another, whoever
 * works on it hears of it (and finds the mark, should the notice be lost). So it is, too, for one that waits to be read
 * again while searches find what it had: that is for ingest to take back, with what was there before.
 * @throws AppError CONFLICT when nothing is being done any more
 */
export async function cancelDocument(deps: { pool: Pool }, viewer: Viewer, id: string): Promise<void> {
  await transaction(deps.pool, async (client) => {
    await requireDocument(client, viewer, id, 'editor')
    const version = await lockNewestVersion(client, id)
    if (!isOpen(version.stage))
      throw new AppError('CONFLICT', { reason: 'it is not being worked on any more' })
    await client.query(
      `UPDATE document_versions v SET cancel_requested_at = now(), updated_at = now(),
              stage = CASE WHEN stage = 'received' AND NOT EXISTS (SELECT 1 FROM documents WHERE current_version_id = v.id)
                THEN 'cancelled' ELSE stage END WHERE id = $1`,
      [version.id],
    )
    await notifyCancel(client, version.id)
    await notifyDocument(client, id)
  })
}

/**
 * Works on the newest version from the beginning, its crashes forgotten.
 * @throws AppError CONFLICT when it neither needs attention nor was cancelled, or waits for resolveDuplicate
 */
export async function retryDocument(
  deps: { pool: Pool; jobs: PgBoss },
  viewer: Viewer,
  id: string,
): Promise<void> {
  await transaction(deps.pool, async (client) => {
    await requireDocument(client, viewer, id, 'editor')
    const version = await lockNewestVersion(client, id)
    if (version.stage !== 'attention' && version.stage !== 'cancelled')
      throw new AppError('CONFLICT', { reason: 'it is being worked on or done' })
    if (version.errorCode === 'DUPLICATE')
      throw new AppError('CONFLICT', { reason: 'it waits for a decision about the same file' })
    await startAgain(deps.jobs, client, id, version)
  })
}

export interface LockedVersion {
  readonly id: string
  readonly number: number
  readonly stage: DocumentStage
  readonly bytes: number
  readonly errorCode: string | null
  readonly errorDetail: Readonly<Record<string, unknown>> | null
}

/** Under the document's lock, so that no newer version appears meanwhile. @throws AppError NOT_FOUND */
export async function lockNewestVersion(client: Client, documentId: string): Promise<LockedVersion> {
  const { rowCount } = await client.query(
    'SELECT 1 FROM documents WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE',
    [documentId],
  )
  const { rows } = await client.query<{
    id: string
    number: number
    stage: string
    bytes: string
    error_code: string | null
    error_detail: Record<string, unknown> | null
  }>(
    `SELECT id, number, stage, bytes, error_code, error_detail FROM document_versions
     WHERE document_id = $1 ORDER BY number DESC LIMIT 1 FOR NO KEY UPDATE`,
    [documentId],
  )
  const row = rows[0]
  if (rowCount === 0 || row === undefined) throw new AppError('NOT_FOUND')
  return {
    id: row.id,
    number: row.number,
    stage: toStage(row.stage),
    bytes: Number(row.bytes),
    errorCode: row.error_code,
    errorDetail: row.error_detail,
  }
}

/** Back to `received`, with a job, in the caller's transaction. */
export async function startAgain(
  jobs: PgBoss,
  client: Client,
  documentId: string,
  version: { readonly id: string; readonly bytes: number },
): Promise<void> {
  await client.query(
    `UPDATE document_versions SET stage = 'received', error_code = NULL, error_detail = NULL, crashes = 0,
            cancel_requested_at = NULL, pages = NULL, pages_parsed = 0, passages = NULL, passages_embedded = 0,
            words_at = NULL, searchable_at = NULL, updated_at = now()
     WHERE id = $1`,
    [version.id],
  )
  await sendIngest(jobs, client, version)
  await notifyDocument(client, documentId)
}
