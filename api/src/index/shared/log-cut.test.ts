import { expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../../test/database.ts'
import { append } from '../log.ts'
import { beginBuilding, beginDropping, type Choice, endDropping, exchange } from '../switch/choice.ts'
import { cutLog } from './log-cut.ts'

/** Entries 1 to 20; the first fifteen are older than what is kept whatever happens. */
async function log(db: TestDatabase): Promise<void> {
  for (let i = 0; i < 20; i++) await append(db.pool, { op: 'session', userId: 'nobody' })
  await db.pool.query("UPDATE index_log SET at = now() - interval '2 hours' WHERE seq <= 15")
}

const left = async ({ pool }: TestDatabase) =>
  Number((await pool.query<{ first: string }>('SELECT min(seq) AS first FROM index_log')).rows[0]?.first)

const need = (choice: Choice | null): Choice => choice ?? expect.unreachable('the choice was to be changed')

test('a single engine cuts the log behind its own copy, and nothing of the last hour', async () => {
  await using db = await testDatabase()
  await log(db)
  expect(await cutLog(db.pool, 'opensearch', 5)).toBe(4)
  expect(await left(db)).toBe(5)
  await cutLog(db.pool, 'opensearch', 20)
  expect(await left(db)).toBe(16)
})

test('what stands in for a cluster counts with its copy, unless it is of another history', async () => {
  await using db = await testDatabase()
  await log(db)
  await db.pool.query('INSERT INTO word_fill (id, epoch, seq) SELECT 1, epoch, 4 FROM index_head')
  await cutLog(db.pool, 'opensearch', 9)
  expect(await left(db)).toBe(4)
  await db.pool.query('UPDATE word_fill SET epoch = gen_random_uuid()')
  await cutLog(db.pool, 'opensearch', 9)
  expect(await left(db)).toBe(9)
})

test('without a choice, what another engine has said of late counts; what it said days ago does not', async () => {
  await using db = await testDatabase()
  await log(db)
  await cutLog(db.pool, 'embedded', 3)
  await cutLog(db.pool, 'opensearch', 10)
  expect(await left(db)).toBe(3)
  await db.pool.query("UPDATE index_log_floors SET at = now() - interval '2 days' WHERE copy = 'embedded'")
  await cutLog(db.pool, 'opensearch', 10)
  expect(await left(db)).toBe(10)
})

test('while another engine is built nothing goes that it may need, until it has said what', async () => {
  await using db = await testDatabase()
  await log(db)
  await cutLog(db.pool, 'opensearch', 2)
  const nobody = { engine: 'embedded', number: 0 } as const
  const building = need(await beginBuilding(db.pool, nobody, 'opensearch', null))
  // What a former copy of it said is forgotten.
  await cutLog(db.pool, 'embedded', 10)
  expect(await left(db)).toBe(2)
  await cutLog(db.pool, 'opensearch', 6)
  expect(await left(db)).toBe(6)
  await cutLog(db.pool, 'embedded', 8)
  expect(await left(db)).toBe(6)
  const kept = need(await exchange(db.pool, building))
  await cutLog(db.pool, 'opensearch', 12)
  expect(await left(db)).toBe(8)
  // Given up, it holds nothing back, and has no say of its own any more.
  const dropping = need(await beginDropping(db.pool, kept))
  expect(await cutLog(db.pool, 'embedded', 20)).toBe(0)
  await cutLog(db.pool, 'opensearch', 12)
  expect(await left(db)).toBe(12)
  expect(need(await endDropping(db.pool, dropping))).toMatchObject({ engine: 'opensearch', beside: null })
})
