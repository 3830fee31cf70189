// The log behind the oldest checkpoint that is kept is needed by nobody: a server that is further behind begins with
// a checkpoint. What is removed is a beginning of the log and never a piece out of it, whatever clocks said.
import type { Queryable } from '../../database/pool.ts'

/** A server that is loading the checkpoint before still wants its continuation. */
const KEPT_SECONDS = 3_600
const PORTION = 10_000

/**
 * Removes entries before `seq` that are older than an hour. The entry at `seq` stays: its id tells whether a checkpoint
 * of that position belongs to this log.
 * @returns how many went
 */
export async function cutLog(db: Queryable, seq: number): Promise<number> {
  const { rows } = await db.query<{ seq: string }>(
    `SELECT seq FROM index_log WHERE seq <= $1 AND (at > now() - make_interval(secs => ${KEPT_SECONDS}) OR seq = $1)
     ORDER BY seq LIMIT 1`,
    [seq],
  )
  const end = rows[0]?.seq
  if (end === undefined) return 0
  for (let removed = 0; ; ) {
    const { rowCount } = await db.query(
      `DELETE FROM index_log WHERE seq IN (SELECT seq FROM index_log WHERE seq < $1 ORDER BY seq LIMIT ${PORTION})`,
      [end],
    )
    removed += rowCount ?? 0
    if ((rowCount ?? 0) < PORTION) return removed
  }
}
