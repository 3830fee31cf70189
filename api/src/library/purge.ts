// What was deleted goes for good: vectors, passages, pages, rows, and blobs that no other version names. Runs in
// the API process as jobs of the queue `purge`; every step may be done again after a crash at any point.
// The sweep, every so often, removes blobs that were stored and never named, pieces of blobs that were never finished,
// and whatever a lost job left.
import type { PgBoss } from 'pg-boss'
import type { Logger } from 'pino'
import { type Client, type Pool, type Queryable, transaction } from '../database/pool.ts'
import type { BlobStore } from '../storage/port.ts'
import { lockContents } from './accept.ts'

export interface PurgeDeps {
  readonly pool: Pool
  readonly blobs: BlobStore
  readonly jobs: PgBoss
  readonly log: Logger
}

export interface Purge {
  stop(): Promise<void>
}

const SWEEP_EVERY_MS = 15 * 60_000
/** An upload is over (http/files.ts) well before its blob is called left behind. */
const PENDING_HOURS = 3
/** A purge job has had this long. */
const DELETED_HOURS = 1
/** Passages removed in one statement: short locks, little to write again when it fails. */
const BATCH = 2_000

type PurgeJob = { readonly documentId: string } | { readonly collectionId: string }

/** Starts working on the queue. The queue has to exist (startJobs). */
export async function startPurge(deps: PurgeDeps): Promise<Purge> {
  const worker: string = await deps.jobs.work<PurgeJob>('purge', async (jobs) => {
    for (const { data } of jobs)
      if ('documentId' in data) await purgeDocument(deps, data.documentId)
      else await purgeCollection(deps, data.collectionId)
    // On to the next at once: pg-boss would wait for its next poll with jobs in the queue.
    deps.jobs.notifyWorker(worker)
  })
  let sweeping: Promise<void> | undefined
  const run = () => {
    sweeping ??= sweep(deps)
      .catch((err: unknown) => deps.log.warn({ err }, 'the sweep failed and is tried again later'))
      .finally(() => {
        sweeping = undefined
      })
  }
  const timer = setInterval(run, SWEEP_EVERY_MS)
  run()
  return {
    async stop() {
      clearInterval(timer)
      await deps.jobs.offWork('purge', { id: worker })
      await sweeping
    },
  }
}

/** Does nothing when the document is not deleted, or gone already. */
export async function purgeDocument(deps: Omit<PurgeDeps, 'jobs'>, documentId: string): Promise<void> {
  const { rows } = await deps.pool.query<{ id: string; sha256: string }>(
    `SELECT v.id, v.sha256 FROM documents d JOIN document_versions v ON v.document_id = d.id
     WHERE d.id = $1 AND d.deleted_at IS NOT NULL`,
    [documentId],
  )
  for (const { id } of rows) await removePassages(deps.pool, id)
  const blobs = await transaction(deps.pool, async (client) => {
    for (const sha256 of [...new Set(rows.map((row) => row.sha256))].sort())
      await lockContents(client, sha256)
    // Also where it has no versions: nothing of a document that is not deleted may be touched.
    const { rowCount } = await client.query(
      'SELECT 1 FROM documents WHERE id = $1 AND deleted_at IS NOT NULL FOR UPDATE',
      [documentId],
    )
    if (rowCount === 0) return 0
    const keys = await ownBlobs(client, documentId)
    // Before the rows: after a failure in between the rows still say what is to be removed.
    for (const key of keys) await deps.blobs.delete(key)
    await client.query('DELETE FROM documents WHERE id = $1', [documentId])
    return keys.length
  })
  if (rows.length > 0) deps.log.info({ documentId, versions: rows.length, blobs }, 'purged a document')
}

async function removePassages(pool: Pool, versionId: string): Promise<void> {
  for (let removed = BATCH; removed === BATCH; ) {
    const { rowCount } = await pool.query(
      `DELETE FROM passages WHERE id IN (SELECT id FROM passages WHERE version_id = $1 ORDER BY ordinal LIMIT ${BATCH})`,
      [versionId],
    )
    removed = rowCount ?? 0
  }
}

