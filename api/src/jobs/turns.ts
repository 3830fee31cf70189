// Whose turn it is in a lane: start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996) over the jobs that wait.
// A person's next job comes one turn after their last one that waits, or now if none does; so people take turns,
// however many jobs each has. The turn becomes the job's priority in the transaction that sends it: all processes keep
// the order, a job that is tried again keeps its place (one that fails again and again does not: failing.ts), and nothing is
// remembered anywhere but in the queue.
// An import takes turns beside its person's handful, as if somebody else had sent it.
import type { Queryable } from '../database/pool.ts'
import { LANES, type Lane, type TurnQueue, type VersionJob } from './queues.ts'

/** So many waiting jobs of one drop are a handful; the rest is an import. */
const HANDFUL = 8

export interface Turn {
  readonly priority: number
  /** The flow that takes turns, and the drop that the job is of. */
  readonly group: { readonly id: string; readonly tier?: string }
}

interface Waiting {
  now: number | null
  handful: number | null
  handful_jobs: number
  import: number | null
  import_goes_on: boolean
}

/** Jobs of the lane $2 to $3 of the queue $1 that wait: the condition and the order are those of the index job_i11. */
export const WAITING = `pgboss.job WHERE name = $1 AND state < 'active' AND NOT blocked AND priority BETWEEN $3 AND $2`

/**
 * Now is the turn of the job that comes next. One that is tried again has an old turn and tells nothing, unless
 * there are no others: then whatever was begun lasts on, so that none of it is overtaken when it comes back.
 */
const NOW = `coalesce(
  (SELECT priority FROM ${WAITING} AND state <> 'retry' ORDER BY priority DESC LIMIT 1),
  least((SELECT priority FROM ${WAITING} ORDER BY priority LIMIT 1),
        (SELECT min(priority) FROM pgboss.job WHERE name = $1 AND state = 'active' AND priority BETWEEN $3 AND $2)))`

/** The jobs of a flow that wait, last turn first. In no other words, or they are not read from the index job_flows. */
export const LAST_OF = (flow: string) =>
  `FROM pgboss.job WHERE name = $1 AND state < 'active' AND group_id = ${flow} ORDER BY -priority DESC LIMIT`

/**
 * Gives the version's job its turn in a lane. The transaction holds its person's place until it ends; of all locks
 * only that of the log's head comes after it.
 */
export async function takeTurn(
  client: Queryable,
  queue: TurnQueue,
  lane: Lane,
  { versionId, drop }: VersionJob,
): Promise<Turn> {
  const flows = await lockFlows(client, queue, lane, versionId)
  const { first, last } = LANES[lane]
  const { rows } = await client.query<Waiting>({
    name: 'job-turn',
    text: `SELECT ${NOW} AS now,
      (SELECT priority ${LAST_OF('$4')} 1) AS handful,
      (SELECT count(*)::int FROM (SELECT group_tier AS drop ${LAST_OF('$4')} ${HANDFUL}) AS recent
       WHERE drop IS NOT DISTINCT FROM $6) AS handful_jobs,
      (SELECT priority ${LAST_OF('$5')} 1) AS import,
      coalesce((SELECT group_tier IS NOT DISTINCT FROM $6 ${LAST_OF('$5')} 1), false) AS import_goes_on`,
    values: [queue, first, last, flows.handful, flows.import, drop ?? null],
  })
  const waiting = rows[0]
  if (waiting === undefined) throw new Error('the lane was not looked at')
  const imports = waiting.import_goes_on || waiting.handful_jobs === HANDFUL
  const before = imports ? waiting.import : waiting.handful
  const now = waiting.now ?? first
  return {
    priority: Math.max(last, before === null ? now : Math.min(now, before - 1)),
    group: {
      id: imports ? flows.import : flows.handful,
      ...(drop === undefined ? {} : { tier: drop }),
    },
  }
}

/** Two jobs of a person that get their turns at once get them one after the other. */
export async function lockFlows(
  client: Queryable,
  queue: TurnQueue,
  lane: Lane,
  versionId: string,
): Promise<{ handful: string; import: string }> {
  const { rows } = await client.query<{ person: string }>(
    `SELECT person, pg_advisory_xact_lock(hashtextextended('turn ' || $1 || ' ' || person, 0))
     FROM (SELECT coalesce(created_by, 'nobody') AS person FROM document_versions WHERE id = $2) AS sender`,
    [`${queue} ${lane}`, versionId],
  )
  const person = rows[0]?.person ?? 'nobody'
  return { handful: `${lane} ${person}`, import: `${lane} import ${person}` }
}
