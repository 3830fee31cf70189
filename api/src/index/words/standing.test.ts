import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { testDatabase } from '../../../test/database.ts'
import { renewEpoch } from '../epoch.ts'
import { FixtureLibrary } from '../fixtures.ts'
import { Standing } from './standing.ts'

/** Nobody fills any words here. */
async function standing() {
  const db = await testDatabase()
  onTestFinished(() => db[Symbol.asyncDispose]())
  const standing = new Standing(db.config('/tmp/terrace-unused'), pino({ enabled: false }))
  onTestFinished(() => standing.close())
  const filled = () =>
    db.pool.query(`INSERT INTO word_fill (id, epoch, seq) SELECT 1, epoch, seq FROM index_head
                   ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq`)
  return { db, standing, filled, library: new FixtureLibrary(db.pool) }
}

test('words stand in once they were filled, and not for another history than theirs', async () => {
  const of = await standing()
  expect(await of.standing.usable()).toBe(false)
  const position = await of.library.session('somebody')
  await of.filled()
  expect(await of.standing.usable()).toBe(true)
  expect(of.standing.position).toEqual(position)
  await of.standing.waitFor(position, 1_000)
  await renewEpoch(of.db.pool)
  expect(await of.standing.usable()).toBe(false)
  await of.filled()
  expect(await of.standing.usable()).toBe(true)
  // The number was reached, in a history that has it for something else.
  await expect(of.standing.waitFor(position, 50)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
})

test('how long they have been behind the log counts from when they had all of it', async () => {
  const of = await standing()
  await of.filled()
  await of.standing.usable()
  await of.library.session('somebody')
  await sleep(200)
  await of.standing.usable()
  expect(of.standing.behindMs).toBeGreaterThanOrEqual(190)
})
