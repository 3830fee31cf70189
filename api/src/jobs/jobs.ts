// Durable work that outlives a request: pg-boss on our own pool. A job is sent in the transaction of the row it is
// about, so either both exist or neither; workers are woken by NOTIFY, polling is only the floor under it.
// The tables come from our migrations (`migrate: false`): the application's role needs no right to make any.
import { PgBoss } from 'pg-boss'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import type { Pool, Queryable } from '../database/pool.ts'
import { jobDatabase } from './database.ts'
import { type JobData, QUEUES, type QueueName } from './queues.ts'
import { takeTurn } from './turns.ts'

export interface JobsOptions {
  /** Whether this process also looks after the queues: jobs of dead workers, old rows. True in ingest. */
  readonly supervise: boolean
}

/** Starts pg-boss and makes sure that every queue exists. The pool stays the caller's to end, after `stop()`. */
export async function startJobs(
  config: Config,
  pool: Pool,
  log: Logger,
  options: JobsOptions,
): Promise<PgBoss> {
  const boss = new PgBoss({
    db: jobDatabase(config, pool, (err) => log.warn({ err }, 'the jobs lost their wake-up line')),
    migrate: false,
    createSchema: false,
    schedule: false,
    useListenNotify: true,
    supervise: options.supervise,
    superviseIntervalSeconds: 5,
    monitorIntervalSeconds: 5,
    queueCacheIntervalSeconds: 300,
    instanceName: options.supervise ? 'ingest' : 'api',
    openTelemetry: { enabled: false },
    // A database that is being filled is slow now and then; that is not worth a line each time.
    warningSlowQuerySeconds: 60,
  })
  boss.on('error', (err) => log.warn({ err }, 'jobs'))
  boss.on('warning', ({ message }) => log.warn({ reason: message }, 'jobs'))
  await boss.start()
  for (const [name, queue] of Object.entries(QUEUES)) await boss.createQueue(name, queue)
  return boss
}

export interface SendOptions {
  /** Default 0. */
  readonly priority?: number
  /** Not before this many seconds from now. */
  readonly startAfter?: number
  readonly group?: { readonly id: string; readonly tier?: string }
}

/**
 * Sends a job in the caller's transaction: it exists exactly when that commits. To be called before `append`
 * (index/log.ts), which has to be the transaction's last statement.
 */
export async function sendJob<Name extends QueueName>(
  jobs: PgBoss,
  client: Queryable,
  queue: Name,
  data: JobData[Name],
  options: SendOptions = {},
): Promise<void> {
  await jobs.send(queue, data, {
    db: { executeSql: (text, values) => client.query(text, values) },
    ...(options.priority === undefined ? {} : { priority: options.priority }),
    ...(options.startAfter === undefined ? {} : { startAfter: options.startAfter }),
    ...(options.group === undefined ? {} : { group: options.group }),
  })
}

/** Files up to this size need not wait behind large ones. */
const SMALL_FILE_BYTES = 1024 * 1024
/** Versions up to this many passages are embedded beside large ones, not behind them. */
export const SMALL_PASSAGES = 500

/** The job of a version that was accepted, at its turn in the lane of its size. In the caller's transaction. */
export async function sendIngest(
  jobs: PgBoss,
  client: Queryable,
  version: { readonly id: string; readonly bytes: number },
  drop?: string,
): Promise<void> {
  const lane = version.bytes <= SMALL_FILE_BYTES ? 'small' : 'large'
  const data = { versionId: version.id, ...(drop === undefined ? {} : { drop }) }
  await sendJob(jobs, client, 'ingest', data, await takeTurn(client, 'ingest', lane, data))
}

/** The job of a version that is searchable by words, the same way. */
export async function sendEmbed(
  jobs: PgBoss,
  client: Queryable,
  version: { readonly id: string; readonly passages: number },
  drop?: string,
): Promise<void> {
  const lane = version.passages <= SMALL_PASSAGES ? 'small' : 'large'
  const data = { versionId: version.id, ...(drop === undefined ? {} : { drop }) }
  await sendJob(jobs, client, 'embed', data, await takeTurn(client, 'embed', lane, data))
}
