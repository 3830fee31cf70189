// Chats: made, listed, renamed, given a scope, deleted. A chat belongs to one person (access/collections.ts).
// A question in it becomes a cited answer: ask.ts takes it, answers.ts writes it, watch.ts shows it.
// Rows of answers hold passage ids and ranges, never the text of a document (promise P5).
import type { PgBoss } from 'pg-boss'
import { LIMITS } from '../../../contract/limits.ts'
import { requireChat, requireDocument, visibleCollections } from '../access/collections.ts'
import type { Viewer } from '../access/port.ts'
import { NIL_ID } from '../database/nil-id.ts'
import { type Pool, type Queryable, transaction } from '../database/pool.ts'
import type { Lists } from '../database/reads.ts'
import { AppError } from '../errors.ts'
import { retractCollection } from '../library/collections.ts'
import { notifyChat } from '../library/notices.ts'
import type { Models } from '../models/registry.ts'
import { ATTEMPTS_CHANNEL } from './attempts.ts'
import { cleanLine } from './clean.ts'

export interface Scope {
  readonly collectionIds: readonly string[]
  /** Answers come from this document only. */
  readonly documentId?: string | undefined
}

/** @throws AppError NOT_FOUND for a collection or document that the viewer may not see, MODEL_UNKNOWN */
export async function createChat(
  deps: { pool: Pool; models: Models },
  viewer: Viewer,
  given: Scope & { model?: string | undefined },
): Promise<{ id: string }> {
  if (given.model !== undefined) await deps.models.get(given.model)
  return transaction(deps.pool, async (client) => {
    await requireScope(client, viewer, given)
    const { rows } = await client.query<{ id: string }>(
      'INSERT INTO chats (user_id, model, document_id) VALUES ($1, $2, $3) RETURNING id',
      [viewer.userId, given.model ?? null, given.documentId ?? null],
    )
    const id = rows[0]?.id
    if (id === undefined) throw new Error('the chat was not inserted')
    await insertScope(client, id, given.collectionIds)
    await notifyChat(client, viewer.userId, id)
    return { id }
  })
}

async function requireScope(client: Queryable, viewer: Viewer, scope: Scope): Promise<void> {
  if (scope.documentId !== undefined) await requireDocument(client, viewer, scope.documentId, 'viewer')
  if (scope.collectionIds.length === 0) return
  const visible = new Set((await visibleCollections(client, viewer)).map(({ id }) => id))
  if (scope.collectionIds.some((id) => !visible.has(id.toLowerCase()))) throw new AppError('NOT_FOUND')
}

async function insertScope(
  client: Queryable,
  chatId: string,
  collectionIds: readonly string[],
): Promise<void> {
  // A chat's own collection always counts and is no part of what is chosen.
  await client.query(
    `INSERT INTO chat_collections (chat_id, collection_id)
     SELECT $1, id FROM collections WHERE id = ANY($2::uuid[]) AND kind = 'shared' ON CONFLICT DO NOTHING`,
    [chatId, collectionIds],
  )
}

export interface ChatItem {
  readonly id: string
  /** Empty until the first question. */
  readonly title: string
  readonly updatedAt: Date
  /** An answer is being written. */
  readonly answering: boolean
}