/** Blobs of the document that no version of another one names; a deleted one's counts until that is purged itself. */
async function ownBlobs(client: Client, documentId: string): Promise<string[]> {
  const { rows } = await client.query<{ storage_key: string }>(
    `SELECT DISTINCT v.storage_key FROM document_versions v WHERE v.document_id = $1 AND NOT EXISTS (
       SELECT 1 FROM document_versions o
       WHERE o.sha256 = v.sha256 AND o.storage_key = v.storage_key AND o.document_id <> $1)`,
    [documentId],
  )
  return rows.map((row) => row.storage_key)
}

export async function purgeCollection(deps: Omit<PurgeDeps, 'jobs'>, collectionId: string): Promise<void> {
  for (;;) {
    const { rows } = await deps.pool.query<{ id: string }>(
      `SELECT d.id FROM documents d JOIN collections c ON c.id = d.collection_id
       WHERE c.id = $1 AND c.deleted_at IS NOT NULL AND d.deleted_at IS NOT NULL LIMIT 100`,
      [collectionId],
    )
    if (rows.length === 0) break
    for (const { id } of rows) await purgeDocument(deps, id)
  }
  // Its documents were deleted with it; should one be left that is not, the collection stays and says so.
  const { rowCount } = await deps.pool.query(
    `DELETE FROM collections c WHERE c.id = $1 AND c.deleted_at IS NOT NULL
       AND NOT EXISTS (SELECT 1 FROM documents d WHERE d.collection_id = c.id)`,
    [collectionId],
  )
  if (rowCount) deps.log.info({ collectionId }, 'purged a collection')
}

/** A blob that may have lost its last name: the sweep looks, and removes it when that is so. */
export async function leaveToSweep(client: Queryable, key: string): Promise<void> {
  await client.query(
    `INSERT INTO pending_blobs (key, created_at) VALUES ($1, now() - make_interval(hours => ${PENDING_HOURS}))
     ON CONFLICT (key) DO NOTHING`,
    [key],
  )
}

/** Blobs without a name, deleted documents and collections whose job was lost, and deleted chats with their messages. */
export async function sweep(deps: Omit<PurgeDeps, 'jobs'>): Promise<void> {
  const { rows: pending } = await deps.pool.query<{ key: string; named: boolean }>(
    `SELECT p.key, EXISTS (SELECT 1 FROM document_versions v WHERE v.storage_key = p.key) AS named
     FROM pending_blobs p WHERE p.created_at <= now() - make_interval(hours => ${PENDING_HOURS})`,
  )
  for (const { key, named } of pending) {
    if (!named) await deps.blobs.delete(key)
    await deps.pool.query('DELETE FROM pending_blobs WHERE key = $1', [key])
  }
  if (pending.length > 0) deps.log.info({ blobs: pending.length }, 'swept blobs without a name')
  const late = `deleted_at < now() - make_interval(hours => ${DELETED_HOURS})`
  const { rows: documents } = await deps.pool.query<{ id: string }>(`SELECT id FROM documents WHERE ${late}`)
  for (const { id } of documents) await purgeDocument(deps, id)
  const { rows: collections } = await deps.pool.query<{ id: string }>(
    `SELECT id FROM collections WHERE ${late}`,
  )
  for (const { id } of collections) await purgeCollection(deps, id)
  // Chats have no job: whatever was still written into them has ended long ago.
  const { rows: chats } = await deps.pool.query<{ id: string }>(`SELECT id FROM chats WHERE ${late}`)
  for (const { id } of chats) await deps.pool.query('DELETE FROM chats WHERE id = $1', [id])
  if (chats.length > 0) deps.log.info({ chats: chats.length }, 'purged chats')
  // Last, so that a store that is away holds up nothing else.
  await deps.blobs.sweep()
}
