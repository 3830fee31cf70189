// What rooms say when something changed that people look at: one line on PostgreSQL's channel, sent in the
// transaction that made the change, so that it is heard exactly when that is committed. Readers ask the database
// what the state is now (library/events.ts); a notice only names the place.
import { z } from 'zod'
import type { Queryable } from '../database/pool.ts'

export const EVENTS_CHANNEL = 'terrace_events'
/** Its payload is a version's id: whoever works on it stops (ingest listens). */
export const CANCEL_CHANNEL = 'terrace_cancel'

export const noticeSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('document'), collectionId: z.string(), documentId: z.string() }),
  z.object({ type: z.literal('collections'), userIds: z.array(z.string()) }),
  z.object({ type: z.literal('chat'), userId: z.string(), chatId: z.string() }),
])
export type Notice = z.infer<typeof noticeSchema>

/** A document or its newest version changed, or it was deleted. A document that does not exist is no error. */
export async function notifyDocument(client: Queryable, documentId: string): Promise<void> {
  await client.query({
    name: 'notify-document',
    text: `SELECT pg_notify('${EVENTS_CHANNEL}',
             json_build_object('type', 'document', 'collectionId', collection_id, 'documentId', id)::text)
           FROM documents WHERE id = $1`,
    values: [documentId],
  })
}

/**
 * The list of collections changed for everybody who is, or until now was, in this one.
 * @param alsoUserIds people who are no longer in it
 */
export async function notifyCollection(
  client: Queryable,
  collectionId: string,
  alsoUserIds: readonly string[] = [],
): Promise<void> {
  // A notice holds 8,000 bytes: a large audience comes in several.
  await client.query({
    name: 'notify-collection',
    text: `WITH people AS (
             SELECT user_id FROM collection_members WHERE collection_id = $1
             UNION SELECT tm.user_id FROM collection_teams ct JOIN team_members tm ON tm.team_id = ct.team_id
                   WHERE ct.collection_id = $1
             UNION SELECT unnest($2::text[])),
           numbered AS (SELECT user_id, row_number() OVER (ORDER BY user_id) / 100 AS part FROM people)
           SELECT pg_notify('${EVENTS_CHANNEL}',
             json_build_object('type', 'collections', 'userIds', json_agg(user_id))::text)
           FROM numbered GROUP BY part`,
    values: [collectionId, alsoUserIds],
  })
}

/** A chat's title or place in its owner's list changed. */
export async function notifyChat(client: Queryable, userId: string, chatId: string): Promise<void> {
  await notify(client, { type: 'chat', userId, chatId })
}

async function notify(client: Queryable, notice: Notice): Promise<void> {
  await client.query({
    name: 'notify',
    text: `SELECT pg_notify('${EVENTS_CHANNEL}', $1)`,
    values: [JSON.stringify(notice)],
  })
}

export async function notifyCancel(client: Queryable, versionId: string): Promise<void> {
  await client.query({
    name: 'notify-cancel',
    text: `SELECT pg_notify('${CANCEL_CHANNEL}', $1)`,
    values: [versionId],
  })
}
