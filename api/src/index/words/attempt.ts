// A statement that may be given up without the transaction that it is in.
import type { QueryResultRow } from 'pg'
import { isCanceled, type Queryable } from '../../database/pool.ts'

/**
 * @param ms until the server gives it up
 * @returns null when it took longer. @throws what else the database says
 */
export async function attempt<T extends QueryResultRow>(
  db: Queryable,
  ms: number,
  query: { readonly text: string; readonly values: unknown[] },
): Promise<T[] | null> {
  await db.query(`SAVEPOINT attempt; SET LOCAL statement_timeout = ${Math.max(1, Math.round(ms))}`)
  try {
    const { rows } = await db.query<T>(query)
    await db.query(END)
    return rows
  } catch (error) {
    if (!isCanceled(error)) throw error
    await db.query(END)
    return null
  }
}

/** The limit goes with what was done since; nothing is written here. */
const END = 'ROLLBACK TO attempt; RELEASE attempt'
