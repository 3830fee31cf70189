// Jobs that fail again and again, each time after holding a worker for long, perhaps: they leave their lane for one that
// has workers of its own. There people take turns like everywhere, and each failed try costs its job's turn.
import { type Pool, transaction } from '../database/pool.ts'
import { LANES, type TurnQueue, type VersionJob } from './queues.ts'
import { LAST_OF, lockFlows, WAITING } from './turns.ts'

/** Failed tries with which it goes there. The first may be a moment's matter: it keeps its place. */
const TRIES = 2

/**
 * Counts a try of a job that failed, while it is under way still: pg-boss puts it back as it is then. Not for what was
 * handed back or killed, which says nothing about the job.
 */
export async function countFailedTry(
  pool: Pool,
  queue: TurnQueue,
  job: { readonly id: string; readonly data: VersionJob },
): Promise<void> {
  const { first, last } = LANES.failing
  await transaction(pool, async (client) => {
    const { handful: flow } = await lockFlows(client, queue, 'failing', job.data.versionId)
    const { rows } = await client.query<{ failed: number }>(
      `UPDATE pgboss.job SET data = jsonb_set(data, '{failed}', to_jsonb(coalesce((data->>'failed')::int, 0) + 1))
       WHERE name = $1 AND id = $2 AND state = 'active' RETURNING (data->>'failed')::int AS failed`,
      [queue, job.id],
    )
    if ((rows[0]?.failed ?? 0) < TRIES) return
    await client.query(
      // After all that its person has there, but not before whoever is next: all of this lane were tried before.
      `UPDATE pgboss.job SET group_id = $5, priority = greatest($3, least(
         coalesce((SELECT priority FROM ${WAITING} ORDER BY priority DESC LIMIT 1), $2),
         (SELECT priority ${LAST_OF('$5')} 1) - 1))
       WHERE name = $1 AND id = $4 AND state = 'active'`,
      [queue, first, last, job.id, flow],
    )
  })
}
