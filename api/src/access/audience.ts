// Who of those who are connected may hear of a change: the rights of many people in one query. Asked for every
// batch of events, never cached, so that a right that was taken away ends the news with it (promise P5).
import { COLLECTION_ROLES, type CollectionRole } from '../../../contract/stages.ts'
import type { Queryable } from '../database/pool.ts'

/** By session id: what its person may see of the collections asked about. A session that is missing has ended. */
export type Audience = ReadonlyMap<string, ReadonlyMap<string, CollectionRole>>

/** The strongest roles that the people of `sessionIds` have in those of `collectionIds` that still exist. */
export async function audienceOf(
  db: Queryable,
  sessionIds: readonly string[],
  collectionIds: readonly string[],
): Promise<Audience> {
  const { rows } = await db.query<{
    session: string
    collection: string | null
    role: CollectionRole | null
  }>({
    name: 'access-audience',
    text: `WITH grants AS (
             SELECT m.user_id, m.collection_id, m.role FROM collection_members m WHERE m.collection_id = ANY($2::uuid[])
             UNION ALL
             SELECT tm.user_id, ct.collection_id, ct.role FROM collection_teams ct
             JOIN team_members tm ON tm.team_id = ct.team_id WHERE ct.collection_id = ANY($2::uuid[])),
           living AS (
             SELECT g.user_id, g.collection_id, g.role FROM grants g
             JOIN collections c ON c.id = g.collection_id AND c.deleted_at IS NULL)
           SELECT s.id AS session, g.collection_id AS collection, g.role
           FROM sessions s JOIN users u ON u.id = s.user_id LEFT JOIN living g ON g.user_id = s.user_id
           WHERE s.id = ANY($1::text[]) AND s.expires_at > now()
             AND NOT (coalesce(u.banned, false) AND coalesce(u.ban_expires, 'infinity') > now())`,
    values: [sessionIds, collectionIds],
  })
  const audience = new Map<string, Map<string, CollectionRole>>()
  for (const { session, collection, role } of rows) {
    const roles = audience.get(session) ?? new Map<string, CollectionRole>()
    audience.set(session, roles)
    if (collection === null || role === null) continue
    const held = roles.get(collection)
    if (held === undefined || COLLECTION_ROLES.indexOf(held) < COLLECTION_ROLES.indexOf(role))
      roles.set(collection, role)
  }
  return audience
}
