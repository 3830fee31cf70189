// The log's epoch: one name for one uninterrupted history. A database that was promoted or restored may be behind what
// servers and checkpoints remember, with other entries under the same numbers; from a new epoch on, positions of the old
// one can't be compared with it. Whether an old position is still part of the history, the entry's id tells (tail.ts).
import { BRIEF_MS, type Queryable, within } from '../database/pool.ts'

/** Begins a new epoch. For the runbooks of promotion and restore: `npm run db:epoch`. @returns its name */
export async function renewEpoch(db: Queryable): Promise<string> {
  const { rows } = await db.query<{ epoch: string }>(
    'UPDATE index_head SET epoch = gen_random_uuid() WHERE id = 1 RETURNING epoch',
  )
  if (rows[0] === undefined) throw new Error('index_head has no row: the first migration did not run')
  return rows[0].epoch
}

/**
 * Begins a new epoch when this PostgreSQL is another one than the last time: another cluster (its system identifier),
 * or the same after a promotion or a point-in-time restore (its timeline). Of many servers that ask at once, one
 * renews it. A copy of the volume under the same name and timeline is not noticed here: that is what the command is for.
 * @returns whether it did. False also where the role may not know, or the server is a replica.
 * @throws what the database says, and when it says nothing
 */
export async function noticeServer(db: Queryable): Promise<boolean> {
  const system = await ask(db, 'SELECT system_identifier::text AS value FROM pg_control_system()')
  // The name of a file of the write-ahead log begins with the timeline, in hexadecimal.
  const file = await ask(db, 'SELECT pg_walfile_name(pg_current_wal_lsn()) AS value')
  const timeline = file === null ? null : Number.parseInt(file.slice(0, 8), 16)
  if (system === null && timeline === null) return false
  const { rows } = await db.query<{ renewed: boolean }>(
    within(BRIEF_MS, {
      text: `UPDATE index_head h SET
               epoch = CASE WHEN old.known THEN gen_random_uuid() ELSE h.epoch END,
               system_identifier = coalesce($1, h.system_identifier), timeline = coalesce($2, h.timeline)
             FROM (SELECT id, coalesce(system_identifier <> $1, false) OR coalesce(timeline <> $2, false) AS known
                   FROM index_head WHERE id = 1 FOR UPDATE) old
             WHERE h.id = old.id AND (h.system_identifier IS DISTINCT FROM coalesce($1, h.system_identifier)
                                      OR h.timeline IS DISTINCT FROM coalesce($2, h.timeline))
             RETURNING old.known AS renewed`,
      values: [system, timeline],
    }),
  )
  return rows[0]?.renewed ?? false
}

async function ask(db: Queryable, sql: string): Promise<string | null> {
  try {
    const { rows } = await db.query<{ value: string }>(within(BRIEF_MS, { text: sql }))
    return rows[0]?.value ?? null
  } catch (error) {
    // No right to know, or a replica, which writes no log of its own.
    const code = error instanceof Error && 'code' in error ? error.code : ''
    if (code === '42501' || code === '55000') return null
    throw error
  }
}
