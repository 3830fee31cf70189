import type { Queryable } from '../database/pool.ts'

/** The settings row that exists from the moment the installation has its owner. */
export const OWNER_SETTING = 'owner'

/** Whether the set-up link still makes the owner's account. */
export async function needsOwner(db: Queryable): Promise<boolean> {
  const { rows } = await db.query({
    name: 'setup-status',
    text: 'SELECT 1 FROM settings WHERE key = $1',
    values: [OWNER_SETTING],
  })
  return rows.length === 0
}
