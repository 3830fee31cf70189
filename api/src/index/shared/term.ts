// One builder at a time. Whoever holds the row's lease builds; each new holder begins a new term, a number that only
// grows: the fencing token that its files carry in their names. All times are the database's own.
import { BRIEF_MS, type Queryable, within } from '../../database/pool.ts'

/** A holder keeps it this long after it last built: another one's first checkpoint means storing every file again. */
export const LEASE_SECONDS = 600
/** A lease that ends later than this was given by a clock that has been set back since. Its holder may be long gone. */
const IMPOSSIBLE_SECONDS = 2 * LEASE_SECONDS

/** @returns the term, or null while another server holds the lease. `owner` is one per server process. */
export async function takeTerm(db: Queryable, owner: string): Promise<number | null> {
  const { rows } = await db.query<{ term: string }>(
    within(BRIEF_MS, {
      text: `UPDATE index_builder
             SET term = CASE WHEN owner = $1 THEN term ELSE term + 1 END, owner = $1,
                 lease_until = clock_timestamp() + make_interval(secs => ${LEASE_SECONDS})
             WHERE id = 1 AND (owner IS NOT DISTINCT FROM $1 OR lease_until NOT BETWEEN clock_timestamp()
                                 AND clock_timestamp() + make_interval(secs => ${IMPOSSIBLE_SECONDS}))
             RETURNING term`,
      values: [owner],
    }),
  )
  return rows[0] === undefined ? null : Number(rows[0].term)
}

/** @returns whether the term is still this owner's */
export async function renewTerm(db: Queryable, owner: string, term: number): Promise<boolean> {
  const { rowCount } = await db.query(
    within(BRIEF_MS, {
      text: `UPDATE index_builder SET lease_until = clock_timestamp() + make_interval(secs => ${LEASE_SECONDS})
             WHERE id = 1 AND owner = $1 AND term = $2`,
      values: [owner, term],
    }),
  )
  return rowCount === 1
}

/**
 * The newest term, and the log's end. What was stored under a greater number of either, and listed before this was asked,
 * is not of this database, or of a time that it has forgotten.
 */
export async function newestKnown(db: Queryable): Promise<{ readonly term: number; readonly seq: number }> {
  const { rows } = await db.query<{ term: string; seq: string }>(
    'SELECT b.term, h.seq FROM index_builder b, index_head h WHERE b.id = 1 AND h.id = 1',
  )
  const [row] = rows
  if (row === undefined) throw new Error('index_builder or index_head has no row: the migrations did not run')
  return { term: Number(row.term), seq: Number(row.seq) }
}

/** Ends the lease, so that another server need not wait it out. */
export async function releaseTerm(db: Queryable, owner: string): Promise<void> {
  await db.query(
    within(BRIEF_MS, {
      text: 'UPDATE index_builder SET lease_until = clock_timestamp() WHERE id = 1 AND owner = $1',
      values: [owner],
    }),
  )
}
