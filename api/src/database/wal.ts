// Places in the write-ahead log: how a read on the replica knows that it misses nothing of what somebody has written or
// seen on the primary. Bytes from the log's beginning, exact up to 2^53. Comparable within one epoch (index/epoch.ts):
// what a promoted database writes has the numbers of what it lost.
import { type Queryable, within } from './pool.ts'

export interface WalPlace {
  readonly epoch: string
  readonly wal: number
}

const PAGE_BYTES = 8_192
const LONG_HEADER_BYTES = 40
const HEAD = 'FROM index_head WHERE id = 1'
/** Every reply of a server waits for it, and there is something else to say when it does not come. */
const PRIMARY_MS = 1_500

/**
 * On the primary: a place behind everything that any statement before this one has seen. The place of insertion, not
 * of writing: with `synchronous_commit = off` a commit can be seen before it is written.
 * @throws what the primary says, and after 1.5 s when it says nothing
 */
export async function primaryPlace(db: Queryable): Promise<WalPlace> {
  const { rows } = await db.query<{ epoch: string; written: string; inserted: string }>(
    within(PRIMARY_MS, {
      name: 'primary-place',
      text: `SELECT epoch, (pg_current_wal_lsn() - '0/0')::text AS written,
                    (pg_current_wal_insert_lsn() - '0/0')::text AS inserted ${HEAD}`,
    }),
  )
  const [row] = rows
  if (row === undefined) throw new Error('index_head has no row: the first migration did not run')
  return { epoch: row.epoch, wal: endOfLog(Number(row.written), Number(row.inserted)) }
}

/**
 * The place of insertion is where the next record will begin, at a page's start behind a header of 24 or 40 bytes that
 * nobody has written; a replica that has everything says where the last one ended. Idle for minutes after a backup, it
 * would look as if it lacked something. No record fits between: the smallest is 24 bytes.
 */
export function endOfLog(written: number, inserted: number): number {
  return written % PAGE_BYTES === 0 && inserted - written <= LONG_HEADER_BYTES ? written : inserted
}

/**
 * On a replica: a place that everything before is visible of to the next statement, and behind what any statement
 * before this one has seen. Null on a server that follows no primary (any more): it may have a history of its own.
 */
export async function replayedPlace(db: Queryable): Promise<WalPlace | null> {
  const { rows } = await db.query<{ epoch: string; wal: string | null }>({
    name: 'replayed-place',
    text: `SELECT epoch, CASE WHEN pg_is_in_recovery()
             THEN (pg_last_wal_replay_lsn() - '0/0')::text END AS wal ${HEAD}`,
  })
  const [row] = rows
  return row === undefined || row.wal === null ? null : { epoch: row.epoch, wal: Number(row.wal) }
}

/** Whether a server that has replayed `has` shows everything up to `wanted`. */
export function includes(has: WalPlace, wanted: WalPlace): boolean {
  return has.epoch === wanted.epoch && has.wal >= wanted.wal
}

/**
 * For plain SQL's pool: one question to the primary at a time, for all who ask meanwhile: whoever comes while one is on its way shares the
 * next, since the one on its way may have been answered before what they have just seen was committed.
 */
export function sharedPlace(db: Queryable): () => Promise<WalPlace> {
  let running: Promise<unknown> = Promise.resolve()
  let next: Promise<WalPlace> | null = null
  return () => {
    next ??= running
      .catch(() => {})
      .then(() => {
        next = null
        const asked = primaryPlace(db)
        running = asked
        return asked
      })
    return next
  }
}
