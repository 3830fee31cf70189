// Jobs of an ingest process that is gone. Each process holds a shared advisory lock on a connection of its own for as
// long as it lives; one that starts and could have the lock alone knows that every job still marked as active was
// left behind by a dead one, and takes it up at once instead of waiting for heartbeats to lapse.
// The same connection hears of cancellations.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { goodbye } from '../database/loss.ts'
import { createListener, type Pool, type Queryable } from '../database/pool.ts'
import { TO_RETRY } from '../jobs/pass-turn.ts'
import { CANCEL_CHANNEL } from '../library/notices.ts'
import { needsAttention, readVersion } from './versions.ts'

/** 'terrace ingest', as a number nobody else uses. */
const LOCK = 7_438_201_533

const QUEUES = ['ingest', 'embed']

/** Jobs that pg-boss failed because this process stops (state `retry`, with a delay) need not wait: nothing failed. */
export async function handBack(db: Queryable, jobIds: readonly string[]): Promise<void> {
  if (jobIds.length === 0) return
  await db.query(
    `UPDATE pgboss.job SET ${TO_RETRY} WHERE name = ANY($1) AND state = 'retry' AND id = ANY($2::uuid[])`,
    [QUEUES, jobIds],
  )
}

/**
 * A file that was in hand when the process was killed more often than this, again and again, is set aside: it may be
 * what kills it. Far more than a machine's own bad days.
 */
const MOST_KILLS = 10

/**
 * Takes up what a killed process had in hand. How often is kept in the job's output, where pg-boss puts the error of a
 * try that ended in order: so the count begins anew with every try that did, and never adds to a parser's crashes.
 */
async function takeUpKilled({ pool, log }: { readonly pool: Pool; readonly log: Logger }): Promise<number> {
  const { rows } = await pool.query<{ versionId: string; kills: number }>(
    `UPDATE pgboss.job SET ${TO_RETRY},
       output = jsonb_build_object('kills', coalesce((output->>'kills')::int, 0) + 1)
     WHERE name = ANY($1) AND state = 'active'
     RETURNING data->>'versionId' AS "versionId", (output->>'kills')::int AS kills`,
    [QUEUES],
  )
  for (const { versionId, kills } of rows) {
    if (kills <= MOST_KILLS) continue
    const version = await readVersion(pool, versionId)
    if (version === null) continue
    log.error({ versionId, kills }, 'a file may have stopped this process again and again: set aside')
    await needsAttention(pool, version, 'FILE_PARSER_CRASHED', { crashes: kills })
  }
  return rows.length
}

export interface Claims {
  close(): Promise<void>
}

export async function startClaims(
  deps: { readonly config: Config; readonly pool: Pool; readonly log: Logger },
  onCancel: (versionId: string) => void,
): Promise<Claims> {
  const stop = new AbortController()
  let client = await connect(deps, onCancel)
  const { rows } = await client.query<{ alone: boolean }>('SELECT pg_try_advisory_lock($1) AS alone', [LOCK])
  if (rows[0]?.alone) {
    const jobs = await takeUpKilled(deps)
    if (jobs > 0) deps.log.info({ jobs }, 'took up what a killed process had in hand')
  }
  await client.query('SELECT pg_advisory_lock_shared($1)', [LOCK])
  if (rows[0]?.alone) await client.query('SELECT pg_advisory_unlock($1)', [LOCK])

  const done = (async () => {
    while (!stop.signal.aborted) {
      await gone(client, stop.signal)
      if (stop.signal.aborted) return
      deps.log.warn('the line that hears of cancellations was lost')
      for (let wait = 250; !stop.signal.aborted; wait = Math.min(wait * 2, 5_000)) {
        await sleep(wait, undefined, { signal: stop.signal }).catch(() => {})
        if (stop.signal.aborted) return
        try {
          client = await connect(deps, onCancel)
          await client.query('SELECT pg_advisory_lock_shared($1)', [LOCK])
          break
        } catch {
          await client.end().catch(() => {})
        }
      }
    }
  })()
  return {
    async close() {
      stop.abort()
      await goodbye(client)
      await done
    },
  }
}

async function connect(deps: { readonly config: Config }, onCancel: (versionId: string) => void) {
  const client = createListener(deps.config, 'terrace-ingest-claims')
  client.on('notification', ({ payload }) => {
    if (payload !== undefined) onCancel(payload)
  })
  // Without a listener an error of a lost connection would end the process; `end` tells the same.
  client.on('error', () => {})
  await client.connect()
  await client.query(`LISTEN ${CANCEL_CHANNEL}`)
  return client
}

function gone(client: ReturnType<typeof createListener>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    client.once('end', () => resolve())
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
