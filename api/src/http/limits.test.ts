import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { AppError } from '../errors.ts'
import { createLimits, RATES, SIGN_IN } from './limits.ts'

async function outcome(work: Promise<unknown>): Promise<number | 'ok'> {
  try {
    await work
    return 'ok'
  } catch (error) {
    if (error instanceof AppError && error.code === 'TOO_MANY_REQUESTS') return Number(error.detail.seconds)
    throw error
  }
}

describe('rates', () => {
  let db: TestDatabase
  beforeAll(async () => {
    db = await testDatabase()
  })
  afterAll(() => db[Symbol.asyncDispose]())

  test('tries at one account from one address wait longer and longer, in parallel too', async () => {
    const limits = createLimits(db.pool)
    const tries = await Promise.all(
      Array.from({ length: 40 }, () => outcome(limits.signIn('Ada@example.org', '203.0.113.1'))),
    )
    // The free ones, and the one that took the first slot.
    expect(tries.filter((t) => t === 'ok')).toHaveLength(SIGN_IN.pair.free + 1)
    const other = await outcome(limits.signIn('ada@example.org', '203.0.113.2'))
    expect(other).toBe('ok')
    // Another server counts on.
    expect(await outcome(createLimits(db.pool).signIn('ada@example.org', '203.0.113.1'))).not.toBe('ok')
    await db.pool.query(`UPDATE rate_limits SET points = points + 20 WHERE key LIKE 'sign-in-pair:%'`)
    await db.pool.query(`DELETE FROM rate_limits WHERE key LIKE 'sign-in-%-slot:%'`)
    const fresh = createLimits(db.pool)
    expect(await outcome(fresh.signIn('ada@example.org', '203.0.113.1'))).toBe('ok')
    const wait = await outcome(createLimits(db.pool).signIn('ada@example.org', '203.0.113.1'))
    expect(wait).toBeGreaterThan(800)
    expect(wait).toBeLessThanOrEqual(SIGN_IN.pair.cap)
  })

  test('many addresses at one account are slowed, but its owner waits a minute at most', async () => {
    const limits = createLimits(db.pool)
    const results: (number | 'ok')[] = []
    for (let n = 0; n < 60; n++)
      results.push(await outcome(limits.signIn('bea@example.org', `198.51.100.${n}`)))
    expect(results.filter((r) => r === 'ok').length).toBeLessThanOrEqual(SIGN_IN.account.free + 3)
    for (const result of results) if (result !== 'ok') expect(result).toBeLessThanOrEqual(SIGN_IN.account.cap)
  })

  test('tries that did not get as far as the password use up nobody’s free ones', async () => {
    const limits = createLimits(db.pool)
    for (let n = 0; n < 40; n++) await outcome(limits.signIn('dora@example.org', `198.51.100.${n}`))
    for (let n = 0; n < 20; n++) await outcome(limits.signIn('dora@example.org', '203.0.113.9'))
    const { rows } = await db.pool.query<{ points: number }>(
      "SELECT points FROM rate_limits WHERE key = 'sign-in-pair:dora@example.org|203.0.113.9'",
    )
    expect(rows[0]?.points).toBeLessThanOrEqual(1)
  })

  test('one address at many accounts is slowed', async () => {
    const limits = createLimits(db.pool)
    const results: (number | 'ok')[] = []
    for (let n = 0; n < 80; n++) results.push(await outcome(limits.signIn(`p${n}@example.org`, '192.0.2.9')))
    expect(results.filter((r) => r === 'ok').length).toBeLessThanOrEqual(SIGN_IN.address.free + 3)
    expect(await outcome(limits.signIn('other@example.org', '192.0.2.10'))).toBe('ok')
  })

  test('a flood of sign-ins from one address leaves few rows, and in the end asks no database', async () => {
    let asked = 0
    const counting: typeof db.pool = Object.assign(Object.create(db.pool), {
      query: (...args: Parameters<typeof db.pool.query>) => {
        asked++
        return db.pool.query(...args)
      },
    })
    const limits = createLimits(counting)
    const flood = async (count: number) => {
      const results: (number | 'ok')[] = []
      for (let n = 0; n < count; n++)
        results.push(await outcome(limits.signIn(`flood${n}@example.org`, '192.0.2.77')))
      return results
    }
    await flood(SIGN_IN.address.free + 30)
    const { rows } = await db.pool.query("SELECT 1 FROM rate_limits WHERE key LIKE '%flood%'")
    // One of the pair and one of the account for each try that was let through.
    expect(rows.length).toBeLessThanOrEqual(2 * (SIGN_IN.address.free + 3))
    const stranger = { viewer: null, address: '192.0.2.77' }
    for (let n = 0; n < RATES.anonymous.points; n++)
      await outcome(limits.procedure('people.me', 'query', stranger))
    asked = 0
    expect(await flood(5)).not.toContain('ok')
    expect(asked).toBe(0)
  })

  test('a success forgets the failures before it', async () => {
    const limits = createLimits(db.pool)
    for (let n = 0; n < 30; n++) {
      const attempt = await limits.signIn('cem@example.org', '203.0.113.5')
      await attempt.succeeded()
    }
    const { rows } = await db.pool.query("SELECT 1 FROM rate_limits WHERE key LIKE '%cem@%'")
    expect(rows).toEqual([])
  })

  test('a search is counted in memory: without a database, and without asking it', async () => {
    let asked = 0
    const counting = Object.assign(Object.create(db.pool), {
      query: () => {
        asked++
        throw new Error('asked')
      },
    })
    const limits = createLimits(counting)
    const viewer = { userId: 'u', sessionId: 's', name: 'n', email: 'e', role: 'member' as const }
    const search = () =>
      outcome(limits.procedure('search.passages', 'query', { viewer, address: '203.0.113.1' }))
    let ok = 0
    for (let n = 0; n < RATES.read.points + 5; n++) if ((await search()) === 'ok') ok++
    expect(ok).toBe(RATES.read.points)
    expect(asked).toBe(0)
  })

  test('links are guessed at a few times only', async () => {
    const limits = createLimits(db.pool)
    const results: (number | 'ok')[] = []
    for (let n = 0; n < RATES.link.points + 2; n++)
      results.push(
        await outcome(
          limits.procedure('setup.createOwner', 'mutation', { viewer: null, address: '203.0.113.77' }),
        ),
      )
    expect(results.filter((r) => r === 'ok')).toHaveLength(RATES.link.points)
    expect(results.at(-1)).toBeGreaterThan(500)
  })
})
