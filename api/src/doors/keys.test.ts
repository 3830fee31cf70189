// What a key opens and what not, at both doors and everywhere else.
import { randomUUID } from 'node:crypto'
import OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { type Doors, doors } from '../../test/doors.ts'
import { code } from '../../test/people.ts'
import { NOTHING_FOUND } from '../chat/answer.ts'
import { createLimits, RATES, SIGN_IN } from '../http/limits.ts'
import { removePerson } from '../people/members.ts'

const HOLD = 'How do I hold a package at its present version?'
const QUESTION = (model: string) => ({ model, messages: [{ role: 'user' as const, content: HOLD }] })
const LIST_TOOLS = { jsonrpc: '2.0', id: 1, method: 'tools/list' }
const MCP_HEADERS = { accept: 'application/json, text/event-stream' }

/** Status and code at the OpenAI door. */
async function asked(
  world: Doors,
  key: string | null,
  model = 'terrace/handbook',
): Promise<[number, string]> {
  const response = await world.post('/v1/chat/completions', key, QUESTION(model))
  const body = (await response.json()) as { error?: { code: string } }
  return [response.status, body.error?.code ?? 'answered']
}

/** Status and code at the MCP door. */
async function listed(world: Doors, key: string | null): Promise<[number, string]> {
  const response = await world.post('/mcp', key, LIST_TOOLS, MCP_HEADERS)
  const body = (await response.json()) as { error?: { data: { code: string } } }
  return [response.status, body.error?.data.code ?? 'answered']
}

const models = async (world: Doors, key: string) =>
  (await world.openai(key).models.list()).data.map(({ id }) => id)

