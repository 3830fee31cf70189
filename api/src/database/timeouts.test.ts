import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test, vi } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { testServer } from '../../test/server.ts'
import { activeGeneration, readLog, switchedSince } from '../index/database-source.ts'
import { noticeServer } from '../index/epoch.ts'
import { releaseTerm, renewTerm, takeTerm } from '../index/shared/term.ts'
import { jobDatabase } from '../jobs/database.ts'
import { createSessions } from '../people/sessions.ts'
import { createListener, createPool, type Pool, type Queryable, transaction } from './pool.ts'
import { primaryPlace } from './wal.ts'

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

/** A pool without a limit of its own, whose one connection answers nothing any more, though nobody has cut it. */
async function silentPool(db: TestDatabase): Promise<{ pool: Pool } & AsyncDisposable> {
  const pool = createPool(db.config('/tmp/terrace-unused'), { name: 'terrace-test-silent', max: 1 })
  const pid = await pidOf(pool)
  process.kill(pid, 'SIGSTOP')
  return {
    pool,
    async [Symbol.asyncDispose]() {
      process.kill(pid, 'SIGCONT')
      await pool.end()
    },
  }
}

test('what takes milliseconds is given up on any pool, and the next one asks another connection', async () => {
  await using db = await testDatabase()
  await using server = await testServer(db)
  const { cookie } = await server.person()
  const asked: Record<string, (pool: Pool) => Promise<unknown>> = {
    'how far the log goes': (pool) => readLog(pool, { seq: 0 }),
    'the active generation': activeGeneration,
    'whether it was switched': (pool) => switchedSince(pool, 0),
    'which server it is': noticeServer,
    'a term': (pool) => takeTerm(pool, 'one'),
    'more of a term': (pool) => renewTerm(pool, 'one', 1),
    'the end of a term': (pool) => releaseTerm(pool, 'one'),
    'the place of the primary': primaryPlace,
    'who somebody is': (pool) => createSessions(server.config, pool).find(cookie),
    'a transaction': (pool) => transaction(pool, async () => {}),
  }
  await Promise.all(
    Object.entries(asked).map(async ([what, ask]) => {
      await using silent = await silentPool(db)
      // What has no limit is told by the clock, so that no process is left stopped.
      const clock = sleep(30_000, undefined, { ref: false }).then(() => Promise.reject(new Error('no limit')))
      await expect(Promise.race([ask(silent.pool), clock]), what).rejects.toThrow('Query read timeout')
      await ask(silent.pool)
    }),
  )
})

test('a job queue asks nothing for ever', async () => {
  await using db = await testDatabase()
  const query = vi.spyOn(db.pool, 'query')
  const { executeSql } = jobDatabase(db.config('/tmp/terrace-unused'), db.pool, () => {})
  expect((await executeSql('SELECT $1::int AS n', [1])).rows).toEqual([{ n: 1 }])
  expect(query).toHaveBeenCalledWith(expect.objectContaining({ query_timeout: expect.any(Number) }))
})

test('connections that wait are kept alive by the kernel, long before the two hours of its own', async () => {
  await using db = await testDatabase()
  const keepAlive = vi.spyOn(net.Socket.prototype, 'setKeepAlive')
  onTestFinished(() => keepAlive.mockRestore())
  const pool = createPool(db.config('/tmp/terrace-unused'), { name: 'terrace-test-kept' })
  const listener = createListener(db.config('/tmp/terrace-unused'), 'terrace-test-kept')
  await pool.query('SELECT 1')
  await listener.connect()
  expect(keepAlive.mock.calls).toEqual([
    [true, 10_000],
    [true, 10_000],
  ])
  await pool.end()
  await listener.end()
})
