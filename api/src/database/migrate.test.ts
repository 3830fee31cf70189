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

test('a wrong address fails within seconds', async () => {
  await expect(migrate({ connectionString: 'postgresql://postgres@127.0.0.1:1/none' })).rejects.toThrow(
    /ECONNREFUSED/,
  )
})
