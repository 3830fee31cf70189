// Against a real streaming replica: what it may answer, and that whatever happens to it only means "ask the primary".
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { type ReplicatedPostgres, replicatedPostgres } from '../../test/replica.ts'
import { slowDatabase } from '../../test/slow-database.ts'
import { createPool, type Queryable } from './pool.ts'
import { createReads, type Reads } from './reads.ts'
import { Replica, type ReplicaOptions } from './replica.ts'
import { endOfLog, primaryPlace, type WalPlace } from './wal.ts'

const log = pino({ enabled: false })

let postgres: ReplicatedPostgres
beforeAll(async () => {
  postgres = await replicatedPostgres()
})
afterAll(() => postgres[Symbol.asyncDispose]())

let replica: Replica
beforeEach(async () => {
  await postgres.caughtUp()
  replica = open()
  await expect.poll(async () => (await readAs(undefined)).by).toBe('replica')
})
afterEach(async () => {
  await replica.close()
  // Also where a test failed before it did so.
  await postgres.resumeReplay()
})

function open(options: ReplicaOptions = {}, primary: Queryable = postgres.db.pool): Replica {
  const { databaseCa, databaseAuth, databaseReplicaUrl } = postgres.db.config('/tmp/terrace-unused')
  if (databaseReplicaUrl === undefined) throw new Error('no replica')
  return new Replica({ databaseCa, databaseAuth, databaseReplicaUrl }, primary, log, {
    againMs: 50,
    ...options,
  })
}

/** A client's request, with what it has seen before. */
const request = (seen: WalPlace | null | undefined): Reads =>
  createReads(postgres.db.pool, replica, seen ? { ...seen, seq: 0 } : undefined)

/** Names of collections, and which server gave them. */
const names = async (db: Queryable) => {
  const { rows } = await db.query<{ port: number; names: string[] }>(
    "SELECT inet_server_port() AS port, coalesce(array_agg(name ORDER BY name), '{}') AS names FROM collections",
  )
  return rows[0] ?? { port: 0, names: [] }
}

async function readAs(seen: WalPlace | null | undefined) {
  const reads = request(seen)
  const { port, names: found } = await reads.read(names)
  return {
    by: port === postgres.replica.port ? 'replica' : 'primary',
    names: found,
    seen: reads.place,
  }
}

/** Somebody writes. @returns what their client has seen then */
async function write(name: string, seen?: WalPlace): Promise<WalPlace> {
  const reads = request(seen)
  await postgres.db.pool.query('INSERT INTO collections (name) VALUES ($1)', [name])
  await reads.sawPrimary()
  if (reads.place === null) throw new Error('a write has a place')
  return reads.place
}

async function here(): Promise<{ at: number; seen: WalPlace }> {
  const sql = "SELECT (pg_current_wal_insert_lsn() - '0/0')::text AS at"
  const { rows } = await postgres.db.pool.query<{ at: string }>(sql)
  return { at: Number(rows[0]?.at), seen: await primaryPlace(postgres.db.pool) }
}

