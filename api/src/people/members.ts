// The people of the installation: who they are, their role, their removal. What a person's role allows is cached with
// the session, so every change here is announced in the index's log (revoke.ts).
import type { PgBoss } from 'pg-boss'
import type { InstallationRole } from '../../../contract/stages.ts'
import type { Viewer } from '../access/port.ts'
import { type Pool, type Queryable, transaction } from '../database/pool.ts'
import { AppError } from '../errors.ts'
import { append } from '../index/log.ts'
import { markDeleted } from '../library/collections.ts'
import { announceSessionChange } from './revoke.ts'
import type { Sessions } from './sessions.ts'

export interface ListedPerson {
  readonly id: string
  readonly name: string
  /** Null for members who look at others. */
  readonly email: string | null
  readonly role: InstallationRole
  readonly banned: boolean
}

/** By name; at most 10,000. */
export async function listPeople({ pool }: { pool: Queryable }, viewer: Viewer): Promise<ListedPerson[]> {
  const { rows } = await pool.query<{
    id: string
    name: string
    email: string
    role: string | null
    banned: boolean
  }>(
    `SELECT id, name, email, role, coalesce(banned, false) AS banned FROM users ORDER BY lower(name), id LIMIT 10000`,
  )
  return rows.map(({ email, role, ...person }) => ({
    ...person,
    email: viewer.role === 'owner' || viewer.userId === person.id ? email : null,
    role: role === 'owner' ? 'owner' : 'member',
  }))
}

export interface MemberDependencies {
  readonly pool: Pool
  readonly sessions: Pick<Sessions, 'drop'>
}

export async function renameMe(
  { pool, sessions }: MemberDependencies,
  viewer: Viewer,
  name: string,
): Promise<void> {
  await transaction(pool, async (client) => {
    await client.query('UPDATE users SET name = $2, updated_at = now() WHERE id = $1', [viewer.userId, name])
    await announceSessionChange(client, viewer.userId)
  })
  sessions.drop(viewer.userId)
}

/** @throws AppError FORBIDDEN, NOT_FOUND, LAST_OWNER */
export async function setRole(
  { pool, sessions }: MemberDependencies,
  viewer: Viewer,
  request: { userId: string; role: InstallationRole },
): Promise<void> {
  const { userId, role } = request
  await transaction(pool, async (client) => {
    await requireOtherOwner(client, viewer, userId, role)
    await client.query('UPDATE users SET role = $2, updated_at = now() WHERE id = $1', [userId, role])
    await client.query('UPDATE members SET role = $2 WHERE user_id = $1', [userId, role])
    await announceSessionChange(client, userId)
  })
  sessions.drop(userId)
}

/**
 * Deletes a person's account with their sessions and chats. Shared collections that nobody else owns go to the viewer
 * (to another owner of the installation when people remove themselves), so that none is left without an owner.
 * @throws AppError FORBIDDEN, NOT_FOUND, LAST_OWNER
 */
export async function removePerson(
  { pool, sessions, jobs }: MemberDependencies & { readonly jobs: PgBoss },
  viewer: Viewer,
  userId: string,
): Promise<void> {
  await transaction(pool, async (client) => {
    const others = await requireOtherOwner(client, viewer, userId, null)
    const heir = viewer.userId === userId ? others[0] : viewer.userId
    await client.query(
      `INSERT INTO collection_members (collection_id, user_id, role)
       SELECT m.collection_id, $2, 'owner' FROM collection_members m JOIN collections c ON c.id = m.collection_id
       WHERE m.user_id = $1 AND m.role = 'owner' AND c.kind = 'shared' AND c.deleted_at IS NULL
         AND NOT EXISTS (SELECT 1 FROM collection_members o
                         WHERE o.collection_id = m.collection_id AND o.role = 'owner' AND o.user_id <> $1)
       ON CONFLICT (collection_id, user_id) DO UPDATE SET role = 'owner'`,
      [userId, heir],
    )
    // The chats first: a collection that is just being made for one is seen, and none is made after.
    await client.query('SELECT 1 FROM chats WHERE user_id = $1 ORDER BY id FOR UPDATE', [userId])
    const dropped = await client.query<{ id: string; key: number }>(
      `SELECT id, key FROM collections
       WHERE kind = 'chat' AND deleted_at IS NULL
         AND id IN (SELECT collection_id FROM chats WHERE user_id = $1 AND collection_id IS NOT NULL)
       ORDER BY id FOR NO KEY UPDATE`,
      [userId],
    )
    for (const { id } of dropped.rows) await markDeleted(jobs, client, id)
    await client.query('DELETE FROM users WHERE id = $1', [userId])
    for (const { key } of dropped.rows) await append(client, { op: 'retract-collection', collectionKey: key })
    await announceSessionChange(client, userId)
  })
  sessions.drop(userId)
}

/**
 * Locks the owners' rows, so that two owners who demote or remove each other at once do not both succeed: the viewer
 * has to be one of them still, whatever their session said when the request came.
 * @returns the ids of the installation's other owners
 */
async function requireOtherOwner(
  client: Queryable,
  viewer: Viewer,
  userId: string,
  newRole: InstallationRole | null,
): Promise<string[]> {
  const { rows } = await client.query<{ id: string }>(
    `SELECT id FROM users WHERE role = 'owner' AND NOT coalesce(banned, false) ORDER BY created_at, id FOR UPDATE`,
  )
  if (!rows.some(({ id }) => id === viewer.userId)) throw new AppError('FORBIDDEN')
  const target = await client.query('SELECT 1 FROM users WHERE id = $1 FOR UPDATE', [userId])
  if (target.rowCount === 0) throw new AppError('NOT_FOUND')
  const others = rows.map((row) => row.id).filter((id) => id !== userId)
  if (others.length === 0 && newRole !== 'owner') throw new AppError('LAST_OWNER')
  return others
}
