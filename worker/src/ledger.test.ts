// What is counted in one place: used ids and the account's minute, also across a restart of the runtime.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeKeys } from '../local/key-pairs.ts'
import { REQUEST, refusal, signAnswer, startEndpoint } from '../test/endpoint.ts'

let storage = ''
beforeEach(() => {
  storage = mkdtempSync(path.join(tmpdir(), 'terrace-ledger-'))
})
afterEach(() => rmSync(storage, { recursive: true, force: true }))

/** How many rows the Durable Object has on its disk. */
function rows(table: 'used' | 'asked'): number {
  const found = readdirSync(storage, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /[0-9a-f]{64}\.sqlite$/.test(name),
  )
  return found.reduce((sum, name) => {
    const database = new DatabaseSync(path.join(storage, name), { readOnly: true })
    try {
      return sum + Number(database.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n)
    } catch {
      // Being made, or being written: asked again.
      return sum
    } finally {
      database.close()
    }
  }, 0)
}

test('a token that was used stays used when the runtime starts anew', async () => {
  const keys = await makeKeys()
  const token = await signAnswer(keys.LLAMMA_SIGNING_KEY)
  {
    await using first = await startEndpoint({ keys, storage })
    expect((await first.post(REQUEST, { token })).status).toBe(200)
    await expect.poll(() => rows('used')).toBe(1)
  }
  await using second = await startEndpoint({ keys, storage })
  expect(await refusal(await second.post(REQUEST, { token }))).toEqual([401, 'TOKEN_REPLAYED'])
})

test('the account’s minute has its number for all tokens together, and says when to come again', async () => {
  await using endpoint = await startEndpoint({ bindings: { REQUESTS_PER_MINUTE: 5 }, storage })
  const key = endpoint.keys.LLAMMA_SIGNING_KEY
  const statuses: number[] = []
  for (let i = 0; i < 5; i++) {
    const token = i % 2 === 0 ? await signAnswer(key) : (await endpoint.script()).token
    statuses.push((await endpoint.post(REQUEST, { token })).status)
  }
  expect(statuses).toEqual([200, 200, 200, 200, 200])
  const token = await signAnswer(key)
  const asked = endpoint.requests.length
  const late = await endpoint.post(REQUEST, { token, headers: { origin: 'http://localhost:3000' } })
  expect(await refusal(late)).toEqual([429, 'RATE_LIMITED'])
  const wait = Number(late.headers.get('retry-after'))
  expect(wait).toBeGreaterThan(0)
  expect(wait).toBeLessThanOrEqual(60)
  // A page can read it, and OpenAI's client waits for it.
  expect(late.headers.get('access-control-expose-headers')).toContain('retry-after')
  expect(late.headers.get('x-should-retry')).toBeNull()
  expect(endpoint.requests.length).toBe(asked)
})

test('one person’s part of the minute is counted by person, whatever tokens', async () => {
  await using endpoint = await startEndpoint({ bindings: { REQUESTS_PER_MINUTE_EACH: 2 }, storage })
  const key = endpoint.keys.LLAMMA_SIGNING_KEY
  const by = async (sub: string) => endpoint.post(REQUEST, { token: await signAnswer(key, REQUEST, { sub }) })
  const status = async (sub: string) => (await by(sub)).status
  expect([await status('p1'), await status('p1')]).toEqual([200, 200])
  const refused = await by('p1')
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  // By another code than a minute that is full for everybody.
  expect(await refusal(refused)).toEqual([429, 'OWN_RATE_LIMITED'])
  expect(await status('p2')).toBe(200)
})

test('what is over is forgotten by itself', async () => {
  await using endpoint = await startEndpoint({ storage })
  const now = Math.floor(Date.now() / 1_000)
  // Over in a second, with the clocks’ tolerance.
  const token = await signAnswer(endpoint.keys.LLAMMA_SIGNING_KEY, REQUEST, { iat: now - 10, exp: now - 3 })
  expect((await endpoint.post(REQUEST, { token })).status).toBe(200)
  await expect.poll(() => rows('used')).toBe(1)
  await expect.poll(() => rows('used'), { timeout: 60_000 }).toBe(0)
  // Those of the last minute are still counted.
  expect(rows('asked')).toBe(1)
})