describe('a replica that is behind', () => {
  test('serves those who have seen no more than it has, and nobody else; then everybody again', async () => {
    await postgres.pauseReplay()
    const mine = await write('mine')
    // Who wrote sees it at once; the others see what the replica has.
    const own = await readAs(mine)
    expect(own).toMatchObject({ by: 'primary', names: expect.arrayContaining(['mine']) })
    const others = await readAs(undefined)
    expect(others.by).toBe('replica')
    expect(others.names).not.toContain('mine')
    // What was shown on the primary is not unseen again.
    await write('theirs')
    const later = await readAs(own.seen)
    expect(later).toMatchObject({ by: 'primary', names: expect.arrayContaining(['mine', 'theirs']) })
    await postgres.resumeReplay()
    await postgres.caughtUp()
    const after = await readAs(later.seen)
    expect(after).toMatchObject({ by: 'replica', names: expect.arrayContaining(['mine', 'theirs']) })
    // What the replica's answer tells is enough for it, and the next one never shows less.
    expect(await readAs(after.seen)).toMatchObject({ by: 'replica', names: after.names })
    expect(after.seen?.wal).toBeGreaterThanOrEqual(later.seen?.wal ?? Number.NaN)
  })

  test('what is read includes what was asked for, however quickly replay goes on meanwhile', async () => {
    for (let i = 0; i < 300; i++) {
      const name = `quick ${i}`
      const seen = await write(name)
      const read = await readAs(seen)
      expect(read.names, read.by).toContain(name)
      expect((await readAs(read.seen)).names).toContain(name)
    }
    expect(replica.status().served).toBeGreaterThan(50)
  })

  test('what came while it was being read is told as seen', async () => {
    let written: WalPlace | undefined
    const read = await replica.read(undefined, async (db) => {
      await names(db)
      written = await write('meanwhile')
      await postgres.caughtUp()
      return names(db)
    })
    expect(read?.value.names).toContain('meanwhile')
    expect(read?.upTo.wal).toBeGreaterThanOrEqual(written?.wal ?? Number.NaN)
  })

  test('a reading on the primary counts as seen too', async () => {
    await postgres.pauseReplay()
    await write('seen elsewhere')
    const reads = request(undefined)
    await postgres.db.pool.query('SELECT 1')
    await reads.sawPrimary()
    expect(await readAs(reads.place)).toMatchObject({ by: 'primary' })
    await postgres.resumeReplay()
  })

  test('nobody is shown a state of long ago, whatever they have seen', async () => {
    await replica.close()
    replica = open({ sampleMs: 300 })
    await expect.poll(async () => (await readAs(undefined)).by).toBe('replica')
    await postgres.pauseReplay()
    await write('long ago')
    await expect.poll(async () => (await readAs(undefined)).by).toBe('primary')
    expect(replica.status().state).toBe('behind')
    await postgres.resumeReplay()
    await expect.poll(async () => (await readAs(undefined)).by).toBe('replica')
    await expect.poll(() => replica.status().state).toBe('ok')
  })

  test('one that has everything is not taken for behind at the beginning of a page of the log', async () => {
    await postgres.primary.query('SELECT pg_switch_wal()')
    await postgres.caughtUp()
    // As long as nothing is written, which is most of the time in a small team.
    const { at, seen } = await here()
    expect([seen.wal % 8_192, at]).toEqual([0, seen.wal + 40])
    expect((await readAs(seen)).by).toBe('replica')
    expect(endOfLog(8_192, 8_192 + 24)).toBe(8_192)
    expect(endOfLog(8_192, 8_192 + 48)).toBe(8_192 + 48)
    expect(endOfLog(8_200, 8_224)).toBe(8_224)
  })

  test('tables that it has not got yet are read on the primary', async () => {
    await postgres.pauseReplay()
    await postgres.db.pool.query('CREATE TABLE newest AS SELECT 1 AS one')
    const read = (db: Queryable) => db.query<{ one: number }>('SELECT one FROM newest')
    expect((await request(undefined).read(read)).rows).toEqual([{ one: 1 }])
    expect(replica.status()).toMatchObject({ state: 'ok', failed: 1 })
    await postgres.resumeReplay()
    await postgres.caughtUp()
    await request(undefined).read(read)
    expect(replica.status().failed).toBe(1)
  })
})

test('a wrong statement is the primary’s to refuse, and no reason to leave the replica', async () => {
  const wrong = request(undefined).read((db) => db.query('SELECT wrong'))
  await expect(wrong).rejects.toMatchObject({ code: '42703' })
  expect(replica.status().state).toBe('ok')
  const writing = request(undefined).read((db) => db.query("INSERT INTO collections (name) VALUES ('w')"))
  expect((await writing).rowCount).toBe(1)
  expect(replica.status().state).toBe('ok')
})

