import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { testDatabase } from '../../test/database.ts'
import { PostgresServer } from '../../test/postgres-server.ts'
import { createLog } from '../log.ts'
import { migrate, missingMigrations } from './migrate.ts'

test('a migrated database needs nothing more, and a fresh one everything', async () => {
  await using db = await testDatabase()
  expect(await migrate({ connectionString: db.url })).toEqual([])
  expect(await missingMigrations(db.pool)).toEqual([])
  await db.pool.query('DROP TABLE _prisma_migrations')
  expect((await missingMigrations(db.pool)).length).toBeGreaterThan(0)
})

test('a migration that was edited after it was applied is refused by name', async () => {
  await using db = await testDatabase()
  await db.pool.query("UPDATE _prisma_migrations SET checksum = 'other' WHERE migration_name LIKE '%_first'")
  await expect(migrate({ connectionString: db.url })).rejects.toThrow(/_first was edited/)
})

test('a table that somebody reads for long is waited for, while others go on reading it', async () => {
  await using db = await testDatabase()
  const dir = mkdtempSync(path.join(tmpdir(), 'terrace-migrations-'))
  try {
    mkdirSync(path.join(dir, '20990101000000_later'))
    writeFileSync(
      path.join(dir, '20990101000000_later/migration.sql'),
      'CREATE TABLE made (id INT); ALTER TABLE settings ADD COLUMN later INT',
    )
    await using stack = new AsyncDisposableStack()
    const reader = await db.pool.connect()
    stack.defer(() => reader.release(true))
    await reader.query('BEGIN')
    await reader.query('SELECT 1 FROM settings')
    const migrating = migrate({ connectionString: db.url }, { dir })
    const waits = async () => {
      const { rows } = await db.pool.query("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
      return rows.length
    }
    await expect.poll(waits).toBe(1)
    // Until it gives way, for a moment.
    await expect.poll(waits, { timeout: 20_000, interval: 50 }).toBe(0)
    await db.pool.query('SELECT 1 FROM settings')
    await reader.query('COMMIT')
    expect(await migrating).toEqual(['20990101000000_later'])
    expect((await db.pool.query('SELECT later FROM settings')).rows).toEqual([])
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
})

test('a wrong address fails within seconds', async () => {
  await expect(migrate({ connectionString: 'postgresql://postgres@127.0.0.1:1/none' })).rejects.toThrow(
    /ECONNREFUSED/,
  )
})

const ROLES = "SELECT rolname, rolcanlogin, rolsuper FROM pg_roles WHERE rolname LIKE 'terrace\\_%'"

test('the servers’ role on AWS is there, and nobody can sign in as it where there is no rds_iam', async () => {
  await using db = await testDatabase()
  expect((await db.pool.query(ROLES)).rows).toEqual([
    { rolname: 'terrace_app', rolcanlogin: false, rolsuper: false },
  ])
})

describe('the servers’ role', () => {
  const home = mkdtempSync(path.join(tmpdir(), 'terrace-roles-'))
  let server: PostgresServer
  beforeAll(async () => {
    chmodSync(home, 0o755)
    server = await PostgresServer.create(path.join(home, 'postgres'))
    await server.start()
  })
  afterAll(async () => {
    await server?.kill()
    rmSync(home, { recursive: true, force: true })
  })

  /** @returns what was applied, and what the log says */
  async function migrateAs(role: string, database: string) {
    if ((await server.query(`SELECT FROM pg_database WHERE datname = '${database}'`)).length === 0)
      await server.query(`CREATE DATABASE ${database} OWNER ${role}`)
    const url = new URL(server.url(database))
    if (role !== 'postgres') [url.username, url.password] = [role, 'sesame']
    const lines: Record<string, unknown>[] = []
    const log = createLog({ logLevel: 'info', release: 'test' }, 'api', {
      write: (line) => void lines.push(JSON.parse(line)),
    })
    const applied = await migrate({ connectionString: url.href }, { log })
    return { applied, lines }
  }
  const said = (lines: readonly Record<string, unknown>[]) =>
    lines
      .filter(({ level }) => level === 40)
      .map(({ migration, severity, code, said }) => ({ migration, severity, code, said }))

  test('is left out by an owner who may make none: the log says so, and what was applied', async () => {
    await server.query("CREATE ROLE plain LOGIN PASSWORD 'sesame'")
    const { applied, lines } = await migrateAs('plain', 'first')
    expect(await server.query(ROLES)).toEqual([])
    expect(said(lines)).toEqual([
      {
        ...{ migration: '20261128180000_application_role', severity: 'WARNING', code: '01000' },
        said: expect.stringMatching(/^the role terrace_app was left out: permission denied/) as string,
      },
    ])
    expect(lines.filter(({ msg }) => msg === 'migrated').map(({ migration }) => migration)).toEqual(applied)
    expect(applied).toContain('20261128180000_application_role')
  })

  test('has to be there on RDS: a sentence says what is missing, and all migrations are applied', async () => {
    await server.query('CREATE ROLE rds_iam NOLOGIN')
    await expect(migrateAs('plain', 'second')).rejects.toThrow(
      /^The migrations are applied, but servers can not sign in as terrace_app: it does not exist\. See .*docs\/configuration\.md/,
    )
    await expect(migrateAs('plain', 'first')).rejects.toThrow('it does not exist')
    await server.query('CREATE ROLE terrace_app NOLOGIN')
    await expect(migrateAs('plain', 'second')).rejects.toThrow(
      /: it has no LOGIN, it is no member of rds_iam, it may not read and write the tables \w+, \w+ and \d+ more\. /,
    )
  })

  test('an owner who is a member of it is not shut out, and hears that the role can not sign in', async () => {
    await server.query("CREATE ROLE member LOGIN CREATEROLE PASSWORD 'sesame'")
    await server.query('GRANT terrace_app TO member')
    await server.query('GRANT rds_iam TO member WITH ADMIN OPTION')
    // It has the tables all the same.
    await expect(migrateAs('member', 'third')).rejects.toThrow(
      /: it has no LOGIN, it is no member of rds_iam\. /,
    )
    expect(await server.query("SELECT FROM pg_auth_members WHERE member = 'terrace_app'::regrole")).toEqual(
      [],
    )
    const may = "SELECT has_table_privilege('terrace_app', 'documents', 'INSERT') AS may"
    expect(await server.query(may, 'third')).toEqual([{ may: true }])
  })

  test('is asked for each time, table by table', async () => {
    await server.query('ALTER ROLE terrace_app LOGIN; GRANT rds_iam TO terrace_app')
    expect((await migrateAs('postgres', 'fourth')).applied).not.toEqual([])
    for (const [taken, given] of [
      ['REVOKE SELECT ON documents FROM terrace_app', 'GRANT SELECT ON documents TO terrace_app'],
      ['REVOKE UPDATE ON documents FROM terrace_app', 'GRANT UPDATE ON documents TO terrace_app'],
    ] as const) {
      await server.query(taken, 'fourth')
      await expect(migrateAs('postgres', 'fourth')).rejects.toThrow(
        ': it may not read and write the table documents. ',
      )
      await server.query(given, 'fourth')
      expect((await migrateAs('postgres', 'fourth')).applied).toEqual([])
    }
    await server.query('REVOKE USAGE ON SCHEMA pgboss FROM terrace_app', 'fourth')
    await expect(migrateAs('postgres', 'fourth')).rejects.toThrow(': it may not read and write the tables ')
    await server.query('GRANT USAGE ON SCHEMA pgboss TO terrace_app', 'fourth')
    await server.query('REVOKE rds_iam FROM terrace_app')
    await expect(migrateAs('postgres', 'fourth')).rejects.toThrow(': it is no member of rds_iam. ')
    await server.query('GRANT rds_iam TO terrace_app')
    // Tables of somebody else's are theirs.
    await server.query("CREATE ROLE owner LOGIN PASSWORD 'sesame'")
    expect((await migrateAs('owner', 'fifth')).applied).not.toEqual([])
    await server.query('CREATE TABLE others (id int)', 'fifth')
    expect((await migrateAs('owner', 'fifth')).applied).toEqual([])
  })

  test('an owner of that very name has it all', async () => {
    await server.query("ALTER ROLE terrace_app PASSWORD 'sesame'; REVOKE rds_iam FROM terrace_app")
    expect((await migrateAs('terrace_app', 'sixth')).applied).not.toEqual([])
  })
})
