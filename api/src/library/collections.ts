// Collections and what is in them: documents, their versions, their originals, and who may see them.
// Every function is handed a Viewer and asks access/ first; text leaves only by queries that hold the right with
// the text. Locks are taken in one order: collection, contents' hash, document, version, and the log's head last.
import type { PgBoss } from 'pg-boss'
import { LIMITS } from '../../../contract/limits.ts'
import type { CollectionRole } from '../../../contract/stages.ts'
import { type CollectionGrant, requireCollection, visibleCollections } from '../access/collections.ts'
import type { Viewer } from '../access/port.ts'
import { type Client, type Pool, type Queryable, transaction } from '../database/pool.ts'
import type { Lists } from '../database/reads.ts'
import { AppError } from '../errors.ts'
import { append } from '../index/log.ts'
import { sendJob } from '../jobs/jobs.ts'
import { OPEN_STAGES } from './items.ts'
import { cleanText, cleanTitle } from './names.ts'
import { CANCEL_CHANNEL, notifyCollection } from './notices.ts'

export interface CollectionItem {
  readonly id: string
  readonly name: string
  readonly description: string
  readonly role: CollectionRole
  readonly documents: number
  /** Documents whose newest version needs attention, and those that are being worked on. */
  readonly needAttention: number
  readonly inProgress: number
  readonly createdAt: Date
  readonly updatedAt: Date
}

interface CollectionRow {
  id: string
  name: string
  description: string
  documents: string
  need_attention: string
  in_progress: string
  created_at: Date
  updated_at: Date
}

/** The shared collections that the viewer may see, by name. */
export async function listCollections(
  deps: { pool: Pool; reads: Lists },
  viewer: Viewer,
): Promise<CollectionItem[]> {
  const grants = await visibleCollections(deps.pool, viewer)
  const items = await deps.reads.read((db) => collectionItems(db, grants))
  return items.sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }))
}

/** @throws AppError NOT_FOUND, also for the collection of a chat's own files */
export async function getCollection(
  deps: { pool: Pool },
  viewer: Viewer,
  id: string,
): Promise<CollectionItem> {
  const grant = await requireCollection(deps.pool, viewer, id, 'viewer')
  const [item] = await collectionItems(deps.pool, [grant])
  if (item === undefined) throw new AppError('NOT_FOUND')
  return item
}

async function collectionItems(db: Queryable, grants: readonly CollectionGrant[]): Promise<CollectionItem[]> {
  const roles = new Map(grants.map((grant) => [grant.id, grant.role]))
  const { rows } = await db.query<CollectionRow>({
    name: 'collection-items',
    text: COLLECTIONS_SQL,
    values: [[...roles.keys()], OPEN_STAGES],
  })
  return rows.flatMap((row) => {
    const role = roles.get(row.id)
    if (role === undefined) return []
    return {
      id: row.id,
      name: row.name,
      description: row.description,
      role,
      documents: Number(row.documents),
      needAttention: Number(row.need_attention),
      inProgress: Number(row.in_progress),
      createdAt: row.created_at,
      updatedAt: row.updated_at,
    }
  })
}

/**
 * By index alone: documents and the newest one's time (its id is a UUIDv7) by `documents_live`, states by `document_versions_open`, which holds only the few
 * versions that are not done (its condition is spelled out here, or the planner would not know that it applies).
 */
const COLLECTIONS_SQL = `
  WITH open AS (
    SELECT d.collection_id, count(*) FILTER (WHERE v.stage = 'attention') AS need_attention,
           count(*) FILTER (WHERE v.stage = ANY($2::text[])) AS in_progress
    FROM document_versions v JOIN documents d ON d.id = v.document_id AND d.deleted_at IS NULL
    WHERE v.stage IN ('received', 'parsing', 'splitting', 'words', 'attention')
      AND d.collection_id = ANY($1::uuid[])
      AND NOT EXISTS (SELECT 1 FROM document_versions n WHERE n.document_id = v.document_id AND n.number > v.number)
    GROUP BY d.collection_id)
  SELECT c.id, c.name, c.description, c.created_at, d.count AS documents,
         coalesce(o.need_attention, 0) AS need_attention, coalesce(o.in_progress, 0) AS in_progress,
         greatest(c.updated_at, d.newest) AS updated_at
  FROM collections c
  CROSS JOIN LATERAL (SELECT count(*), max(uuid_extract_timestamp(d.id)) AS newest
                      FROM documents d WHERE d.collection_id = c.id AND d.deleted_at IS NULL) d
  LEFT JOIN open o ON o.collection_id = c.id
  WHERE c.id = ANY($1::uuid[]) AND c.deleted_at IS NULL AND c.kind = 'shared'`

