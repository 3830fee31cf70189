import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { goodbye, lossOf } from './loss.ts'
import { createListener } from './pool.ts'

const QUICK = { everyMs: 50, forMs: 40 }

async function listener(db: TestDatabase): Promise<pg.Client> {
  const client = createListener(db.config('/tmp/terrace-unused'), 'terrace-test-listener')
  await client.connect()
  return client
}

/** Its server's process answers nothing and is not gone, as when a network swallows every packet. */
async function silence(client: pg.Client): Promise<Disposable> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  const pid = rows[0]?.pid ?? 0
  process.kill(pid, 'SIGSTOP')
  return { [Symbol.dispose]: () => void process.kill(pid, 'SIGCONT') }
}

/** What happens first of these, so that what never happens leaves no process stopped. */
const first = (events: Record<string, Promise<unknown>>) => {
  const all = Object.entries({ ...events, nothing: sleep(20_000, undefined, { ref: false }) })
  return Promise.race(all.map(([name, event]) => event.then(() => name)))
}

test('a listener whose connection says nothing any more is lost, and ended without waiting for its answer', async () => {
  await using db = await testDatabase()
  const client = await listener(db)
  const lost = lossOf(client, undefined, QUICK)
  const ended = new Promise((resolve) => client.once('end', resolve))
  using _silent = await silence(client)
  expect(await first({ lost })).toBe('lost')
  await goodbye(client)
  // Not only left alone: what it still has in hand would be an open connection for a quarter of an hour.
  expect(await first({ ended })).toBe('ended')
})

test('one that answers is not lost, until it is ended or not wanted any more', async () => {
  await using db = await testDatabase()
  const [kept, unwanted] = [await listener(db), await listener(db)]
  const stop = new AbortController()
  const asked = new Promise<void>((resolve) => {
    let answers = 0
    kept.on('drain', () => ++answers === 3 && resolve())
  })
  const events = { lost: lossOf(kept, undefined, { everyMs: 50, forMs: 10_000 }), asked }
  expect(await first(events)).toBe('asked')
  const { rows } = await kept.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  await db.pool.query('SELECT pg_terminate_backend($1)', [rows[0]?.pid])
  expect(await first({ lost: events.lost })).toBe('lost')
  const over = lossOf(unwanted, stop.signal, QUICK)
  stop.abort()
  await over
  await lossOf(unwanted, stop.signal, QUICK)
  await goodbye(unwanted)
})

test('nobody waits for the goodbye of a connection that is idle and dead', async () => {
  await using db = await testDatabase()
  const client = await listener(db)
  const ended = new Promise((resolve) => client.once('end', resolve))
  using _silent = await silence(client)
  expect(await first({ 'said goodbye': goodbye(client), ended })).toBe('said goodbye')
})
