// Applies prisma/migrations as `prisma migrate deploy` does: same table, checksums, order and advisory lock,
// without the CLI (which is a development package). Safe to run from several servers at once.
// `missingMigrations` is what /readyz asks: unknown newer migrations are normal, missing ones of this build are not.
import { createHash, randomUUID } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Logger } from 'pino'
import { checkApplicationRole } from './application-role.ts'
import type { Queryable } from './pool.ts'

/** prisma/migrations of this checkout or image. */
export const MIGRATIONS_DIR = path.resolve(import.meta.dirname, '../../../prisma/migrations')

/** The advisory lock that Prisma's own engine takes. */
const PRISMA_LOCK = 72707369

interface Migration {
  readonly name: string
  readonly sql: string
  readonly checksum: string
}

function readMigrations(dir: string): Migration[] {
  return readdirSync(dir)
    .sort()
    .filter((name) => existsSync(path.join(dir, name, 'migration.sql')))
    .map((name) => {
      const sql = readFileSync(path.join(dir, name, 'migration.sql'), 'utf8')
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
    })
}

interface AppliedRow {
  migration_name: string
  checksum: string
  finished_at: Date | null
  rolled_back_at: Date | null
}

export interface MigrateOptions {
  /** Default: prisma/migrations of this checkout or image. */
  readonly dir?: string
  /** Told of each migration, and of what PostgreSQL says of it: a grant that it refuses is a warning, no error. */
  readonly log?: Pick<Logger, 'info' | 'warn'>
}

/**
 * Applies what is missing and returns the names. Waits up to 60 s for another server that is migrating.
 * @param connection how to connect as the owner of the tables; or a client that did not yet, which is ended
 * @throws Error naming the migration, when one failed before (P3009), fails now (P3018), or was edited after it was applied;
 *   Error when all are applied, but the servers' role on Amazon RDS lacks something (application-role.ts)
 */
export async function migrate(
  connection: pg.ClientConfig | pg.Client,
  { dir = MIGRATIONS_DIR, log }: MigrateOptions = {},
): Promise<string[]> {
  const client =
    connection instanceof pg.Client
      ? connection
      : new pg.Client({
          ...{ connectionTimeoutMillis: 5_000, ...connection },
          application_name: 'terrace-migrate',
        })
  await client.connect()
  try {
    await client.query("SET lock_timeout = '60s'")
    await client.query('SELECT pg_advisory_lock($1)', [PRISMA_LOCK])
    await client.query('RESET lock_timeout')
    await client.query(`CREATE TABLE IF NOT EXISTS _prisma_migrations (
      id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT NULL, finished_at TIMESTAMPTZ,
      migration_name VARCHAR(255) NOT NULL, logs TEXT, rolled_back_at TIMESTAMPTZ,
      started_at TIMESTAMPTZ NOT NULL DEFAULT now(), applied_steps_count INTEGER NOT NULL DEFAULT 0)`)
    const { rows } = await client.query<AppliedRow>(
      'SELECT migration_name, checksum, finished_at, rolled_back_at FROM _prisma_migrations',
    )
    const failed = rows.find((row) => row.finished_at === null && row.rolled_back_at === null)
    if (failed)
      throw new Error(`P3009: migration ${failed.migration_name} failed before; see "prisma migrate resolve"`)
    const done = new Map(
      rows.filter((row) => row.rolled_back_at === null).map((row) => [row.migration_name, row.checksum]),
    )
    const applied: string[] = []
    for (const migration of readMigrations(dir)) {
      const checksum = done.get(migration.name)
      if (checksum !== undefined && checksum !== migration.checksum)
        throw new Error(
          `migration ${migration.name} was edited after it was applied; write a new one instead`,
        )
      if (checksum !== undefined) continue
      await apply(client, migration, log)
      applied.push(migration.name)
    }
    await checkApplicationRole(client)
    return applied
  } finally {
    await client.end()
  }
}

async function apply(client: pg.Client, migration: Migration, log: MigrateOptions['log']): Promise<void> {
  const id = randomUUID()
  await client.query('INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ($1, $2, $3)', [
    id,
    migration.checksum,
    migration.name,
  ])
  const onNotice = (notice: NoticeMessage) => noteSaid(migration.name, notice, log)
  client.on('notice', onNotice)
  try {
    await run(client, migration.sql)
  } catch (error) {
    await client.query('UPDATE _prisma_migrations SET logs = $2 WHERE id = $1', [id, String(error)])
    throw new Error(
      `P3018: migration ${migration.name} failed: ${error instanceof Error ? error.message : String(error)}`,
      {
        cause: error,
      },
    )
  } finally {
    client.off('notice', onNotice)
  }
  await client.query(
    'UPDATE _prisma_migrations SET finished_at = now(), applied_steps_count = 1 WHERE id = $1',
    [id],
  )
  log?.info({ migration: migration.name }, 'migrated')
}

type NoticeMessage = Record<'severity' | 'code' | 'message' | 'detail' | 'hint', string | undefined>

/** Names of roles and tables are in it, and no row. */
function noteSaid(migration: string, said: NoticeMessage, log: MigrateOptions['log']): void {
  const { severity, code, message: text, detail, hint } = said
  const level = severity === 'WARNING' ? 'warn' : 'info'
  log?.[level]({ migration, severity, code, said: text, detail, hint }, 'the database says of a migration')
}

/** For a lock that somebody who reads for long holds: behind a statement that waits for it everybody else waits, too. */
const LOCK_MS = 5_000
const AGAIN_MS = 1_000
const TRIES = 60
/** A deadlock with what goes on meanwhile, and a lock that was not given in time: nothing of the statements has stayed. */
const PASSING = new Set(['40P01', '55P03'])

/** All statements in one transaction. */
async function run(client: pg.Client, sql: string): Promise<void> {
  await client.query(`SET lock_timeout = ${LOCK_MS}`)
  try {
    for (let tries = 1; ; tries++)
      try {
        await client.query(sql)
        return
      } catch (error) {
        const passes = error instanceof pg.DatabaseError && PASSING.has(error.code ?? '')
        if (!passes || tries === TRIES) throw error
        await sleep(AGAIN_MS)
      }
  } finally {
    await client.query('RESET lock_timeout')
  }
}

/** Migrations of this build that the database does not have yet. */
export async function missingMigrations(db: Queryable, dir: string = MIGRATIONS_DIR): Promise<string[]> {
  const names = readMigrations(dir).map((migration) => migration.name)
  try {
    const { rows } = await db.query<{ migration_name: string }>(
      'SELECT migration_name FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL',
    )
    const done = new Set(rows.map((row) => row.migration_name))
    return names.filter((name) => !done.has(name))
  } catch (error) {
    if (error instanceof pg.DatabaseError && error.code === '42P01') return names
    throw error
  }
}
