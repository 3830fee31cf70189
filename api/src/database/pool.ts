// The one place that opens connections to PostgreSQL: Prisma, pg-boss, LISTEN and plain SQL all use its pools.
// Connections always have a connect time-out (pg's default is to wait for ever) and an application name.
// A pool that loses an idle connection logs it and goes on; the next query opens another.
import pg from 'pg'
import type { Config } from '../config.ts'

export type Pool = pg.Pool
export type Client = pg.ClientBase
/** What plain SQL needs: a pool or one of its clients. */
export type Queryable = Pick<pg.ClientBase, 'query'>

/** What a connection needs of the configuration. */
export type DatabaseConfig = Pick<Config, 'databaseUrl' | 'databaseCa'>

export interface PoolOptions {
  /** Shown in pg_stat_activity, e.g. `terrace-api`. */
  readonly name: string
  /** Connections at most. Default 10. */
  readonly max?: number
  readonly onError?: (error: Error) => void
}

function connection(config: DatabaseConfig, name: string): pg.ClientConfig {
  return {
    connectionString: config.databaseUrl,
    application_name: name,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    ...(config.databaseCa === undefined ? {} : { ssl: { ca: config.databaseCa } }),
  }
}

/** A pool on the primary. */
export function createPool(config: DatabaseConfig, options: PoolOptions): Pool {
  const pool = new pg.Pool({
    ...connection(config, options.name),
    max: options.max ?? 10,
    idleTimeoutMillis: 60_000,
    maxLifetimeSeconds: 3_600,
  })
  pool.on('error', (error) => options.onError?.(error))
  pool.on('connect', survivesLoss)
  return pool
}

/** A connection of its own, for LISTEN; always on the primary (a replica refuses LISTEN, 25006). */
export function createListener(config: DatabaseConfig, name: string): pg.Client {
  const client = new pg.Client({ ...connection(config, name) })
  survivesLoss(client)
  return client
}

/**
 * A connection that is lost between two queries says so by an `error` event, which ends the process where nobody
 * listens. Pools listen to idle clients only; for others the next query, or `end`, tells soon enough.
 */
function survivesLoss(client: pg.ClientBase): void {
  client.on('error', () => {})
}

/**
 * Runs `work` in one transaction: COMMIT when it returns, ROLLBACK when it throws.
 * A connection that broke is destroyed, not handed back.
 */
export async function transaction<T>(pool: Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  let broken = false
  try {
    await client.query('BEGIN')
    const result = await work(client)
    await client.query('COMMIT')
    return result
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {
      broken = true
    })
    throw error
  } finally {
    client.release(broken)
  }
}
