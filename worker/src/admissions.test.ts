import { DatabaseSync } from 'node:sqlite'
import { describe, expect, test } from 'vitest'
import { Admissions, type Sql } from './admissions.ts'

/** SQLite as a Durable Object offers it. */
function sqlite(): Sql & { count(table: string): number } {
  const database = new DatabaseSync(':memory:')
  return {
    exec: (statement, ...bindings) =>
      database.prepare(statement).all(...bindings) as Iterable<Record<string, unknown>>,
    count: (table) => Number(database.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n),
  }
}

const once = (id: string, until = 100_000, requestsPerMinute = 300, holder = 'p') => ({
  ...{ id, until, requestsPerMinute, requestsPerHolder: 100, holder },
  once: true,
})
const script = (requestsPerMinute: number) => ({
  ...{ id: 'script', until: 1e9, requestsPerMinute, requestsPerHolder: 100, holder: 's' },
  once: false,
})

describe('admissions', () => {
  test('an answer token is admitted once, a script token again and again', () => {
    const admissions = new Admissions(sqlite())
    expect(admissions.admit(once('a'), 0)).toEqual({ admitted: true })
    expect(admissions.admit(once('a'), 1)).toEqual({ admitted: false, reason: 'replayed' })
    expect(admissions.admit(once('b'), 1)).toEqual({ admitted: true })
    for (let i = 0; i < 3; i++) expect(admissions.admit(script(300), 2)).toEqual({ admitted: true })
  })

  test('what ended while its request was read is refused, also when its id is forgotten', () => {
    const admissions = new Admissions(sqlite())
    expect(admissions.admit(once('a', 1_000), 0)).toEqual({ admitted: true })
    admissions.save()
    admissions.forget(2_000)
    expect(admissions.admit(once('a', 1_000), 2_000)).toEqual({ admitted: false, reason: 'expired' })
    expect(admissions.admit({ ...script(300), until: 1_000 }, 1_000)).toMatchObject({ reason: 'expired' })
  })

  test('the minute slides: no more than its number in any sixty seconds, and it says how long to wait', () => {
    const admissions = new Admissions(sqlite())
    const at = (seconds: number) => admissions.admit(script(3), seconds * 1_000)
    for (const second of [0, 20, 40]) expect(at(second)).toEqual({ admitted: true })
    expect(at(41)).toEqual({ admitted: false, reason: 'rate', own: false, seconds: 19 })
    expect(at(59.9)).toEqual({ admitted: false, reason: 'rate', own: false, seconds: 1 })
    expect(at(60)).toEqual({ admitted: true })
    expect(at(61)).toEqual({ admitted: false, reason: 'rate', own: false, seconds: 19 })
    expect(at(80)).toEqual({ admitted: true })
  })

  test('nobody takes the whole minute: each has a part of it, and waits for a place in both', () => {
    const sql = sqlite()
    const admissions = new Admissions(sql)
    const ask = (holder: string, seconds: number, from = admissions, requestsPerMinute = 3) =>
      from.admit(
        {
          ...{ id: `${holder}${seconds}`, until: 1e9, once: true, holder },
          ...{ requestsPerMinute, requestsPerHolder: 2 },
        },
        seconds * 1_000,
      )
    expect(ask('p', 0)).toEqual({ admitted: true })
    expect(ask('p', 10)).toEqual({ admitted: true })
    expect(ask('p', 11)).toEqual({ admitted: false, reason: 'rate', own: true, seconds: 49 })
    expect(ask('q', 20)).toEqual({ admitted: true })
    // Of the account's places one is free in 38 s, of p's own too; of q's there is one.
    expect(ask('q', 22)).toEqual({ admitted: false, reason: 'rate', own: false, seconds: 38 })
    admissions.save()
    expect(ask('p', 61)).toEqual({ admitted: true })
    const after = new Admissions(sql)
    expect(ask('p', 62, after, 9)).toEqual({ admitted: true })
    expect(ask('p', 63, after, 9)).toMatchObject({ reason: 'rate', own: true })
    expect(ask('p', 62.5)).toMatchObject({ reason: 'rate', seconds: 8 })
  })

  test('what is refused uses up nothing', () => {
    const admissions = new Admissions(sqlite())
    expect(admissions.admit(once('a', 200_000, 1), 0)).toEqual({ admitted: true })
    expect(admissions.admit(once('b', 200_000, 1), 1_000)).toMatchObject({ reason: 'rate' })
    expect(admissions.admit(once('a', 200_000, 1), 60_000)).toMatchObject({ reason: 'replayed' })
    expect(admissions.admit(once('b', 200_000, 1), 60_001)).toEqual({ admitted: true })
  })

  test('a token that was taken back is refused', () => {
    const admissions = new Admissions(sqlite())
    admissions.revoke('script', 1_000_000)
    expect(admissions.admit(script(300), 1)).toEqual({ admitted: false, reason: 'revoked' })
    expect(admissions.isRevoked('script')).toBe(true)
    expect(admissions.isRevoked('other')).toBe(false)
  })

  test('whoever comes after an eviction knows what was saved', () => {
    const sql = sqlite()
    const first = new Admissions(sql)
    first.revoke('script', 1_000_000)
    first.admit(once('a', 100_000, 2), 1_000)
    first.admit(once('b', 100_000, 2), 2_000)
    expect(first.unsaved).toBe(true)
    first.save()
    expect(first.unsaved).toBe(false)
    const second = new Admissions(sql)
    expect(second.admit(once('a'), 3_000)).toMatchObject({ reason: 'replayed' })
    expect(second.admit(script(300), 3_000)).toMatchObject({ reason: 'revoked' })
    expect(second.admit(once('c', 100_000, 2), 3_000)).toEqual({
      admitted: false,
      reason: 'rate',
      own: false,
      seconds: 58,
    })
  })

  test('nothing is kept for longer than it is needed', () => {
    const sql = sqlite()
    const admissions = new Admissions(sql)
    admissions.revoke('script', 200_000)
    admissions.admit(once('a', 30_000), 1_000)
    admissions.admit(once('b', 90_000), 1_000)
    admissions.save()
    expect(admissions.forget(29_999)).toBe(30_000)
    expect(admissions.forget(30_000)).toBe(61_000)
    expect([sql.count('used'), sql.count('asked'), sql.count('revoked')]).toEqual([1, 2, 1])
    expect(admissions.forget(61_000)).toBe(90_000)
    expect(admissions.forget(90_000)).toBe(200_000)
    expect(admissions.isRevoked('script')).toBe(true)
    expect(admissions.forget(200_000)).toBeNull()
    expect(admissions.isRevoked('script')).toBe(false)
    expect([sql.count('used'), sql.count('asked'), sql.count('revoked')]).toEqual([0, 0, 0])
  })
})
