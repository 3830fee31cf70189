import type { Pool, Queryable } from '../database/pool.ts'
import { append } from '../index/log.ts'
import type { Sessions } from './sessions.ts'

/**
 * Tells every server to ask the database again who this person is. As any append it comes last in a transaction;
 * `sessions` of this very server are dropped by the caller once that is committed.
 */
export async function announceSessionChange(client: Queryable, userId: string): Promise<void> {
  await append(client, { op: 'session', userId })
}

/** After a session's row was deleted outside of our own transactions (better-auth's sign-out). */
export async function sessionEnded(pool: Pool, sessions: Sessions, userId: string): Promise<void> {
  sessions.drop(userId)
  await announceSessionChange(pool, userId)
}
