import { expect, onTestFinished, test } from 'vitest'
import { testDatabase } from '../../test/database.ts'
import { createListener, createPool, type Queryable, transaction } from './pool.ts'

const pidOf = async (db: Queryable): Promise<number> =>
  (await db.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid ?? 0

const MS = 400

async function limited() {
  await using stack = new AsyncDisposableStack()
  const db = stack.use(await testDatabase())
  const pool = createPool(db.config('/tmp/terrace-unused'), {
    name: 'terrace-test-limited',
    max: 1,
    statementMs: MS,
  })
  stack.defer(() => pool.end())
  const started = stack.move()
  return { db, pool, [Symbol.asyncDispose]: () => started.disposeAsync() }
}

test('a statement that waits too long for a lock is ended, and its connection goes on', async () => {
  await using of = await limited()
  const holder = createListener(of.db.config('/tmp/terrace-unused'), 'terrace-test-holder')
  await holder.connect()
  onTestFinished(() => holder.end())
  await holder.query('SELECT pg_advisory_lock(1)')
  await expect(of.pool.query('SELECT pg_advisory_lock(1)')).rejects.toMatchObject({ code: '57014' })
  const before = await pidOf(of.pool)
  const late = transaction(of.pool, (client) => client.query('SELECT pg_advisory_xact_lock(1)'))
  await expect(late).rejects.toMatchObject({ code: '57014' })
  expect(await pidOf(of.pool)).toBe(before)
})

test.each([
  ['a statement', (of: Awaited<ReturnType<typeof limited>>) => of.pool.query('SELECT 1')],
  ['a transaction', (of: Awaited<ReturnType<typeof limited>>) => transaction(of.pool, async () => {})],
])(
  '%s on a connection that says nothing any more is given up, and the connection with it',
  async (_, work) => {
    await using of = await limited()
    const silent = await pidOf(of.pool)
    // As when a network swallows every packet: nothing refuses, nothing answers.
    process.kill(silent, 'SIGSTOP')
    const wake = setTimeout(() => process.kill(silent, 'SIGCONT'), 4_000)
    try {
      const began = performance.now()
      await expect(work(of)).rejects.toThrow('Query read timeout')
      expect(performance.now() - began).toBeLessThan(3_500)
      expect(await pidOf(of.pool)).not.toBe(silent)
    } finally {
      clearTimeout(wake)
      process.kill(silent, 'SIGCONT')
    }
  },
)
