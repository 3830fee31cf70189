import { randomUUID } from 'node:crypto'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { createPool, type Pool } from '../database/pool.ts'
import { type Budget, setBudget } from './budget.ts'
import { createUsage, type Reservation, type Usage } from './usage.ts'

const PRICE = { input: 0.05, output: 0.4 }
const PRICED = { id: 'priced', price: PRICE }
const FREE = { id: 'free', price: null }

let db: TestDatabase
beforeAll(async () => {
  db = await testDatabase()
})
afterAll(() => db[Symbol.asyncDispose]())

const open = (budget: Partial<Budget> = {}, pool: Pool = db.pool): Usage =>
  createUsage({ pool, log: pino({ level: 'silent' }), budget: { tokens: null, usd: null, ...budget } })

async function person(): Promise<string> {
  const id = `user-${randomUUID()}`
  await db.pool.query('INSERT INTO users (id, name, email) VALUES ($1, $1, $1)', [id])
  return id
}

const call = (personId: string, more: Partial<Reservation> = {}): Reservation => ({
  ...{ personId, model: PRICED, purpose: 'answer', inputTokens: 700, maxOutputTokens: 300 },
  ...more,
})

async function row(id: string) {
  const { rows } = await db.pool.query<{
    state: string
    tokens: [number, number]
    cost: number | null
    estimated: boolean
  }>(
    `SELECT state, array[input_tokens, output_tokens] AS tokens, cost::float8 AS cost, estimated
     FROM usage_calls WHERE id = $1`,
    [id],
  )
  return rows[0]
}

const spent = (limit: number, unit = 'tokens') => ({ code: 'BUDGET_SPENT', detail: { limit, unit } })

describe('a reservation', () => {
  it('counts as what it may take at most, until it is settled by what it took', async () => {
    const usage = open({ tokens: 1_500 })
    const who = await person()
    const id = await usage.reserve(call(who))
    expect(await row(id)).toEqual({ state: 'reserved', tokens: [700, 300], cost: 155, estimated: true })
    await expect(usage.reserve(call(who))).rejects.toMatchObject(spent(1_500))
    await usage.settle(id, { inputTokens: 450, outputTokens: 50 }, 'Well.')
    expect(await row(id)).toEqual({ state: 'settled', tokens: [450, 50], cost: 43, estimated: false })
    await usage.reserve(call(who))
  })

  it('never exceeds a budget, however many are made at once, on whichever server', async () => {
    const servers = Array.from({ length: 6 }, () => open({ tokens: 7_999 }))
    const who = await person()
    const made = await Promise.allSettled(
      Array.from({ length: 30 }, (_, i) => servers[i % 6]?.reserve(call(who))),
    )
    expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(7)
    for (const each of made) if (each.status === 'rejected') expect(each.reason).toMatchObject(spent(7_999))
    expect(await used(who)).toEqual({ tokens: 7_000, calls: 7 })
  })

  it('of somebody who asks much at once keeps nobody else waiting', async () => {
    const pool = createPool(db.config('/tmp/terrace-unused'), { name: 'terrace-test-few', max: 2 })
    const holder = await db.pool.connect()
    const who = await person()
    const other = await person()
    try {
      const usage = open({ tokens: 100_000 }, pool)
      await holder.query("SELECT pg_advisory_lock(hashtextextended('usage ' || $1, 0))", [who])
      const many = Promise.all(Array.from({ length: 5 }, () => usage.reserve(call(who))))
      await usage.reserve(call(other))
      expect(await used(who)).toEqual({ tokens: 0, calls: 0 })
      await holder.query('SELECT pg_advisory_unlock_all()')
      await many
      expect(await used(who)).toEqual({ tokens: 5_000, calls: 5 })
    } finally {
      holder.release(true)
      await pool.end()
    }
  })

  it('fits to the last token, and to the last micro-dollar', async () => {
    const who = await person()
    await open({ tokens: 1_000, usd: 0.000155 }).reserve(call(who))
    const other = await person()
    await expect(open({ tokens: 999 }).reserve(call(other))).rejects.toMatchObject(spent(999))
    await expect(open({ usd: 0.000154 }).reserve(call(other))).rejects.toMatchObject(
      spent(0.000154, 'US dollars'),
    )
    expect(await used(other)).toEqual({ tokens: 0, calls: 0 })
  })

  it('says what the limit was, what was used, and when it starts again', async () => {
    const usage = open({ usd: 0.0002 })
    const who = await person()
    await usage.reserve(call(who))
    const resets = new Date()
    resets.setUTCMonth(resets.getUTCMonth() + 1, 1)
    await expect(usage.reserve(call(who))).rejects.toMatchObject({
      code: 'BUDGET_SPENT',
      detail: {
        ...{ limit: 0.0002, used: 0.000155, unit: 'US dollars' },
        resets: resets.toISOString().slice(0, 10),
        day: new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'long', timeZone: 'UTC' }).format(
          resets,
        ),
      },
    })
  })

  it('asked for again by its id, as after a lost reply, stands once', async () => {
    for (const usage of [open(), open({ tokens: 1_000 })]) {
      const who = await person()
      const id = randomUUID()
      const ids = [await usage.reserve(call(who, { id })), await usage.reserve(call(who, { id }))]
      expect(ids).toEqual([id, id])
      expect(await used(who)).toEqual({ tokens: 1_000, calls: 1 })
      await usage.settle(id, { inputTokens: 1, outputTokens: 1 }, '')
      await expect(usage.reserve(call(who, { id }))).rejects.toThrow('settled already')
    }
  })

  it('of a server that was killed goes on counting, and another server may settle it', async () => {
    const who = await person()
    const id = randomUUID()
    await open({ tokens: 1_000 }).reserve(call(who, { id }))
    const other = open({ tokens: 1_000 })
    await expect(other.reserve(call(who))).rejects.toMatchObject(spent(1_000))
    await other.settle(id, { inputTokens: 100, outputTokens: 0 }, '')
    await expect(other.reserve(call(who, { inputTokens: 600 }))).resolves.toBeDefined()
  })

  it('is taken back when its call did not reach the model; what is settled is not', async () => {
    const usage = open({ tokens: 1_000 })
    const who = await person()
    const id = await usage.reserve(call(who))
    await usage.release(id)
    expect(await used(who)).toEqual({ tokens: 0, calls: 0 })
    const next = await usage.reserve(call(who))
    await usage.settle(next, { inputTokens: 10, outputTokens: 10 }, '')
    await usage.release(next)
    expect(await used(who)).toEqual({ tokens: 20, calls: 1 })
    // Nothing is left to settle.
    await usage.settle(id, { inputTokens: 10, outputTokens: 10 }, '')
    expect(await row(id)).toBeUndefined()
  })
})