/** The creator becomes its owner. Names need not be unique: people see only their own collections. */
export async function createCollection(
  deps: { pool: Pool },
  viewer: Viewer,
  given: { name: string; description?: string | undefined },
): Promise<{ id: string }> {
  const { name, description } = clean(given)
  return transaction(deps.pool, async (client) => {
    const { rows } = await client.query<{ id: string }>(
      `WITH c AS (INSERT INTO collections (name, description, created_by) VALUES ($1, $2, $3) RETURNING id)
       INSERT INTO collection_members (collection_id, user_id, role) SELECT id, $3, 'owner' FROM c
       RETURNING collection_id AS id`,
      [name, description ?? '', viewer.userId],
    )
    const row = rows[0]
    if (row === undefined) throw new Error('the collection was not inserted')
    await notifyCollection(client, row.id)
    return { id: row.id }
  })
}

export async function updateCollection(
  deps: { pool: Pool },
  viewer: Viewer,
  id: string,
  given: { name?: string | undefined; description?: string | undefined },
): Promise<void> {
  const { name, description } = clean(given)
  await transaction(deps.pool, async (client) => {
    await lockShared(client, viewer, id)
    await client.query(
      `UPDATE collections SET name = coalesce($2, name), description = coalesce($3, description), updated_at = now()
       WHERE id = $1`,
      [id, name ?? null, description ?? null],
    )
    await notifyCollection(client, id)
  })
}

function clean(given: { name: string; description?: string | undefined }): {
  name: string
  description?: string
}
function clean(given: { name?: string | undefined; description?: string | undefined }): {
  name?: string
  description?: string
}
function clean(given: { name?: string | undefined; description?: string | undefined }) {
  return {
    ...(given.name === undefined ? {} : { name: cleanTitle(given.name, LIMITS.collectionNameLength) }),
    ...(given.description === undefined ? {} : { description: cleanText(given.description) }),
  }
}

/** Its text leaves answers with this transaction's commit; rows and files go later (purge.ts). */
export async function deleteCollection(
  deps: { pool: Pool; jobs: PgBoss },
  viewer: Viewer,
  id: string,
): Promise<void> {
  await transaction(deps.pool, async (client) => {
    const grant = await lockShared(client, viewer, id)
    await retractCollection(deps.jobs, client, grant)
  })
}

/**
 * The steps of deleting a collection, for whoever has checked that it may be done (a chat that goes takes its own
 * collection along). Ends with an append: nothing may follow but COMMIT.
 */
export async function retractCollection(
  jobs: PgBoss,
  client: Queryable,
  collection: { readonly id: string; readonly key: number },
): Promise<void> {
  await markDeleted(jobs, client, collection.id)
  await append(client, { op: 'retract-collection', collectionKey: collection.key })
}

/** Those steps without the append to the log, which the caller owes as its transaction's last statement. */
export async function markDeleted(jobs: PgBoss, client: Queryable, id: string): Promise<void> {
  await client.query('UPDATE collections SET deleted_at = now() WHERE id = $1 AND deleted_at IS NULL', [id])
  // Each document too: whoever publishes one looks at the document's own mark, under its lock.
  await client.query(
    'UPDATE documents SET deleted_at = now() WHERE collection_id = $1 AND deleted_at IS NULL',
    [id],
  )
  await client.query(
    `WITH stopped AS (
       UPDATE document_versions v SET cancel_requested_at = now() FROM documents d
       WHERE d.id = v.document_id AND d.collection_id = $1 AND v.stage = ANY($2::text[]) RETURNING v.id)
     SELECT pg_notify('${CANCEL_CHANNEL}', id::text) FROM stopped`,
    [id, OPEN_STAGES],
  )
  await notifyCollection(client, id)
  await sendJob(jobs, client, 'purge', { collectionId: id })
}

/**
 * Takes the collection's row for changing it, then asks whether the viewer has the role for that: in this order, or a
 * right that is being taken away in another transaction could still be used. A chat's own collection is not found here.
 */
export async function lockShared(
  client: Client,
  viewer: Viewer,
  id: string,
  role: CollectionRole = 'owner',
): Promise<CollectionGrant> {
  const grant = await requireCollection(client, viewer, id, role)
  const { rowCount } = await client.query(
    `SELECT 1 FROM collections WHERE id = $1 AND deleted_at IS NULL AND kind = 'shared' FOR NO KEY UPDATE`,
    [id],
  )
  if (rowCount === 0) throw new AppError('NOT_FOUND')
  await requireCollection(client, viewer, id, role)
  return grant
}