/** The viewer's chats, the one that was last used first. @param page.cursor of the page before */
export async function listChats(
  { reads }: { reads: Lists },
  viewer: Viewer,
  page: { cursor?: string | undefined; limit: number },
): Promise<{ items: ChatItem[]; nextCursor: string | null }> {
  const [, at, id = NIL_ID] =
    /^(-?\d{1,16})\|([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.exec(page.cursor ?? '') ?? []
  const query = {
    name: 'list-chats',
    text: `SELECT c.id, c.title, c.updated_at AS "updatedAt",
             (extract(epoch FROM c.updated_at) * 1000000)::bigint AS at,
             c.id IN (SELECT m.chat_id FROM attempts a JOIN messages m ON m.id = a.message_id
                      WHERE a.state IN ('waiting', 'searching', 'reading', 'streaming')) AS answering
           FROM chats c
           WHERE c.user_id = $1 AND c.deleted_at IS NULL
             AND ($2::bigint IS NULL OR ((extract(epoch FROM c.updated_at) * 1000000)::bigint, c.id) < ($2, $3::uuid))
           ORDER BY c.updated_at DESC, c.id DESC LIMIT $4`,
    values: [viewer.userId, at ?? null, id, page.limit + 1],
  }
  const { rows } = await reads.read((db) => db.query<ChatItem & { at: string }>(query))
  const items = rows.slice(0, page.limit)
  const last = items.at(-1)
  return {
    items: items.map(({ at: _, ...item }) => item),
    nextCursor: rows.length > page.limit && last !== undefined ? `${last.at}|${last.id}` : null,
  }
}

/** @throws AppError NOT_FOUND, INVALID_INPUT when nothing is left of the title */
export async function renameChat(
  deps: { pool: Pool },
  viewer: Viewer,
  id: string,
  title: string,
): Promise<void> {
  const clean = cleanLine(title, LIMITS.chatTitleLength)
  if (clean === '') throw new AppError('INVALID_INPUT', { reason: 'title: it has no visible character' })
  await transaction(deps.pool, async (client) => {
    await requireChat(client, viewer, id)
    await client.query('UPDATE chats SET title = $2, titled_by_user = true WHERE id = $1', [id, clean])
    await notifyChat(client, viewer.userId, id)
  })
}

/** Replaces what the chat ranges over. @throws like createChat */
export async function setChatScope(
  deps: { pool: Pool },
  viewer: Viewer,
  id: string,
  scope: Scope,
): Promise<void> {
  await transaction(deps.pool, async (client) => {
    await requireChat(client, viewer, id)
    await requireScope(client, viewer, scope)
    await client.query('UPDATE chats SET document_id = $2 WHERE id = $1', [id, scope.documentId ?? null])
    await client.query('DELETE FROM chat_collections WHERE chat_id = $1', [id])
    await insertScope(client, id, scope.collectionIds)
    await notifyChat(client, viewer.userId, id)
  })
}

/** @throws AppError NOT_FOUND, MODEL_UNKNOWN */
export async function setChatModel(
  deps: { pool: Pool; models: Models },
  viewer: Viewer,
  id: string,
  model: string,
): Promise<void> {
  await requireChat(deps.pool, viewer, id)
  await deps.models.get(model)
  await deps.pool.query('UPDATE chats SET model = $2 WHERE id = $1', [id, model])
}

/** Deletes a chat with the files that were dropped into it, and stops what is being written in it. */
export async function deleteChat(
  deps: { pool: Pool; jobs: PgBoss },
  viewer: Viewer,
  id: string,
): Promise<void> {
  await transaction(deps.pool, async (client) => {
    await requireChat(client, viewer, id)
    // Its collection is read under the row's lock: one that is just being made goes too, and none is made after.
    const { rows: deleted } = await client.query<{ collectionId: string | null }>(
      `UPDATE chats SET deleted_at = now() WHERE id = $1 AND deleted_at IS NULL
       RETURNING collection_id AS "collectionId"`,
      [id],
    )
    const [chat] = deleted
    if (chat === undefined) throw new AppError('NOT_FOUND')
    await notifyChat(client, viewer.userId, id)
    if (chat.collectionId === null) return
    const { rows } = await client.query<{ id: string; key: number }>(
      'SELECT id, key FROM collections WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE',
      [chat.collectionId],
    )
    // Ends with the append to the log: nothing may follow.
    if (rows[0] !== undefined) await retractCollection(deps.jobs, client, rows[0])
  })
  // Afterwards: an answer that ends locks its attempt before its chat, so together the two would wait for each other.
  await deps.pool.query(
    `WITH asked AS (
       UPDATE attempts SET stop_requested_at = now()
       WHERE ended_at IS NULL AND message_id IN (SELECT id FROM messages WHERE chat_id = $1) RETURNING id)
     SELECT pg_notify('${ATTEMPTS_CHANNEL}', json_build_object('stop', id)::text) FROM asked`,
    [id],
  )
}

/** The collection of the files dropped into this chat; made when the first one is. */
export async function ownCollection(
  deps: { pool: Pool },
  viewer: Viewer,
  chatId: string,
): Promise<{ collectionId: string }> {
  return transaction(deps.pool, async (client) => {
    await requireChat(client, viewer, chatId)
    // Two files dropped at once ask at once: the lock makes them get one collection.
    const { rows: locked } = await client.query<{ collectionId: string | null }>(
      'SELECT collection_id AS "collectionId" FROM chats WHERE id = $1 AND deleted_at IS NULL FOR UPDATE',
      [chatId],
    )
    if (locked[0] === undefined) throw new AppError('NOT_FOUND')
    const known = locked[0].collectionId
    if (typeof known === 'string') return { collectionId: known }
    const { rows } = await client.query<{ id: string }>(
      `WITH made AS (
         INSERT INTO collections (name, kind, created_by) VALUES ('Files of a chat', 'chat', $1) RETURNING id),
       owner AS (
         INSERT INTO collection_members (collection_id, user_id, role) SELECT id, $1, 'owner' FROM made)
       UPDATE chats SET collection_id = made.id FROM made WHERE chats.id = $2 RETURNING made.id`,
      [viewer.userId, chatId],
    )
    const collectionId = rows[0]?.id
    if (collectionId === undefined) throw new Error(`chat ${chatId}: its collection was not made`)
    await notifyChat(client, viewer.userId, chatId)
    return { collectionId }
  })
}
