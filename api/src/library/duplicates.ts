// The same bytes came again and the person was asked: skip, new version, or keep both.
import type { PgBoss } from 'pg-boss'
import { type DocumentGrant, requireDocument } from '../access/collections.ts'
import type { Viewer } from '../access/port.ts'
import { type Client, type Pool, transaction } from '../database/pool.ts'
import { AppError } from '../errors.ts'
import { lockContents } from './accept.ts'
import { type LockedVersion, lockNewestVersion, retractDocument, startAgain } from './documents.ts'
import { notifyDocument } from './notices.ts'
import { leaveToSweep } from './purge.ts'

export const DUPLICATE_ANSWERS = ['skip', 'version', 'keep'] as const
export type DuplicateAnswer = (typeof DUPLICATE_ANSWERS)[number]

/**
 * @param id the document whose newest version waits for the decision
 * @returns the document that the file belongs to now; with `skip` the one that was there before
 * @throws AppError CONFLICT when no decision is waited for, or the file that was there first has gone
 */
export async function resolveDuplicate(
  deps: { pool: Pool; jobs: PgBoss },
  viewer: Viewer,
  id: string,
  choice: DuplicateAnswer,
): Promise<{ documentId: string }> {
  return transaction(deps.pool, async (client) => {
    const document = await requireDocument(client, viewer, id, 'editor')
    // Before any row, as uploads do it.
    await lockContents(client, await newestContents(client, id))
    const version = await lockNewestVersion(client, id)
    if (version.stage !== 'attention' || version.errorCode !== 'DUPLICATE')
      throw new AppError('CONFLICT', { reason: 'it does not wait for a decision' })
    const original = String(version.errorDetail?.documentId ?? '')
    // One that was uploaded as a new version of its document is that already.
    const own = version.number > 1
    if (choice === 'keep' || (choice === 'version' && own)) {
      await startAgain(deps.jobs, client, id, version)
      return { documentId: id }
    }
    if (choice === 'version') {
      await moveVersion(deps.jobs, client, viewer, document, version, original)
      return { documentId: original }
    }
    if (own) await dropVersion(client, id, version)
    else await retractDocument(deps.jobs, client, document)
    return { documentId: original }
  })
}

async function newestContents(client: Client, documentId: string): Promise<string> {
  const { rows } = await client.query<{ sha256: string }>(
    'SELECT sha256 FROM document_versions WHERE document_id = $1 ORDER BY number DESC LIMIT 1',
    [documentId],
  )
  if (rows[0] === undefined) throw new AppError('NOT_FOUND')
  return rows[0].sha256
}

/** The document that was made for the upload goes; its only version becomes the newest one of `to`. */
async function moveVersion(
  jobs: PgBoss,
  client: Client,
  viewer: Viewer,
  from: DocumentGrant,
  version: LockedVersion,
  to: string,
): Promise<void> {
  const { rows } = await client.query<{ collection_id: string }>(
    'UPDATE documents SET updated_at = now() WHERE id::text = $1 AND deleted_at IS NULL RETURNING collection_id',
    [to],
  )
  if (rows[0]?.collection_id !== from.collectionId)
    throw new AppError('CONFLICT', {
      reason: 'the file that was there first has gone, keep this one instead',
    })
  await requireDocument(client, viewer, to, 'editor')
  await client.query(
    `UPDATE document_versions SET document_id = $2,
            number = (SELECT max(number) + 1 FROM document_versions WHERE document_id = $2) WHERE id = $1`,
    [version.id, to],
  )
  await startAgain(jobs, client, to, version)
  await notifyDocument(client, from.id)
  // It was never published: nothing has to be retracted.
  await client.query('DELETE FROM documents WHERE id = $1', [from.id])
}

async function dropVersion(client: Client, documentId: string, version: LockedVersion): Promise<void> {
  const { rows } = await client.query<{ storage_key: string }>(
    'DELETE FROM document_versions WHERE id = $1 RETURNING storage_key',
    [version.id],
  )
  for (const { storage_key } of rows) await leaveToSweep(client, storage_key)
  await notifyDocument(client, documentId)
}
