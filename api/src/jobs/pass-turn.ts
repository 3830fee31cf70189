// A long job that makes room: it waits again, for its person's next turn, and goes on from what it has done.
import { type Pool, type Queryable, transaction } from '../database/pool.ts'
import { LANES, type Lane, type TurnQueue, type VersionJob } from './queues.ts'
import { LAST_OF, lockFlows, WAITING } from './turns.ts'

/** A job to be taken up again now. As a retry: whoever held it before can't settle it any more. */
export const TO_RETRY = `state = 'retry', start_after = now(), started_on = coalesce(started_on, now()),
       heartbeat_on = NULL, completed_on = NULL`

const READY = `${WAITING} AND start_after <= now()`
const FIRST = `FROM ${READY} ORDER BY priority DESC LIMIT 1`

/** Whether a job of another flow waits in the lane of this one, which is under way. */
export async function othersWait(
  db: Queryable,
  queue: TurnQueue,
  lane: Lane,
  jobId: string,
): Promise<boolean> {
  const { rows } = await db.query<{ waits: boolean }>(
    `SELECT EXISTS (SELECT 1 FROM ${READY}
       AND group_id IS DISTINCT FROM (SELECT group_id FROM pgboss.job WHERE name = $1 AND id = $4)) AS waits`,
    [queue, LANES[lane].first, LANES[lane].last, jobId],
  )
  return rows[0]?.waits ?? false
}

/**
 * Lets go of a job that is under way. It takes the next turn of its flow, whose job there goes to the flow's end: so
 * a person's files are finished one after the other, and who has many of them under way has no more turns for that.
 * Where its flow has no other job, it gets the turn that a new job of its person would get.
 */
export async function passTurn(
  pool: Pool,
  queue: TurnQueue,
  lane: Lane,
  job: { readonly id: string; readonly data: VersionJob },
): Promise<void> {
  const { first, last } = LANES[lane]
  await transaction(pool, async (client) => {
    await lockFlows(client, queue, lane, job.data.versionId)
    const { rows } = await client.query<{ id: string; turn: number; last: number }>(
      `SELECT next.id, next.priority AS turn, (SELECT priority ${LAST_OF('own.group_id')} 1) AS last
       FROM pgboss.job own JOIN LATERAL (
         SELECT j.id, j.priority FROM pgboss.job j
         WHERE j.name = $1 AND j.state < 'active' AND j.group_id = own.group_id AND j.start_after <= now()
         ORDER BY -j.priority LIMIT 1 FOR UPDATE SKIP LOCKED
       ) next ON true
       WHERE own.name = $1 AND own.id = $2`,
      [queue, job.id],
    )
    const next = rows[0]
    if (next !== undefined)
      await client.query('UPDATE pgboss.job SET priority = $3 WHERE name = $1 AND id = $2', [
        queue,
        next.id,
        Math.max(last, next.last - 1),
      ])
    await client.query(
      // Whatever its output told of earlier tries (ingest/claims.ts): this one ended in order.
      `UPDATE pgboss.job SET ${TO_RETRY}, output = NULL, priority = coalesce($5, greatest($3, least(priority - 1, (SELECT priority ${FIRST}))))
       WHERE name = $1 AND id = $4 AND state = 'active'`,
      [queue, first, last, job.id, next?.turn ?? null],
    )
  })
}
