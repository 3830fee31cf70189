// An upload from its first byte to its acceptance: the stream goes to the blob store as it arrives, then `accept`.
// Whatever fails on the way leaves neither blob nor row; what even a crash leaves is named in pending_blobs.
import { randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import type { PgBoss } from 'pg-boss'
import type { Logger } from 'pino'
import { LIMITS } from '../../../contract/limits.ts'
import { requireCollection, requireDocument } from '../access/collections.ts'
import type { Viewer } from '../access/port.ts'
import { type Pool, transaction } from '../database/pool.ts'
import { AppError } from '../errors.ts'
import type { BlobStore } from '../storage/port.ts'
import { type Accepted, accept, type DuplicateChoice, lockContents } from './accept.ts'
import { toStage } from './items.ts'
import { cleanFileName } from './names.ts'

export interface LibraryDeps {
  readonly pool: Pool
  readonly jobs: PgBoss
  readonly blobs: BlobStore
  readonly log: Logger
}

export interface UploadTarget {
  readonly collectionId: string
  /** The file becomes a new version of this document. */
  readonly documentId?: string | undefined
}

/** Asked before a byte is read. @throws AppError NOT_FOUND, FORBIDDEN */
export async function requireUploadTarget(db: Pool, viewer: Viewer, target: UploadTarget): Promise<void> {
  await requireCollection(db, viewer, target.collectionId, 'editor')
  if (target.documentId === undefined) return
  const document = await requireDocument(db, viewer, target.documentId, 'editor')
  if (document.collectionId !== target.collectionId) throw new AppError('NOT_FOUND')
}

/**
 * Stores and accepts one file.
 * @param upload.name as it was sent; cleaned here
 * @throws AppError NOT_FOUND, FORBIDDEN, FILE_EMPTY, TOO_LARGE, STORAGE_FULL
 */
export async function receiveFile(
  deps: LibraryDeps,
  viewer: Viewer,
  upload: UploadTarget & {
    name: string
    duplicate: DuplicateChoice
    drop?: string | undefined
    body: Readable
  },
  options: { maxBytes?: number; signal?: AbortSignal } = {},
): Promise<Accepted> {
  const { key, versionId } = await nameBlob(deps.pool)
  let stored: { bytes: number; sha256: string } | undefined
  let named = false
  try {
    stored = await deps.blobs.put(key, upload.body, { maxBytes: LIMITS.fileBytes, ...options })
    if (stored.bytes === 0) throw new AppError('FILE_EMPTY')
    const accepted = await accept(deps, viewer, {
      collectionId: upload.collectionId,
      documentId: upload.documentId,
      versionId,
      filename: cleanFileName(upload.name),
      duplicate: upload.duplicate,
      drop: upload.drop,
      blob: { key, ...stored },
    })
    named = accepted.storageKey === key
    return accepted
  } catch (error) {
    if (stored === undefined || error instanceof AppError) throw error
    // What got lost may be the answer to COMMIT: then the file is accepted, and only the database knows. Should it
    // not answer either, the blob stays and the sweep decides.
    named = true
    const accepted = await findAccepted(deps.pool, versionId, stored.sha256)
    named = accepted?.storageKey === key
    if (accepted === undefined) throw error
    deps.log.warn({ err: error, versionId }, 'accepted, though the commit was not confirmed')
    return accepted
  } finally {
    if (!named) await dropBlob(deps, key)
  }
}

/** Committed before the first byte is stored, so that a crash at any later point leaves only blobs named here. */
async function nameBlob(pool: Pool): Promise<{ key: string; versionId: string }> {
  const id = randomUUID()
  const key = `originals/${id.slice(0, 2)}/${id}`
  const { rows } = await pool.query<{ version_id: string }>(
    'INSERT INTO pending_blobs (key) VALUES ($1) RETURNING uuidv7() AS version_id',
    [key],
  )
  const row = rows[0]
  if (row === undefined) throw new Error('the blob was not named')
  return { key, versionId: row.version_id }
}

async function findAccepted(pool: Pool, versionId: string, sha256: string): Promise<Accepted | undefined> {
  return transaction(pool, async (client) => {
    // The lost transaction may still be committing; it holds this lock until it has or has not.
    await lockContents(client, sha256)
    const { rows } = await client.query<{ document_id: string; stage: string; storage_key: string }>(
      'SELECT document_id, stage, storage_key FROM document_versions WHERE id = $1',
      [versionId],
    )
    const row = rows[0]
    if (row === undefined) return undefined
    return {
      created: true,
      documentId: row.document_id,
      versionId,
      stage: toStage(row.stage),
      storageKey: row.storage_key,
    }
  })
}

/** The blob first: while its row is there, a crash in between is swept up. */
async function dropBlob(deps: Pick<LibraryDeps, 'pool' | 'blobs' | 'log'>, key: string): Promise<void> {
  try {
    await deps.blobs.delete(key)
    await deps.pool.query('DELETE FROM pending_blobs WHERE key = $1', [key])
  } catch (error) {
    deps.log.warn({ err: error, key }, 'a blob of a refused upload was left; the sweep removes it')
  }
}