describe('a database that is away for a moment', () => {
  /** Fails so many times, each after the query was done or before. */
  const failing = (times: number, done: boolean): Pool =>
    new Proxy(db.pool, {
      get(target, property) {
        if (property !== 'query' || times === 0) return Reflect.get(target, property)
        times--
        return async (query: string) => {
          if (done) await target.query(query)
          throw Object.assign(new Error('away'), { code: 'ECONNRESET' })
        }
      },
    })

  it.each([false, true])('is waited for by a reservation, which stands once; was done: %s', async (done) => {
    const who = await person()
    await open({}, failing(2, done)).reserve(call(who))
    expect(await used(who)).toEqual({ tokens: 1_000, calls: 1 })
  })

  it('is not waited for by a question that was stopped', async () => {
    const reason = new Error('stopped')
    const usage = open({}, failing(99, false))
    const reserving = usage.reserve(call(await person(), { signal: AbortSignal.abort(reason) }))
    await expect(reserving).rejects.toBe(reason)
  })
})

describe('the month', () => {
  it('begins with the first moment of its first day, in UTC', async () => {
    const usage = open({ tokens: 1_000 })
    const who = await person()
    const id = await usage.reserve(call(who))
    const at = (when: string) =>
      db.pool.query(`UPDATE usage_calls SET at = date_trunc('month', now(), 'UTC') ${when} WHERE id = $1`, [
        id,
      ])
    await at('')
    await expect(usage.reserve(call(who))).rejects.toMatchObject(spent(1_000))
    await at("- interval '1 microsecond'")
    await expect(usage.reserve(call(who))).resolves.toBeDefined()
  })

  it('of a person is not another one’s', async () => {
    const usage = open({ tokens: 1_000 })
    await usage.reserve(call(await person()))
    await expect(usage.reserve(call(await person()))).resolves.toBeDefined()
  })
})

