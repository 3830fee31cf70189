import type pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { testDatabase } from '../../test/database.ts'
import { createListener, type Queryable, transaction } from './pool.ts'

/** Resolves with an error that would have ended the process. */
function deadly(): Promise<Error> {
  const before = process.listeners('uncaughtException')
  onTestFinished(() => {
    process.removeAllListeners('uncaughtException')
    for (const listener of before) process.on('uncaughtException', listener)
  })
  process.removeAllListeners('uncaughtException')
  return new Promise((resolve) => {
    process.on('uncaughtException', resolve)
  })
}

/** Not by events.once: that would listen to errors too. */
const ended = (client: pg.ClientBase) =>
  new Promise<'ended'>((resolve) => {
    client.once('end', () => resolve('ended'))
  })

const pidOf = async (db: Queryable): Promise<number> =>
  (await db.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid ?? 0

test('a transaction whose connection is lost between two queries fails, and nothing else does', async () => {
  await using db = await testDatabase()
  const death = deadly()
  const lost = transaction(db.pool, async (client) => {
    const gone = Promise.race([ended(client), death])
    await db.pool.query('SELECT pg_terminate_backend($1)', [await pidOf(client)])
    // As while a blob is looked at: no query is under way that could be told.
    expect(await gone).toBe('ended')
    await client.query('SELECT 1')
  })
  await expect(lost).rejects.toThrow('not queryable')
  expect(await pidOf(db.pool)).toBeGreaterThan(0)
})

test('two transactions that wait for each other are both done: the one that is ended for it runs again', async () => {
  await using db = await testDatabase()
  await db.pool.query('CREATE TABLE counters (id int PRIMARY KEY, n int NOT NULL)')
  await db.pool.query('INSERT INTO counters VALUES (1, 0), (2, 0)')
  const both = Promise.withResolvers<void>()
  let holding = 0
  let runs = 0
  const add = (client: Queryable, id: number) =>
    client.query('UPDATE counters SET n = n + 1 WHERE id = $1', [id])
  const work = (first: number, second: number) =>
    transaction(db.pool, async (client) => {
      runs++
      await add(client, first)
      if (++holding === 2) both.resolve()
      await both.promise
      await add(client, second)
      return first
    })
  expect(await Promise.all([work(1, 2), work(2, 1)])).toEqual([1, 2])
  expect(runs).toBe(3)
  expect((await db.pool.query('SELECT n FROM counters')).rows).toEqual([{ n: 2 }, { n: 2 }])
})

test('what fails otherwise, or deadlocks again and again, is not tried for ever', async () => {
  await using db = await testDatabase()
  const runs = { '40P01': 0, '22012': 0 }
  const fail = (code: keyof typeof runs) =>
    transaction(db.pool, async (client) => {
      runs[code]++
      await client.query(`DO $$ BEGIN RAISE EXCEPTION USING errcode = '${code}'; END $$`)
    })
  await expect(fail('40P01')).rejects.toMatchObject({ code: '40P01' })
  await expect(fail('22012')).rejects.toMatchObject({ code: '22012' })
  expect(runs).toEqual({ '40P01': 3, '22012': 1 })
})

test('a listener that nobody listens to yet is lost without ending the process', async () => {
  await using db = await testDatabase()
  const death = deadly()
  const client = createListener(db.config('/tmp/terrace-unused'), 'terrace-test-listener')
  await client.connect()
  const gone = Promise.race([ended(client), death])
  await db.pool.query('SELECT pg_terminate_backend($1)', [await pidOf(client)])
  expect(await gone).toBe('ended')
})