describe('a key', () => {
  it('is shown once, kept as a hash, and listed without what would open anything', async () => {
    await using world = await doors()
    const { owner } = world
    const { id, key } = await owner.api.keys.create.mutate({
      ...{ name: 'Nightly report', scopes: ['ask'], collectionIds: [world.handbook], expiresInDays: 30 },
    })
    expect(key).toMatch(/^terrace_[A-Za-z]{64}$/)
    const [row] = (await world.db.pool.query<{ all: string }>('SELECT k::text AS all FROM api_keys k')).rows
    expect(row?.all).not.toContain(key)
    expect(row?.all).not.toContain(key.slice(12))
    const [before] = await owner.api.keys.list.query()
    expect(before).toMatchObject({
      ...{ id, name: 'Nightly report', start: key.slice(0, 12), scopes: ['ask'] },
      ...{ collectionIds: [world.handbook], usedAt: null },
    })
    const days = ((before?.expiresAt?.getTime() ?? 0) - Date.now()) / 86_400_000
    expect(days).toBeGreaterThan(29)
    expect(days).toBeLessThan(31)
    await asked(world, key)
    expect((await owner.api.keys.list.query())[0]?.usedAt).toBeInstanceOf(Date)
    // Only one's own are listed.
    expect(await (await world.server.person({ role: 'owner' })).api.keys.list.query()).toEqual([])
  })

  it('opens nothing but the doors: it is no session anywhere', async () => {
    await using world = await doors()
    const key = await world.key(world.owner)
    const { server } = world
    const cookie = world.owner.cookie.split('=')[0]
    const attempts: Record<string, string>[] = [
      { authorization: `Bearer ${key}` },
      { 'x-api-key': key },
      { cookie: `${cookie}=${key}` },
      { cookie: `${cookie}=${encodeURIComponent(`${key}.${key}`)}`, authorization: `Bearer ${key}` },
    ]
    const seen: unknown[] = []
    for (const headers of attempts) {
      const me = await server.anonymous.fetch('/trpc/people.me', { headers })
      const list = await server.anonymous.fetch('/trpc/collections.list', { headers })
      const create = await server.anonymous.fetch('/trpc/keys.create', {
        ...{ method: 'POST', headers: { ...headers, 'content-type': 'application/json' } },
        body: JSON.stringify({ json: { name: 'More', scopes: ['ask'] } }),
      })
      const file = await server.anonymous.fetch(`/files/${randomUUID()}`, { headers })
      const password = await server.anonymous.fetch('/auth/change-password', {
        ...{ method: 'POST', headers: { ...headers, 'content-type': 'application/json' } },
        body: JSON.stringify({ currentPassword: 'x', newPassword: 'correct horse battery' }),
      })
      const { code: refused } = (await password.json()) as { code: string }
      seen.push([await me.json(), list.status, create.status, file.status, refused])
    }
    expect(seen).toEqual(
      attempts.map(() => [{ result: { data: { json: null } } }, 401, 401, 401, 'SIGN_IN_REQUIRED']),
    )
    // The plugin's own ways in are not there, not even for whoever is signed in.
    for (const path of ['create', 'verify', 'list', 'get', 'update', 'delete'])
      for (const method of ['GET', 'POST'])
        expect((await world.owner.fetch(`/auth/api-key/${path}`, { method })).status).toBe(404)
    const headers = new Headers({ 'x-api-key': key, authorization: `Bearer ${key}` })
    expect(await server.services.auth.api.getSession({ headers })).toBeNull()
    // And a session opens no door.
    const bySession = await world.owner.fetch('/v1/models')
    expect([bySession.status, bySession.headers.get('www-authenticate')]).toEqual([401, 'Bearer'])
  })

  it('is good for what it was made for', async () => {
    await using world = await doors()
    const ask = await world.key(world.owner, { scopes: ['ask'] })
    const search = await world.key(world.owner, { scopes: ['search'] })
    expect(await asked(world, ask)).toEqual([200, 'answered'])
    expect(await listed(world, search)).toEqual([200, 'answered'])
    expect(await asked(world, search)).toEqual([403, 'KEY_NOT_ALLOWED'])
    expect(await listed(world, ask)).toEqual([403, 'KEY_NOT_ALLOWED'])
    await expect(world.openai(search).models.list()).rejects.toBeInstanceOf(OpenAI.PermissionDeniedError)
  })

  it('gives what its person may see at that moment; the rest is as if it were not there', async () => {
    await using world = await doors()
    const reader = await world.server.person()
    const key = await world.key(reader)
    const missing = await asked(world, key, 'terrace/never-was')
    expect(await models(world, key)).toEqual([])
    expect(await asked(world, key)).toEqual(missing)
    expect(await asked(world, key, `terrace/${world.handbook}`)).toEqual(missing)
    expect(await asked(world, key, 'terrace/all')).toEqual([422, 'NOTHING_TO_SEARCH'])
    const shared = { id: world.handbook, userId: reader.viewer.userId }
    await world.owner.api.collections.setMember.mutate({ ...shared, role: 'viewer' })
    expect(await models(world, key)).toEqual(['terrace/all', 'terrace/handbook'])
    expect(await asked(world, key)).toEqual([200, 'answered'])
    await world.owner.api.collections.removeMember.mutate(shared)
    expect(await models(world, key)).toEqual([])
    expect(await asked(world, key)).toEqual(missing)
    expect(world.scripted.requests).toHaveLength(1)
  })

  it('that is limited to collections is good for no other, and for none once they are gone', async () => {
    await using world = await doors()
    const { owner } = world
    const secret = await world.collection(owner, 'Secret', {
      'plan.txt': ['To hold a package at its present version one needs the secret plan.'],
    })
    const other = await world.collection(owner, 'Other')
    const key = await world.key(owner, { collectionIds: [other] })
    expect(await models(world, key)).toEqual(['terrace/all', 'terrace/other'])
    const answer = await world.openai(key).chat.completions.create(QUESTION('terrace/all'))
    expect(answer.choices[0]?.message.content).toBe(NOTHING_FOUND)
    for (const model of ['terrace/secret', `terrace/${secret}`, 'terrace/handbook'])
      expect(await asked(world, key, model)).toEqual([404, 'NOT_FOUND'])
    expect(world.scripted.requests).toEqual([])
    await world.db.pool.query('UPDATE collections SET deleted_at = now() WHERE id = $1', [other])
    expect(await models(world, key)).toEqual([])
    expect(await asked(world, key, 'terrace/all')).toEqual([422, 'NOTHING_TO_SEARCH'])
    // Nobody limits a key to what they may not see: that would tell that it is there.
    const stranger = await world.server.person()
    const request = { name: 'K', scopes: ['ask' as const], collectionIds: [secret] }
    expect(await code(stranger.api.keys.create.mutate(request))).toBe('NOT_FOUND')
  })

  it('ends when it is revoked, when it expires, and with its person', async () => {
    await using world = await doors()
    const reader = await world.server.person()
    const share = { id: world.handbook, role: 'viewer' as const }
    await world.owner.api.collections.setMember.mutate({ ...share, userId: reader.viewer.userId })
    const gone: [number, string] = [401, 'KEY_INVALID']
    const [first, second, third] = await Promise.all([1, 2, 3].map(() => world.key(reader)))
    if (first === undefined || second === undefined || third === undefined) throw new Error('no keys')
    const idOf = async (key: string) =>
      (await reader.api.keys.list.query()).find(({ start }) => key.startsWith(start))?.id ?? ''
    const firstId = await idOf(first)
    // Nobody else's, an owner's of the installation neither: those end all of a person's at once.
    expect(await code(world.owner.api.keys.revoke.mutate({ id: firstId }))).toBe('NOT_FOUND')
    expect(await asked(world, first)).toEqual([200, 'answered'])
    await reader.api.keys.revoke.mutate({ id: firstId })
    expect([await asked(world, first), await listed(world, first)]).toEqual([gone, gone])
    expect(await asked(world, second)).toEqual([200, 'answered'])
    await world.db.pool.query(`UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE id = $1`, [
      await idOf(second),
    ])
    expect([await asked(world, second), await listed(world, second)]).toEqual([gone, gone])
    const setBanned = (banned: boolean) =>
      world.db.pool.query('UPDATE users SET banned = $2 WHERE id = $1', [reader.viewer.userId, banned])
    await setBanned(true)
    expect(await asked(world, third)).toEqual(gone)
    await setBanned(false)
    expect(await asked(world, third)).toEqual([200, 'answered'])
    const admin = await world.server.person({ role: 'owner' })
    const jobs = {} as never
    const deps = { pool: world.db.pool, sessions: world.server.services.sessions, jobs }
    await removePerson(deps, admin.viewer, reader.viewer.userId)
    expect([await asked(world, third), await listed(world, third)]).toEqual([gone, gone])
    expect((await world.db.pool.query('SELECT 1 FROM api_keys')).rowCount).toBe(0)
  })

  it('no more than fifty, also of those that are made at once', async () => {
    await using world = await doors({ knobs: null })
    await world.db.pool.query(
      `INSERT INTO api_keys (id, config_id, key, user_id, created_at, updated_at)
       SELECT 'k' || n, 'default', 'hash' || n, $1, now(), now() FROM generate_series(1, $2::int) n`,
      [world.owner.viewer.userId, LIMITS.apiKeysPerPerson - 2],
    )
    const made = await Promise.all(
      Array.from({ length: 8 }, () =>
        code(world.owner.api.keys.create.mutate({ name: 'K', scopes: ['ask'] })),
      ),
    )
    expect(made.filter((each) => each === 'none')).toHaveLength(2)
    expect(new Set(made)).toEqual(new Set(['none', 'TOO_MANY_KEYS']))
    expect(await world.owner.api.keys.list.query()).toHaveLength(LIMITS.apiKeysPerPerson)
  })

  it('all of a person’s are ended by an owner of the installation', async () => {
    await using world = await doors()
    const admin = await world.server.person({ role: 'owner' })
    const keys = [await world.key(world.owner), await world.key(world.owner)]
    const { userId } = world.owner.viewer
    expect(await code(world.owner.api.keys.revokeAll.mutate({ userId }))).toBe('FORBIDDEN')
    expect(await admin.api.keys.revokeAll.mutate({ userId })).toEqual({ revoked: 2 })
    for (const key of keys) expect(await asked(world, key)).toEqual([401, 'KEY_INVALID'])
  })

  it('that is revoked ends what it has under way', async () => {
    await using world = await doors({ knobs: 'tokens=1000&rate=20' })
    const key = await world.key(world.owner)
    const other = await world.key(world.owner)
    const start = (by: string) =>
      world.openai(by).chat.completions.create({ ...QUESTION('terrace/handbook'), stream: true })
    const [stream, kept] = [await start(key), await start(other)]
    const reading = (async () => {
      for await (const _ of stream);
    })().then(
      () => null,
      (error: unknown) => error,
    )
    const [listedKey] = (await world.owner.api.keys.list.query()).filter(({ start: s }) => key.startsWith(s))
    await world.owner.api.keys.revoke.mutate({ id: listedKey?.id ?? '' })
    expect(await reading).toMatchObject({ code: 'KEY_INVALID' })
    await expect.poll(() => world.scripted.requests.filter(({ aborted }) => aborted).length).toBe(1)
    kept.controller.abort()
  })
})