describe('a budget of one’s own', () => {
  it('goes before the installation’s, in either direction and in each unit', async () => {
    const usage = open({ tokens: 1_500, usd: 0.0002 })
    const who = await person()
    await setBudget(db, who, { tokens: 2_000, usd: null })
    await usage.reserve(call(who))
    await expect(usage.reserve(call(who))).rejects.toMatchObject(spent(0.0002, 'US dollars'))
    await setBudget(db, who, { tokens: 2_000, usd: 1 })
    await usage.reserve(call(who))
    await expect(usage.reserve(call(who))).rejects.toMatchObject(spent(2_000))
    await setBudget(db, who, { tokens: null, usd: 1 })
    await expect(usage.reserve(call(who))).rejects.toMatchObject(spent(1_500))
  })

  it('limits a person where the installation limits nobody', async () => {
    const usage = open()
    const who = await person()
    await usage.reserve(call(who))
    await setBudget(db, who, { tokens: 2_500, usd: null })
    const made = await Promise.allSettled(Array.from({ length: 10 }, () => usage.reserve(call(who))))
    expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    await setBudget(db, who, { tokens: null, usd: null })
    await usage.reserve(call(who, { inputTokens: 1_000_000 }))
  })

  it.each([
    { tokens: 0, usd: null },
    { tokens: null, usd: 0 },
  ])('of 0 is for no language model at all: $tokens, $usd', async (own) => {
    const who = await person()
    await setBudget(db, who, own)
    for (const model of [PRICED, FREE])
      for (const usage of [open(), open({ tokens: 1e12, usd: 1e6 })])
        await expect(
          usage.reserve(call(who, { model, inputTokens: 0, maxOutputTokens: 0 })),
        ).rejects.toMatchObject({ code: 'BUDGET_NONE' })
  })

  it('of nobody is not found', async () => {
    await expect(setBudget(db, 'nobody', { tokens: 1, usd: null })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
  })
})

describe('a model without a price', () => {
  it('counts against tokens only, also when the dollars are spent', async () => {
    const usage = open({ tokens: 3_000, usd: 0.0002 })
    const who = await person()
    await usage.reserve(call(who))
    await expect(usage.reserve(call(who))).rejects.toMatchObject(spent(0.0002, 'US dollars'))
    const id = await usage.reserve(call(who, { model: FREE }))
    expect(await row(id)).toMatchObject({ cost: null })
    await usage.reserve(call(who, { model: { id: 'free of charge', price: { input: 0, output: 0 } } }))
    await expect(usage.reserve(call(who, { model: FREE }))).rejects.toMatchObject(spent(3_000))
    await usage.settle(id, { inputTokens: 5, outputTokens: 5 }, '')
    expect(await row(id)).toMatchObject({ cost: null, tokens: [5, 5] })
  })
})

describe('settling', () => {
  const COUNT = { inputTokens: 400, outputTokens: 40 }
  const said = 'x'.repeat(280)

  it('guesses from what was said where the provider did not count', async () => {
    const usage = open()
    const who = await person()
    for (const [counted, tokens, estimated] of [
      [null, [700, 100], true],
      [{ inputTokens: 400, outputTokens: null }, [400, 100], true],
      [{ inputTokens: null, outputTokens: 40 }, [700, 40], true],
      [{ inputTokens: -1, outputTokens: Number.NaN }, [700, 100], true],
      [COUNT, [400, 40], false],
    ] as const) {
      const id = await usage.reserve(call(who))
      await usage.settle(id, counted, said)
      expect(await row(id)).toMatchObject({ state: 'settled', tokens, estimated })
    }
  })

  it('guesses no more than the model may say', async () => {
    const usage = open()
    const id = await usage.reserve(call(await person()))
    await usage.settle(id, null, 'x'.repeat(10_000))
    expect(await row(id)).toMatchObject({ tokens: [700, 300] })
  })

  it('a second time changes nothing, unless the first was a guess and this is a count', async () => {
    const usage = open()
    const who = await person()
    const id = await usage.reserve(call(who))
    await usage.settle(id, null, said)
    await usage.settle(id, null, 'a longer text that was said later')
    expect(await row(id)).toMatchObject({ tokens: [700, 100], estimated: true })
    await usage.settle(id, COUNT, said)
    expect(await row(id)).toMatchObject({ tokens: [400, 40], cost: 36, estimated: false })
    await usage.settle(id, { inputTokens: 1, outputTokens: 1 }, said)
    await usage.settle(id, null, said)
    expect(await row(id)).toMatchObject({ tokens: [400, 40], cost: 36, estimated: false })
  })

  it('takes the price of the moment at which the call began', async () => {
    const usage = open()
    const price = { input: 0.045, output: 0.384 }
    const id = await usage.reserve(call(await person(), { model: { id: 'm', price } }))
    await usage.settle(id, { inputTokens: 1_000_000, outputTokens: 1_000 }, '')
    // 45,000 + 384 micro-dollars, to the last one.
    expect(await row(id)).toMatchObject({ cost: 45_384 })
  })

  it('never fails, is tried again, and leaves the reservation when it can not be done', async () => {
    const who = await person()
    let failures = 2
    const pool: Pool = new Proxy(db.pool, {
      get(target, property) {
        if (property !== 'query' || failures === 0) return Reflect.get(target, property)
        failures--
        return () => Promise.reject(new Error('the database said no'))
      },
    })
    const usage = open({}, pool)
    const id = await open().reserve(call(who))
    await usage.settle(id, COUNT, said)
    expect(await row(id)).toMatchObject({ state: 'reserved', tokens: [700, 300] })
    await usage.close()
    expect(await row(id)).toMatchObject({ state: 'settled', tokens: [400, 40] })
    failures = 99
    const next = await open().reserve(call(who))
    await usage.settle(next, COUNT, said)
    await usage.close()
    expect(await row(next)).toMatchObject({ state: 'reserved', tokens: [700, 300] })
  })

  it('goes with the person, and makes no trouble then', async () => {
    const usage = open({ tokens: 10_000 })
    const who = await person()
    const id = await usage.reserve(call(who))
    await db.pool.query('DELETE FROM users WHERE id = $1', [who])
    await usage.settle(id, COUNT, said)
    await usage.release(id)
    expect(await row(id)).toBeUndefined()
  })
})

async function used(who: string) {
  const { rows } = await db.pool.query<{ tokens: number; calls: number }>(
    `SELECT coalesce(sum(input_tokens + output_tokens), 0)::int AS tokens, count(*)::int AS calls
     FROM usage_calls WHERE user_id = $1`,
    [who],
  )
  return rows[0]
}
