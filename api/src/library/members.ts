// Who is in a collection. Its owners decide, and everybody may leave; one owner is always left.

import { COLLECTION_ROLES, type CollectionRole } from '../../../contract/stages.ts'
import { requireCollection } from '../access/collections.ts'
import type { Viewer } from '../access/port.ts'
import { type Client, type Pool, transaction } from '../database/pool.ts'
import type { Prisma } from '../database/prisma.ts'
import { AppError } from '../errors.ts'
import { lockShared } from './collections.ts'
import { notifyCollection } from './notices.ts'

export interface CollectionMember {
  readonly userId: string
  readonly name: string
  readonly role: CollectionRole
}

/** By name. Everybody who may see a collection may see who else can. */
export async function listMembers(
  deps: { pool: Pool; prisma: Prisma },
  viewer: Viewer,
  collectionId: string,
): Promise<CollectionMember[]> {
  await requireCollection(deps.pool, viewer, collectionId, 'viewer')
  const members = await deps.prisma.collectionMember.findMany({
    where: { collectionId },
    select: { userId: true, role: true, user: { select: { name: true } } },
    orderBy: [{ user: { name: 'asc' } }, { userId: 'asc' }],
  })
  return members.map((member) => ({
    userId: member.userId,
    name: member.user.name,
    role: toRole(member.role),
  }))
}

function toRole(role: string): CollectionRole {
  const known = COLLECTION_ROLES.find((each) => each === role)
  if (known === undefined) throw new Error(`unknown collection role ${role}`)
  return known
}

/** Adds a person or changes their role. @throws AppError NOT_FOUND for nobody, LAST_OWNER */
export async function setMember(
  deps: { pool: Pool },
  viewer: Viewer,
  change: { collectionId: string; userId: string; role: CollectionRole },
): Promise<void> {
  await transaction(deps.pool, async (client) => {
    await lockShared(client, viewer, change.collectionId)
    const { rowCount } = await client.query('SELECT 1 FROM users WHERE id = $1 AND banned IS NOT TRUE', [
      change.userId,
    ])
    if (rowCount === 0) throw new AppError('NOT_FOUND')
    if (change.role !== 'owner') await requireAnotherOwner(client, change.collectionId, change.userId)
    await client.query(
      `INSERT INTO collection_members (collection_id, user_id, role) VALUES ($1, $2, $3)
       ON CONFLICT (collection_id, user_id) DO UPDATE SET role = excluded.role`,
      [change.collectionId, change.userId, change.role],
    )
    await notifyCollection(client, change.collectionId)
  })
}

/** @throws AppError NOT_FOUND for somebody who is not in it, LAST_OWNER */
export async function removeMember(
  deps: { pool: Pool },
  viewer: Viewer,
  change: { collectionId: string; userId: string },
): Promise<void> {
  await transaction(deps.pool, async (client) => {
    await lockShared(client, viewer, change.collectionId)
    await takeOut(client, change.collectionId, change.userId)
  })
}

/** @throws AppError NOT_FOUND, also for somebody who is in it through a team only; LAST_OWNER */
export async function leaveCollection(
  deps: { pool: Pool },
  viewer: Viewer,
  collectionId: string,
): Promise<void> {
  await transaction(deps.pool, async (client) => {
    await lockShared(client, viewer, collectionId, 'viewer')
    await takeOut(client, collectionId, viewer.userId)
  })
}

/** Under the collection's lock. */
async function takeOut(client: Client, collectionId: string, userId: string): Promise<void> {
  await requireAnotherOwner(client, collectionId, userId)
  const { rowCount } = await client.query(
    'DELETE FROM collection_members WHERE collection_id = $1 AND user_id = $2',
    [collectionId, userId],
  )
  if (rowCount === 0) throw new AppError('NOT_FOUND')
  await notifyCollection(client, collectionId, [userId])
}

/** Under the collection's lock: two owners can not remove each other at once. */
async function requireAnotherOwner(client: Client, collectionId: string, userId: string): Promise<void> {
  const { rows } = await client.query<{ owner: boolean; others: boolean }>(
    `SELECT coalesce(bool_or(user_id = $2), false) AS owner, coalesce(bool_or(user_id <> $2), false) AS others
     FROM collection_members WHERE collection_id = $1 AND role = 'owner'`,
    [collectionId, userId],
  )
  if (rows[0]?.owner && !rows[0].others) throw new AppError('LAST_OWNER')
}
