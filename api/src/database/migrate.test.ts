import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { testDatabase } from '../../test/database.ts'
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
