// The moment a file is accepted: its bytes are stored, then one transaction makes its rows and its job. Before that
// commit nothing of it counts, after it nothing but losing the database loses it.
import type { PgBoss } from 'pg-boss'
import type { ErrorDetail } from '../../../contract/errors.ts'
import type { DocumentStage } from '../../../contract/stages.ts'
import { requireCollection, requireDocument } from '../access/collections.ts'
import type { Viewer } from '../access/port.ts'
import { type Client, type Pool, transaction } from '../database/pool.ts'
import { AppError } from '../errors.ts'
import { sendIngest } from '../jobs/jobs.ts'
import type { BlobStore } from '../storage/port.ts'
import { toStage } from './items.ts'
import { mediaTypeOf } from './media-types.ts'
import { notifyDocument } from './notices.ts'

/** What to do when the same bytes are in the collection already. */
export const DUPLICATE_CHOICES = ['ask', 'skip', 'version', 'keep'] as const
export type DuplicateChoice = (typeof DUPLICATE_CHOICES)[number]

export interface Offer {
  readonly collectionId: string
  /** The file becomes a new version of this document, which lies in that collection. */
  readonly documentId: string | undefined
  /** The id that the version gets: known beforehand, it tells later whether a lost commit happened. */
  readonly versionId: string
  /** Already cleaned. */
  readonly filename: string
  readonly duplicate: DuplicateChoice
  /** Of jobs/queues.ts. */
  readonly drop: string | undefined
  readonly blob: { readonly key: string; readonly bytes: number; readonly sha256: string }
}

export interface Accepted {
  /**
   * False when the file was there and `skip` was chosen: the ids are those of what is there. For a new version of a
   * document, there means: as the newest version of that document.
   */
  readonly created: boolean
  readonly documentId: string
  readonly versionId: string
  readonly stage: DocumentStage
  readonly duplicateOf?: { readonly documentId: string; readonly name: string }
  /** The blob that the version names: the offered one, or one with the same bytes that was there before. */
  readonly storageKey: string
}

/** @throws AppError NOT_FOUND, FORBIDDEN: what was allowed when the upload began may have ended since */
export async function accept(
  deps: { pool: Pool; jobs: PgBoss; blobs: BlobStore },
  viewer: Viewer,
  offer: Offer,
): Promise<Accepted> {
  return transaction(deps.pool, async (client) => {
    // Deleting the collection waits for this transaction, or this one finds it deleted.
    await client.query('SELECT 1 FROM collections WHERE id = $1 FOR SHARE', [offer.collectionId])
    await requireCollection(client, viewer, offer.collectionId, 'editor')
    if (offer.documentId !== undefined)
      await requireTarget(client, viewer, offer.documentId, offer.collectionId)
    await lockContents(client, offer.blob.sha256)
    // A version that somebody wants is skipped only where it has arrived already, not where others have its bytes.
    const only = offer.duplicate === 'skip' ? offer.documentId : undefined
    const same = await findSame(client, offer.collectionId, offer.blob.sha256, only)
    const duplicateOf = same === null ? {} : { duplicateOf: { documentId: same.documentId, name: same.name } }
    if (same !== null && offer.duplicate === 'skip')
      return {
        created: false,
        documentId: same.documentId,
        versionId: same.versionId,
        stage: same.stage,
        storageKey: same.storageKey,
        ...duplicateOf,
      }
    const asks = same !== null && offer.duplicate === 'ask'
    const target = offer.documentId ?? (offer.duplicate === 'version' ? same?.documentId : undefined)
    const version = await insertVersion(client, viewer, offer, {
      documentId: target ?? (await insertDocument(client, viewer, offer)),
      storageKey: await sharedBlob(client, deps.blobs, offer.blob),
      duplicateOf: asks ? duplicateOf.duplicateOf : undefined,
    })
    await client.query('DELETE FROM pending_blobs WHERE key = $1', [version.storageKey])
    if (!asks)
      await sendIngest(deps.jobs, client, { id: version.versionId, bytes: offer.blob.bytes }, offer.drop)
    await notifyDocument(client, version.documentId)
    return { created: true, ...version, ...duplicateOf }
  })
}

async function requireTarget(
  client: Client,
  viewer: Viewer,
  documentId: string,
  collectionId: string,
): Promise<void> {
  const document = await requireDocument(client, viewer, documentId, 'editor')
  if (document.collectionId !== collectionId) throw new AppError('NOT_FOUND')
}

/**
 * Uploads of the same bytes go one after the other: the second sees the first. Purging takes the same lock before
 * it decides that nobody else names a blob.
 */
