// Jobs of an ingest process that is gone. Each process holds a shared advisory lock on a connection of its own for as
// long as it lives; one that starts and could have the lock alone knows that every job still marked as active was
// left behind by a dead one, and takes it up at once instead of waiting for heartbeats to lapse.
// The same connection hears of cancellations.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { createListener, type Pool, type Queryable } from '../database/pool.ts'
import { CANCEL_CHANNEL } from '../library/notices.ts'

/** 'terrace ingest', as a number nobody else uses. */
const LOCK = 7_438_201_533

const QUEUES = ['ingest', 'embed']

/** Jobs to be taken up again now. As a retry: whoever held one before can't settle it any more. Returns how many. */
async function takeUp(db: Queryable, where: string, values: readonly unknown[]): Promise<number> {
  const { rowCount } = await db.query(
    `UPDATE pgboss.job SET state = 'retry', start_after = now(), started_on = coalesce(started_on, now()),
       heartbeat_on = NULL, completed_on = NULL WHERE name = ANY($1) AND ${where}`,
    [QUEUES, ...values],
  )
  return rowCount ?? 0
}

/** Jobs that pg-boss failed because this process stops (state `retry`, with a delay) need not wait: nothing failed. */
export async function handBack(db: Queryable, jobIds: readonly string[]): Promise<void> {
  if (jobIds.length > 0) await takeUp(db, `state = 'retry' AND id = ANY($2::uuid[])`, [jobIds])
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
    const jobs = await takeUp(deps.pool, `state = 'active'`, [])
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
      await client.end().catch(() => {})
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