describe('rates', () => {
  it('wrong keys are slowed down by address like wrong passwords; right ones are not', async () => {
    await using world = await doors()
    const right = await world.key(world.owner)
    const wrong = `terrace_${'x'.repeat(64)}`
    const { free } = SIGN_IN.address
    const statuses: number[] = []
    for (let i = 0; i < free; i++) statuses.push((await asked(world, wrong))[0])
    expect(statuses).toEqual(Array(free).fill(401))
    const waits: number[] = []
    for (let i = 0; i < 6; i++) {
      const response = await world.post('/mcp', wrong, LIST_TOOLS, MCP_HEADERS)
      if (response.status === 429) waits.push(Number(response.headers.get('retry-after')))
    }
    expect(waits.length).toBeGreaterThan(0)
    expect(Math.min(...waits)).toBeGreaterThan(0)
    expect(await asked(world, right)).toEqual([200, 'answered'])
  })

  it('a flood of them is not even looked up', async () => {
    await using world = await doors()
    const limits = createLimits(world.db.pool)
    const address = '203.0.113.7'
    await (await limits.keyTry(address)).wrong()
    for (let i = 1; i < RATES.anonymous.points; i++)
      await limits.procedure('setup.status', 'query', { viewer: null, address })
    await expect(limits.keyTry(address)).rejects.toMatchObject({ code: 'TOO_MANY_REQUESTS' })
    await expect(limits.keyTry('203.0.113.8')).resolves.toBeDefined()
  })

  it('one key can’t take everything; another one goes on', async () => {
    await using world = await doors()
    const [busy, calm] = [await world.key(world.owner), await world.key(world.owner)]
    const list = async (key: string) =>
      (await fetch(`${world.server.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })).status
    for (let i = 0; i < RATES.key.points; i += 50)
      await Promise.all(Array.from({ length: 50 }, () => list(busy)))
    expect(await list(busy)).toBe(429)
    await expect(world.openai(busy).models.list()).rejects.toBeInstanceOf(OpenAI.RateLimitError)
    expect(await list(calm)).toBe(200)
  })
})

describe('where a request comes from', () => {
  it('a page of another site, or under a name that is not ours, gets nothing, even with a key', async () => {
    await using world = await doors()
    const key = await world.key(world.owner)
    const by = async (headers: Record<string, string>) => {
      const statuses = [
        await world.post('/mcp', key, LIST_TOOLS, { ...MCP_HEADERS, ...headers }),
        await world.post('/v1/chat/completions', key, QUESTION('terrace/handbook'), headers),
      ]
      return statuses.map(({ status }) => status)
    }
    expect(await by({ origin: 'https://evil.example' })).toEqual([403, 403])
    expect(await by({ origin: 'null' })).toEqual([403, 403])
    expect(await by({ 'x-forwarded-host': 'rebound.evil.example' })).toEqual([403, 403])
    expect(await by({ 'x-forwarded-host': 'rebound.evil.example:443' })).toEqual([403, 403])
    for (const name of ['terrace.example.org', 'localhost:3000', '127.0.0.1:3000', '[::1]:3000'])
      expect(await by({ 'x-forwarded-host': name })).toEqual([200, 200])
    expect(await by({ origin: 'https://terrace.example.org' })).toEqual([200, 200])
    // A program keeps a load balancer's cookie and has no Origin; a page has one.
    const cookie = 'AWSALB=x'
    expect(await by({ cookie })).toEqual([200, 200])
    expect(await by({ cookie, origin: 'https://evil.example' })).toEqual([403, 403])
  })
})