test('a recovery conflict is not the reader’s trouble', async () => {
  await postgres.replica.set('max_standby_streaming_delay', '0')
  await postgres.replica.set('hot_standby_feedback', 'off')
  await postgres.db.pool.query('CREATE TABLE vacuumed AS SELECT n FROM generate_series(1, 1000) n')
  await postgres.caughtUp()
  const codes: unknown[] = []
  const slow = async (db: Queryable) => {
    try {
      // Needs the rows as they are now, for a second.
      const sql = 'SELECT inet_server_port() AS port, pg_sleep(1), count(n) AS count FROM vacuumed GROUP BY 1'
      return (await db.query<{ port: number; count: string }>(sql)).rows[0]
    } catch (error) {
      codes.push(Reflect.get(Object(error), 'code'))
      throw error
    }
  }
  const reading = request(undefined).read(slow)
  await sleep(300)
  await postgres.db.pool.query('DELETE FROM vacuumed WHERE n > 500')
  await postgres.db.pool.query('VACUUM vacuumed')
  expect(await reading).toEqual({ port: postgres.primary.port, pg_sleep: '', count: '500' })
  expect(codes).toEqual(['40001'])
  expect(replica.status()).toMatchObject({ state: 'ok', failed: 1 })
  expect((await readAs(undefined)).by).toBe('replica')
})

describe('a replica that is away', () => {
  test('killed, it is missed by nobody, and used again once it is back', async () => {
    await postgres.replica.kill()
    for (let i = 0; i < 5; i++) expect((await readAs(undefined)).by).toBe('primary')
    // Those after the first did not ask it.
    expect(replica.status()).toMatchObject({ state: 'away', failed: 1 })
    const seen = await write('while it was away')
    await postgres.replica.start()
    await postgres.caughtUp()
    await expect.poll(async () => (await readAs(seen)).by).toBe('replica')
    expect((await readAs(seen)).names).toContain('while it was away')
    expect(replica.status().state).toBe('ok')
  })

  test('one that says nothing is given up, and costs one reader a moment', async () => {
    await replica.close()
    replica = open({ connectMs: 200, statementMs: 200 })
    await expect.poll(async () => (await readAs(undefined)).by).toBe('replica')
    postgres.replica.freeze()
    try {
      for (let i = 0; i < 5; i++) expect((await readAs(undefined)).by).toBe('primary')
      expect(replica.status()).toMatchObject({ state: 'away', failed: 1 })
    } finally {
      postgres.replica.thaw()
    }
    await expect.poll(async () => (await readAs(undefined)).by).toBe('replica')
  })

  test('a server starts without it', async () => {
    await postgres.replica.kill()
    const late = open()
    expect(await late.read(undefined, names)).toBeNull()
    await expect.poll(() => late.status().state).toBe('away')
    await postgres.replica.start()
    await expect.poll(async () => (await late.read(undefined, names)) !== null).toBe(true)
    await late.close()
  })
})

test('who has written and can not be told how far that is reads on the primary', async () => {
  const reads = request(undefined)
  const away = { query: () => Promise.reject(new Error('away')) } as unknown as Queryable
  const { databaseCa, databaseAuth, databaseReplicaUrl = '' } = postgres.db.config('/tmp/terrace-unused')
  const blind = new Replica({ databaseCa, databaseAuth, databaseReplicaUrl }, away, log)
  const unheard = createReads(postgres.db.pool, blind, undefined)
  await unheard.sawPrimary()
  expect(unheard.place).toBeNull()
  await blind.close()
  await reads.sawPrimary()
  expect(replica.beyond()?.wal).toBeGreaterThan((reads.place?.wal ?? Number.NaN) + 2 ** 29)
  expect((await readAs(replica.beyond())).by).toBe('primary')
})

test('a primary that says nothing holds nobody up: what they have seen is told without it, and then with it again', async () => {
  await replica.close()
  await using line = await slowDatabase(postgres.db.url)
  const config = { ...postgres.db.config('/tmp/terrace-unused'), databaseUrl: line.url }
  const primary = createPool(config, { name: 'terrace-test-line', connectMs: 500 })
  onTestFinished(() => primary.end())
  replica = open({}, primary)
  await expect.poll(async () => (await readAs(undefined)).by).toBe('replica')
  line.hold()
  // Everybody whose request is at its end just now, also who is behind the first.
  const all = [request(undefined), request(undefined), request(undefined)]
  await Promise.all(all.map((reads, i) => sleep(i * 20).then(() => reads.sawPrimary())))
  for (const { place } of all) {
    expect(place).toEqual(replica.beyond())
    // So their lists lack nothing that they have been shown.
    expect((await readAs(place)).by).toBe('primary')
  }
  line.release()
  const told = request(undefined)
  await told.sawPrimary()
  expect(told.place?.wal).toBeLessThan(replica.beyond()?.wal ?? Number.NaN)
})
