// Who may do what with a collection, a document or a chat. Asked of the database every time, never cached:
// a right that was taken away is gone with the next request, whatever a server remembers (promise P5).
// What a person may not see and what does not exist are told apart by nobody: both are NOT_FOUND.
import { COLLECTION_ROLES, type CollectionRole } from '../../../contract/stages.ts'
import type { Queryable } from '../database/pool.ts'
import { AppError } from '../errors.ts'
import type { Viewer } from './port.ts'

/** A collection that the viewer may see, with the strongest role that person or team grants give. */
export interface CollectionGrant {
  readonly id: string
  /** The small number that the index filters by. */
  readonly key: number
  readonly role: CollectionRole
}

/** Rows (collection_id, role): what user $1 was given, as a person and through teams. */
const GRANTS_SQL = `SELECT collection_id, role FROM collection_members WHERE user_id = $1
  UNION ALL
  SELECT ct.collection_id, ct.role FROM team_members tm JOIN collection_teams ct ON ct.team_id = tm.team_id
  WHERE tm.user_id = $1`

/**
 * A subselect, in parentheses, of the ids of the collections that user $1 may see:
 * `… WHERE d.collection_id IN ${VISIBLE_COLLECTIONS_SQL}`.
 */
export const VISIBLE_COLLECTIONS_SQL = `(SELECT visible.id FROM collections visible
  WHERE visible.deleted_at IS NULL AND (
    EXISTS (SELECT 1 FROM collection_members m WHERE m.collection_id = visible.id AND m.user_id = $1)
    OR EXISTS (SELECT 1 FROM collection_teams ct JOIN team_members tm ON tm.team_id = ct.team_id
               WHERE ct.collection_id = visible.id AND tm.user_id = $1)))`

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** An id that is no uuid names nothing; PostgreSQL would refuse the whole statement. */
function isId(id: string): boolean {
  return UUID.test(id)
}

function strongest(roles: readonly string[]): CollectionRole | null {
  return COLLECTION_ROLES.findLast((role) => roles.includes(role)) ?? null
}

function atLeast(role: CollectionRole, wanted: CollectionRole): boolean {
  return COLLECTION_ROLES.indexOf(role) >= COLLECTION_ROLES.indexOf(wanted)
}

/** The viewer's role in a collection, or null when it is invisible or does not exist. */
export async function collectionRole(
  db: Queryable,
  viewer: Viewer,
  collectionId: string,
): Promise<CollectionRole | null> {
  return (await findCollection(db, viewer, collectionId))?.role ?? null
}

async function findCollection(
  db: Queryable,
  viewer: Viewer,
  collectionId: string,
): Promise<CollectionGrant | null> {
  if (!isId(collectionId)) return null
  const { rows } = await db.query<{ id: string; key: number; roles: string[] }>({
    name: 'access-collection',
    text: `SELECT c.id, c.key, array_agg(g.role) AS roles
           FROM collections c JOIN (${GRANTS_SQL}) g ON g.collection_id = c.id
           WHERE c.id = $2 AND c.deleted_at IS NULL GROUP BY c.id`,
    values: [viewer.userId, collectionId],
  })
  const row = rows[0]
  const role = strongest(row?.roles ?? [])
  return row === undefined || role === null ? null : { id: row.id, key: row.key, role }
}

/** @throws AppError NOT_FOUND when invisible, FORBIDDEN when visible but the role is weaker than `role` */
export async function requireCollection(
  db: Queryable,
  viewer: Viewer,
  collectionId: string,
  role: CollectionRole,
): Promise<CollectionGrant> {
  const grant = await findCollection(db, viewer, collectionId)
  if (grant === null) throw new AppError('NOT_FOUND')
  if (!atLeast(grant.role, role)) throw new AppError('FORBIDDEN')
  return grant
}

/** Every collection that the viewer may see, chats' own ones included, by ascending key. */
export async function visibleCollections(db: Queryable, viewer: Viewer): Promise<CollectionGrant[]> {
  const { rows } = await db.query<{ id: string; key: number; roles: string[] }>({
    name: 'access-collections',
    text: `SELECT c.id, c.key, array_agg(g.role) AS roles
           FROM collections c JOIN (${GRANTS_SQL}) g ON g.collection_id = c.id
           WHERE c.deleted_at IS NULL GROUP BY c.id ORDER BY c.key`,
    values: [viewer.userId],
  })
  return rows.flatMap((row) => {
    const role = strongest(row.roles)
    return role === null ? [] : [{ id: row.id, key: row.key, role }]
  })
}

export interface DocumentGrant {
  readonly id: string
  /** The small number that the index filters by. */
  readonly key: number
  readonly collectionId: string
  readonly collectionKey: number
  /** Null until its first version is searchable by words. */
  readonly currentVersionId: string | null
  /** The role in the document's collection. */
  readonly role: CollectionRole
}

/** @throws AppError NOT_FOUND when invisible or deleted, FORBIDDEN when visible but the role is weaker */
export async function requireDocument(
  db: Queryable,
  viewer: Viewer,
  documentId: string,
  role: CollectionRole,
): Promise<DocumentGrant> {
  if (!isId(documentId)) throw new AppError('NOT_FOUND')
  const { rows } = await db.query<Omit<DocumentGrant, 'role'> & { roles: string[] }>({
    name: 'access-document',
    text: `SELECT d.id, d.key, c.id AS "collectionId", c.key AS "collectionKey",
                  d.current_version_id AS "currentVersionId", array_agg(g.role) AS roles
           FROM documents d JOIN collections c ON c.id = d.collection_id
           JOIN (${GRANTS_SQL}) g ON g.collection_id = c.id
           WHERE d.id = $2 AND d.deleted_at IS NULL AND c.deleted_at IS NULL GROUP BY d.id, c.id`,
    values: [viewer.userId, documentId],
  })
  const row = rows[0]
  const held = strongest(row?.roles ?? [])
  if (row === undefined || held === null) throw new AppError('NOT_FOUND')
  if (!atLeast(held, role)) throw new AppError('FORBIDDEN')
  const { roles: _, ...document } = row
  return { ...document, role: held }
}

export interface ChatGrant {
  readonly id: string
  readonly title: string
  readonly model: string | null
  /** Set when answers come from this document only. */
  readonly documentId: string | null
  /** The collection of the files dropped into this chat, once there is one. */
  readonly ownCollectionId: string | null
}

/** A chat belongs to one person; nobody else sees it. @throws AppError NOT_FOUND */
export async function requireChat(db: Queryable, viewer: Viewer, chatId: string): Promise<ChatGrant> {
  if (!isId(chatId)) throw new AppError('NOT_FOUND')
  const { rows } = await db.query<ChatGrant>({
    name: 'access-chat',
    text: `SELECT id, title, model, document_id AS "documentId", collection_id AS "ownCollectionId"
           FROM chats WHERE id = $2 AND user_id = $1 AND deleted_at IS NULL`,
    values: [viewer.userId, chatId],
  })
  const row = rows[0]
  if (row === undefined) throw new AppError('NOT_FOUND')
  return row
}
