// The log behind what every copy of the index has is needed by nobody: of the embedded engine's copies the oldest checkpoint
// that is kept counts (a server that is further behind begins with one), of a cluster's index what searches see there. Each
// copy says how far the log may go for its sake, whenever it would cut it; what is removed is behind all of them, a beginning
// of the log and never a piece out of it, whatever clocks said.
import type { Queryable } from '../../database/pool.ts'
import type { EngineName } from '../../engine-names.ts'
import { readChoice, runs } from '../switch/choice.ts'

/** A server that is loading the checkpoint before still wants its continuation. */
const KEPT_SECONDS = 3_600
const PORTION = 10_000
/** Where the database does not say which engines there are, a copy that nobody has spoken for so long is none. */
const FORGOTTEN_HOURS = 24

/**
 * Removes entries before `seq` that are older than an hour, and before what other copies need. The entry at `seq` stays: its
 * id tells whether a copy of that position belongs to this log. While another engine is built that has not said yet what it
 * needs, nothing is removed.
 * @param copy whose oldest position `seq` is
 * @returns how many went
 */
export async function cutLog(db: Queryable, copy: EngineName, seq: number): Promise<number> {
  const limit = await limitOf(db, copy, seq)
  if (limit === null) return 0
  const { rows } = await db.query<{ seq: string }>(
    `SELECT seq FROM index_log WHERE seq <= $1 AND (at > now() - make_interval(secs => ${KEPT_SECONDS}) OR seq = $1)
     ORDER BY seq LIMIT 1`,
    [limit],
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

/** What this copy needs is noted, and what all of them do is the answer; null: of one it is not known. */
async function limitOf(db: Queryable, copy: EngineName, own: number): Promise<number | null> {
  const seq = copy === 'opensearch' ? Math.min(own, await wordsAt(db, own)) : own
  await db.query(
    `INSERT INTO index_log_floors (copy, seq) VALUES ($1, $2)
     ON CONFLICT (copy) DO UPDATE SET seq = $2, at = clock_timestamp()`,
    [copy, seq],
  )
  const choice = await readChoice(db)
  const { rows } = await db.query<{ copy: EngineName; seq: string; fresh: boolean }>(
    `SELECT copy, seq, at > clock_timestamp() - make_interval(hours => ${FORGOTTEN_HOURS}) AS fresh
     FROM index_log_floors WHERE copy <> $1`,
    [copy],
  )
  const [other] = rows
  if (choice === null) return other?.fresh === true ? Math.min(seq, Number(other.seq)) : seq
  // This copy is on its way out: it is for the other one to say what goes.
  if (!runs(choice, copy)) return null
  if (choice.beside === null || choice.beside.phase === 'dropping') return seq
  return other === undefined ? null : Math.min(seq, Number(other.seq))
}

/** The words that stand in for a cluster (words/fill.ts) are kept up wherever there is one. Before they are filled once, they need no log. */
async function wordsAt(db: Queryable, otherwise: number): Promise<number> {
  const { rows } = await db.query<{ seq: string }>(
    'SELECT f.seq FROM word_fill f JOIN index_head h ON h.epoch = f.epoch WHERE f.id = 1 AND h.id = 1',
  )
  return rows[0] === undefined ? otherwise : Number(rows[0].seq)
}
