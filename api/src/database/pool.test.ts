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

test('a listener that nobody listens to yet is lost without ending the process', async () => {
  await using db = await testDatabase()
  const death = deadly()
  const client = createListener(db.config('/tmp/terrace-unused'), 'terrace-test-listener')
  await client.connect()
  const gone = Promise.race([ended(client), death])
  await db.pool.query('SELECT pg_terminate_backend($1)', [await pidOf(client)])
  expect(await gone).toBe('ended')
})
