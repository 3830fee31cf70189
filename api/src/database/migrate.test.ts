import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { testDatabase } from '../../test/database.ts'
import { PostgresServer } from '../../test/postgres-server.ts'
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
    const migrating = migrate({ connectionString: db.url }, dir)
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

test('an owner who may make no role migrates without it; one who is a member of it is not shut out', async () => {
  const home = mkdtempSync(path.join(tmpdir(), 'terrace-roles-'))
  chmodSync(home, 0o755)
  const server = await PostgresServer.create(path.join(home, 'postgres'))
  try {
    await server.start()
    const as = async (role: string, database: string) => {
      await server.query(`CREATE DATABASE ${database} OWNER ${role}`)
      const url = new URL(server.url(database))
      ;[url.username, url.password] = [role, 'sesame']
      return await migrate({ connectionString: url.href })
    }
    await server.query("CREATE ROLE plain LOGIN PASSWORD 'sesame'")
    expect(await as('plain', 'first')).not.toEqual([])
    expect(await server.query(ROLES)).toEqual([])
    await server.query('CREATE ROLE rds_iam NOLOGIN')
    await server.query("CREATE ROLE member LOGIN CREATEROLE PASSWORD 'sesame'")
    await server.query('CREATE ROLE terrace_app NOLOGIN')
    await server.query('GRANT terrace_app TO member')
    await server.query('GRANT rds_iam TO member WITH ADMIN OPTION')
    expect(await as('member', 'second')).not.toEqual([])
    expect(await server.query("SELECT FROM pg_auth_members WHERE member = 'terrace_app'::regrole")).toEqual(
      [],
    )
    // It has the tables all the same.
    const may = "SELECT has_table_privilege('terrace_app', 'documents', 'INSERT') AS may"
    expect(await server.query(may, 'second')).toEqual([{ may: true }])
  } finally {
    await server.kill()
    rmSync(home, { recursive: true, force: true })
  }
})