export async function lockContents(client: Client, sha256: string): Promise<void> {
  await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [sha256])
}

interface SameFile {
  readonly documentId: string
  readonly name: string
  readonly versionId: string
  readonly stage: DocumentStage
  readonly storageKey: string
}

/**
 * A document of the collection whose newest version has these bytes; one that waits for a decision itself comes
 * last. What was cancelled does not count: who uploads it again wants it.
 * @param only the one document that is looked at
 */
async function findSame(
  client: Client,
  collectionId: string,
  sha256: string,
  only: string | undefined,
): Promise<SameFile | null> {
  const { rows } = await client.query<{
    document_id: string
    name: string
    version_id: string
    stage: string
    storage_key: string
  }>(
    `SELECT d.id AS document_id, d.name, v.id AS version_id, v.stage, v.storage_key
     FROM document_versions v JOIN documents d ON d.id = v.document_id
     WHERE v.sha256 = $2 AND d.collection_id = $1 AND d.deleted_at IS NULL AND v.stage <> 'cancelled'
       AND ($3::uuid IS NULL OR d.id = $3)
       AND NOT EXISTS (SELECT 1 FROM document_versions n WHERE n.document_id = d.id AND n.number > v.number)
     ORDER BY v.error_code IS NOT DISTINCT FROM 'DUPLICATE', v.id LIMIT 1`,
    [collectionId, sha256, only ?? null],
  )
  const row = rows[0]
  if (row === undefined) return null
  return {
    documentId: row.document_id,
    name: row.name,
    versionId: row.version_id,
    stage: toStage(row.stage),
    storageKey: row.storage_key,
  }
}

/** A stored blob with the same bytes, of whatever collection, or the offered one: bytes are kept once. */
async function sharedBlob(client: Client, blobs: BlobStore, offered: Offer['blob']): Promise<string> {
  // Only of documents that are not deleted: a purge of a deleted one may have removed the blob and failed to commit.
  const { rows } = await client.query<{ storage_key: string }>(
    `SELECT v.storage_key FROM document_versions v JOIN documents d ON d.id = v.document_id
     WHERE v.sha256 = $1 AND v.bytes = $2 AND d.deleted_at IS NULL ORDER BY v.id LIMIT 1`,
    [offered.sha256, offered.bytes],
  )
  const key = rows[0]?.storage_key
  return key !== undefined && (await blobs.size(key)) === offered.bytes ? key : offered.key
}

async function insertDocument(client: Client, viewer: Viewer, offer: Offer): Promise<string> {
  const { rows } = await client.query<{ id: string }>(
    'INSERT INTO documents (collection_id, name, created_by) VALUES ($1, $2, $3) RETURNING id',
    [offer.collectionId, offer.filename, viewer.userId],
  )
  const row = rows[0]
  if (row === undefined) throw new Error('the document was not inserted')
  return row.id
}

async function insertVersion(
  client: Client,
  viewer: Viewer,
  offer: Offer,
  version: { documentId: string; storageKey: string; duplicateOf: ErrorDetail | undefined },
): Promise<{ documentId: string; versionId: string; stage: DocumentStage; storageKey: string }> {
  // The document's lock keeps the numbers without gaps and without a clash. It may have been deleted while we waited:
  // a file that is accepted into it would vanish without a word.
  const { rowCount } = await client.query(
    'UPDATE documents SET updated_at = now() WHERE id = $1 AND deleted_at IS NULL',
    [version.documentId],
  )
  if (rowCount === 0) throw new AppError('NOT_FOUND')
  const stage: DocumentStage = version.duplicateOf === undefined ? 'received' : 'attention'
  await client.query(
    `INSERT INTO document_versions
       (id, document_id, number, filename, media_type, bytes, sha256, storage_key, stage, error_code, error_detail,
        created_by)
     SELECT $11, $1, coalesce(max(number), 0) + 1, $2, $3, $4, $5, $6, $7, $8, $9, $10
     FROM document_versions WHERE document_id = $1`,
    [
      version.documentId,
      offer.filename,
      mediaTypeOf(offer.filename),
      offer.blob.bytes,
      offer.blob.sha256,
      version.storageKey,
      stage,
      version.duplicateOf === undefined ? null : 'DUPLICATE',
      version.duplicateOf === undefined ? null : JSON.stringify(version.duplicateOf),
      viewer.userId,
      offer.versionId,
    ],
  )
  return { documentId: version.documentId, versionId: offer.versionId, stage, storageKey: version.storageKey }
}
