import http from 'node:http'
import Fastify from 'fastify'
import { expect, it } from 'vitest'
import { type Doors, doors } from '../../test/doors.ts'
import { AppError } from '../errors.ts'
import { createLimits } from '../http/limits.ts'
import { registerDoors } from './doors.ts'
import { DOOR_TIMES, type DoorDependencies } from './guard.ts'

const HOLD = 'How do I hold a package at its present version?'
const QUESTION = { model: 'terrace/handbook', messages: [{ role: 'user', content: HOLD }] }
const SEARCH = {
  ...{ jsonrpc: '2.0', id: 1, method: 'tools/call' },
  params: { name: 'search', arguments: { query: 'package' } },
}
const ACCEPT = { accept: 'application/json, text/event-stream' }

/** The doors alone on a server of their own, with what a test wants otherwise. */
async function doorsOf(world: Doors, otherwise: Partial<DoorDependencies>) {
  const fastify = Fastify()
  registerDoors(fastify, {
    services: world.server.services,
    limits: createLimits(world.db.pool),
    addressOf: () => '127.0.0.1',
    ...otherwise,
  })
  const url = await fastify.listen({ host: '127.0.0.1', port: 0 })
  return {
    async post(path: string, key: string, body: unknown) {
      const headers = { ...ACCEPT, authorization: `Bearer ${key}`, 'content-type': 'application/json' }
      return await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) })
    },
    url,
    [Symbol.asyncDispose]: () => fastify.close(),
  }
}

/** A request whose body comes later. */
function begin(url: string, key: string, body: unknown) {
  const text = JSON.stringify(body)
  const request = http.request(url, {
    ...{ method: 'POST', agent: false },
    headers: {
      ...ACCEPT,
      ...{ authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      'content-length': String(Buffer.byteLength(text)),
    },
  })
  const answered = new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
    request.once('error', reject).once('response', async (response) => {
      let said = ''
      for await (const piece of response) said += String(piece)
      resolve({ status: response.statusCode, text: said })
    })
  })
  request.write(text.slice(0, 5))
  return { answered, finish: () => request.end(text.slice(5)), stop: () => request.destroy() }
}

it('a key that is revoked while the body comes opens nothing, by either door', async () => {
  await using world = await doors()
  for (const [path, body] of [
    ['/v1/chat/completions', QUESTION],
    ['/mcp', SEARCH],
  ] as const) {
    const key = await world.key(world.owner)
    const slow = begin(world.server.url + path, key, body)
    const own = async () =>
      (await world.owner.api.keys.list.query()).find(({ start }) => key.startsWith(start))
    // It was let in.
    await expect.poll(async () => (await own())?.usedAt ?? null).not.toBeNull()
    await world.owner.api.keys.revoke.mutate({ id: (await own())?.id ?? '' })
    slow.finish()
    const { status, text } = await slow.answered
    expect(status).toBe(401)
    expect(text).toContain('KEY_INVALID')
  }
  expect(world.scripted.requests).toEqual([])
})

it('a body that trickles is given up, and told so', async () => {
  await using world = await doors()
  await using own = await doorsOf(world, { times: { ...DOOR_TIMES, bodyMs: 200 } })
  const key = await world.key(world.owner)
  for (const [path, body] of [
    ['/v1/chat/completions', QUESTION],
    ['/mcp', SEARCH],
  ] as const) {
    const slow = begin(own.url + path, key, body)
    const { status, text } = await slow.answered
    expect(status).toBe(408)
    expect(text).toContain('UPLOAD_STALLED')
    slow.stop()
  }
  expect((await own.post('/v1/chat/completions', key, QUESTION)).status).toBe(200)
})

it('an answer in one piece that takes too long is ended, and told so', async () => {
  await using world = await doors({ knobs: 'tokens=1000&rate=20' })
  await using own = await doorsOf(world, { times: { ...DOOR_TIMES, wholeAnswerMs: 1_000 } })
  const response = await own.post('/v1/chat/completions', await world.key(world.owner), QUESTION)
  expect([response.status, await response.json()]).toMatchObject([504, { error: { code: 'MODEL_STALLED' } }])
  await expect.poll(() => world.scripted.requests.every(({ aborted }) => aborted)).toBe(true)
})

it('what is under way ends when its key can not be looked up again', async () => {
  await using world = await doors({ knobs: 'tokens=1000&rate=20' })
  const { services } = world.server
  let away = false
  const pool = new Proxy(services.pool, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property)
      if (typeof value !== 'function') return value
      if (property === 'query' && away) return () => Promise.reject(new Error('the database is away'))
      return value.bind(target)
    },
  })
  await using own = await doorsOf(world, { services: { ...services, pool } })
  const asked = own.post('/v1/chat/completions', await world.key(world.owner), QUESTION)
  await expect.poll(() => world.scripted.requests[0]?.sent ?? 0).toBeGreaterThan(0)
  away = true
  services.sessions.drop(world.owner.viewer.userId)
  const response = await asked
  expect([response.status, await response.json()]).toMatchObject([503, { error: { code: 'UNAVAILABLE' } }])
})

it('both tools count as reading does, in their person’s name', async () => {
  await using world = await doors()
  const counted: unknown[] = []
  const limits: DoorDependencies['limits'] = {
    ...createLimits(world.db.pool),
    async procedure(_path, type, { viewer }) {
      counted.push([type, viewer?.userId])
      throw new AppError('TOO_MANY_REQUESTS', { seconds: 7 })
    },
  }
  await using own = await doorsOf(world, { limits })
  const key = await world.key(world.owner)
  const fetched = { name: 'fetch', arguments: { id: world.documents['handbook.txt']?.documentId } }
  for (const params of [SEARCH.params, fetched]) {
    const text = await (await own.post('/mcp', key, { ...SEARCH, params })).text()
    expect(text).toContain('TOO_MANY_REQUESTS')
  }
  const { userId } = world.owner.viewer
  expect(counted).toEqual([
    ['query', userId],
    ['query', userId],
  ])
})

it('a person reads a few documents at a time, some wait, and only a crowd is refused', async () => {
  await using world = await doors()
  const key = await world.key(world.owner)
  const client = await world.db.pool.connect()
  try {
    await client.query('BEGIN; LOCK TABLE pages IN ACCESS EXCLUSIVE MODE')
    const params = { name: 'fetch', arguments: { id: world.documents['handbook.txt']?.documentId } }
    let refused = 0
    const all = Array.from({ length: 30 }, async () => {
      const text = await (await world.post('/mcp', key, { ...SEARCH, params }, ACCEPT)).text()
      if (text.includes('TOO_MANY_REQUESTS')) refused += 1
      return text
    })
    // 4 read, 20 wait.
    await expect.poll(() => refused).toBe(6)
    await client.query('ROLLBACK')
    expect((await Promise.all(all)).filter((text) => text.includes('handbook.txt'))).toHaveLength(24)
    expect(refused).toBe(6)
  } finally {
    await client.query('ROLLBACK')
    client.release()
  }
})

it('a name that somebody tells is believed only where a proxy of ours stands before', async () => {
  await using world = await doors()
  const { config } = world.server.services
  const key = await world.key(world.owner)
  for (const [trustedProxyHops, status] of [
    [1, 403],
    [0, 200],
  ] as const) {
    const services = { ...world.server.services, config: { ...config, trustedProxyHops } }
    await using own = await doorsOf(world, { services })
    const response = await fetch(`${own.url}/v1/models`, {
      headers: { authorization: `Bearer ${key}`, 'x-forwarded-host': 'rebound.evil.example' },
    })
    expect(response.status).toBe(status)
  }
})
