// The one place that opens connections to PostgreSQL: Prisma, pg-boss, LISTEN and plain SQL all use its pools.
// Connections always have a connect time-out (pg's default is to wait for ever) and an application name.
// A pool that loses an idle connection logs it and goes on; the next query opens another.
// A server that vanishes without a word (its machine died, a network swallows every packet) is found out twice: on a
// connection that waits by the kernel's own questions, on one that was asked something by the limit of the statement.
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Config } from '../config.ts'
import { IamClient, IamPool, type SignInAddress, tokensFor } from './iam.ts'

export type Pool = pg.Pool
export type Client = pg.ClientBase
/** What plain SQL needs: a pool or one of its clients. */
export type Queryable = Pick<pg.ClientBase, 'query'>

/** What a connection needs of the configuration. */
export type DatabaseConfig = Pick<Config, 'databaseUrl' | 'databaseCa' | 'databaseAuth'>

export interface PoolOptions {
  /** Shown in pg_stat_activity, e.g. `terrace-api`. */
  readonly name: string
  /** Connections at most. Default 10. */
  readonly max?: number
  /**
   * Milliseconds that a statement may take, locks included; the server ends what takes longer. Without a word of it
   * half a second later the connection is given up: TCP would wait a quarter of an hour for a server that is gone
   * without saying so. Default: no limit.
   */
  readonly statementMs?: number
  /** Milliseconds for a connection, whether it has to be made or waited for. Default 5,000. */
  readonly connectMs?: number
  readonly onError?: (error: Error) => void
}

function connection(config: DatabaseConfig, name: string): pg.ClientConfig {
  return {
    ...serverOf(config),
    application_name: name,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    // The system's own default is two hours. From here on Node asks every second, ten times.
    keepAliveInitialDelayMillis: 10_000,
  }
}

/**
 * With a certificate authority the server has to show a certificate of it for its own name, whatever the address says:
 * pg lets `sslmode` and its like in an address win over what the program asks for.
 */
function serverOf({ databaseUrl, databaseCa, databaseAuth }: DatabaseConfig): pg.ClientConfig {
  if (databaseCa === undefined) return { connectionString: databaseUrl }
  const ssl = { ca: databaseCa, rejectUnauthorized: true }
  const url = new URL(databaseUrl)
  if (databaseAuth.kind === 'password') {
    for (const name of [...url.searchParams.keys()])
      if (/^(?:ssl|uselibpq)/.test(name)) url.searchParams.delete(name)
    return { connectionString: url.href, ssl }
  }
  // Nothing but these is taken from the address: a token goes nowhere else, and not without TLS.
  const { host, port, role } = addressOf(url, databaseAuth.region)
  return { host, port, user: role, database: decodeURIComponent(url.pathname.slice(1)), ssl }
}

const DEFAULT_PORT = 5432

function addressOf(url: URL, region: string): SignInAddress {
  return {
    ...{ host: url.hostname, port: Number(url.port || DEFAULT_PORT), region },
    role: decodeURIComponent(url.username),
  }
}

/** Between the server's end of a statement and ours. */
const SILENCE_MS = 500

/** For a statement that takes milliseconds, on a database that has much else to do. */
export const BRIEF_MS = 5_000

/**
 * The same query, given up `ms` milliseconds after it was sent, whatever the pool allows. A pool closes that connection.
 * A client of one's own has to be ended: the answer may still come, and would be taken for the next query's.
 * @throws (the query) Error 'Query read timeout'
 */
export function within(ms: number, query: pg.QueryConfig): pg.QueryConfig {
  // pg takes it; its types don't say so.
  const limited: pg.QueryConfig & { readonly query_timeout: number } = { ...query, query_timeout: ms }
  return limited
}

const QUERY_CANCELED = '57014'
/** Whether the database gave a statement up, by `statement_timeout` or a word from outside. */
export function isCanceled(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === QUERY_CANCELED
}

/** A pool on the primary. */
export function createPool(config: DatabaseConfig, options: PoolOptions): Pool {
  const pool = openPool(config, {
    ...connection(config, options.name),
    max: options.max ?? 10,
    ...(options.connectMs === undefined ? {} : { connectionTimeoutMillis: options.connectMs }),
    ...(options.statementMs === undefined
      ? {}
      : { statement_timeout: options.statementMs, query_timeout: options.statementMs + SILENCE_MS }),
    idleTimeoutMillis: 60_000,
    maxLifetimeSeconds: 3_600,
  })
  pool.on('error', (error) => options.onError?.(error))
  pool.on('connect', survivesLoss)
  return pool
}

/** A connection of its own, for LISTEN; always on the primary (a replica refuses LISTEN, 25006). */
export function createListener(config: DatabaseConfig, name: string): pg.Client {
  const client = new (clientFor(config))(connection(config, name))
  survivesLoss(client)
  return client
}

function openPool(config: DatabaseConfig, options: pg.PoolConfig): Pool {
  if (config.databaseAuth.kind === 'password') return new pg.Pool(options)
  return new IamPool({ ...options, Client: clientFor(config) })
}

/** What makes connections as the configuration says. */
function clientFor({
  databaseUrl,
  databaseAuth,
}: DatabaseConfig): new (
  config?: pg.ClientConfig,
) => pg.Client {
  if (databaseAuth.kind === 'password') return pg.Client
  const address = addressOf(new URL(databaseUrl), databaseAuth.region)
  const tokens = tokensFor(address)
  return class extends IamClient {
    constructor(config: pg.ClientConfig = {}) {
      super(config, address, tokens)
    }
  }
}

/**
 * A connection that is lost between two queries says so by an `error` event, which ends the process where nobody
 * listens. Pools listen to idle clients only; for others the next query, or `end`, tells soon enough.
 */
function survivesLoss(client: pg.ClientBase): void {
  client.on('error', () => {})
}

const DEADLOCK = '40P01'
const DEADLOCK_RETRIES = 2

/**
 * Runs `work` in one transaction: COMMIT when it returns, ROLLBACK when it throws.
 * `work` may run more than once: two transactions that wait for each other's locks are a matter of bad luck, and
 * whoever PostgreSQL ends for it tries again. So it must read no stream, and leave nothing changed outside of the
 * database that a second run would trip over.
 */
export async function transaction<T>(pool: Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  for (let retries = 0; ; retries++) {
    try {
      return await runOnce(pool, work)
    } catch (error) {
      const deadlock = error instanceof pg.DatabaseError && error.code === DEADLOCK
      if (!deadlock || retries === DEADLOCK_RETRIES) throw error
      // At random, so that two victims do not meet again.
      await sleep(10 + Math.random() * 90)
    }
  }
}

/** A connection that broke is destroyed, not handed back. */
async function runOnce<T>(pool: Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  let broken = false
  try {
    // What a connection that died while it was idle is asked first: nothing is lost by giving it up soon.
    await client.query(within(Math.min(BRIEF_MS, pool.options.query_timeout ?? BRIEF_MS), { text: 'BEGIN' }))
    const result = await work(client)
    await client.query('COMMIT')
    return result
  } catch (error) {
    // A connection that says nothing would let ROLLBACK wait as long again. (pg knows this error by its text only.)
    broken = error instanceof Error && error.message === 'Query read timeout'
    if (!broken)
      await client.query('ROLLBACK').catch(() => {
        broken = true
      })
    throw error
  } finally {
    client.release(broken)
  }
}
