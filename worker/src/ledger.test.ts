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

/** The Durable Object's databases: one, once it was asked anything. */
function databases(): string[] {
  const names = readdirSync(storage, { recursive: true, encoding: 'utf8' })
  return names.filter((name) => /[0-9a-f]{64}\.sqlite$/.test(name)).map((name) => path.join(storage, name))
}

/** How many rows the Durable Object has on its disk; null while that can't be read: it is being made, or written. */
function rows(table: 'used' | 'asked'): number | null {
  const [file] = databases()
  if (file === undefined) return null
  const database = new DatabaseSync(file, { readOnly: true })
  try {
    return Number(database.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n)
  } catch {
    return null
  } finally {
    database.close()
  }
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

test('what is over is forgotten by itself, also by a runtime that nobody asks anything', async () => {
  const keys = await makeKeys()
  const tokens = [await signAnswer(keys.LLAMMA_SIGNING_KEY), await signAnswer(keys.LLAMMA_SIGNING_KEY)]
  {
    await using first = await startEndpoint({ keys, storage })
    for (const token of tokens) expect((await first.post(REQUEST, { token })).status).toBe(200)
    await expect.poll(() => rows('used')).toBe(2)
  }
  // Whatever the machine's load has made of the time: one is long over, one far from it, and so are the requests.
  const [file = ''] = databases()
  const database = new DatabaseSync(file)
  const soon = Date.now() + 3_600_000
  database.exec(`UPDATE used SET until = ${soon}; UPDATE used SET until = 1 WHERE id = (SELECT min(id) FROM used);
    UPDATE asked SET at = ${soon}; UPDATE asked SET at = 1 WHERE rowid = (SELECT min(rowid) FROM asked)`)
  database.close()
  await using _second = await startEndpoint({ keys, storage })
  await expect.poll(() => [rows('used'), rows('asked')], { timeout: 90_000 }).toEqual([1, 1])
})
