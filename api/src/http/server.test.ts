import net from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { type TestServer, testServer } from '../../test/server.ts'
import { RATES, SIGN_IN } from './limits.ts'

const JSON_TYPE = { 'content-type': 'application/json' }

describe('the server', () => {
  let db: TestDatabase
  let server: TestServer
  beforeAll(async () => {
    db = await testDatabase()
    server = await testServer(db)
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    await db[Symbol.asyncDispose]()
  })

  test('a session cookie tells who asks; without one nobody is signed in', async () => {
    const owner = await server.person({ name: 'Ada', role: 'owner' })
    expect(await owner.api.people.me.query()).toEqual({
      id: owner.viewer.userId,
      name: 'Ada',
      email: owner.viewer.email,
      role: 'owner',
    })
    expect(await server.anonymous.api.people.me.query()).toBeNull()
    expect(await server.anonymous.api.setup.status.query()).toEqual({ needsOwner: true })
  })

  /** Answers of one mutation that comes from `origin`, with and without a cookie. */
  async function from(origin: string | undefined, cookie: string | undefined): Promise<[number, string]> {
    const response = await fetch(`${server.url}/trpc/people.updateMe`, {
      method: 'POST',
      headers: {
        ...JSON_TYPE,
        ...(origin === undefined ? {} : { origin }),
        ...(cookie === undefined ? {} : { cookie }),
      },
      body: JSON.stringify({ json: { name: 'New' } }),
    })
    const body = (await response.json()) as { code?: string; error?: { json: { data: { code: string } } } }
    return [response.status, body.code ?? body.error?.json.data.code ?? 'done']
  }

  test('what changes something comes from our own pages', async () => {
    const { cookie } = await server.person()
    expect(await from('http://localhost:3000', cookie)).toEqual([200, 'done'])
    // Other spellings of the same machine, for people who type them.
    expect(await from('http://127.0.0.1:3000', cookie)).toEqual([200, 'done'])
    for (const origin of [
      'https://evil.example',
      'http://localhost:3001',
      'https://localhost:3000',
      'null',
      '',
    ])
      expect(await from(origin, cookie)).toEqual([403, 'FOREIGN_ORIGIN'])
    expect(await from(undefined, cookie)).toEqual([403, 'FOREIGN_ORIGIN'])
    expect(await from('https://evil.example', undefined)).toEqual([403, 'FOREIGN_ORIGIN'])
    expect(await from(undefined, undefined)).toEqual([401, 'SIGN_IN_REQUIRED'])
    for (const path of ['/auth/sign-in/email', '/auth/sign-out', '/nowhere']) {
      const response = await fetch(server.url + path, {
        method: 'POST',
        headers: { origin: 'https://evil.example' },
      })
      expect([response.status, await response.json()]).toMatchObject([403, { code: 'FOREIGN_ORIGIN' }])
    }
  })

  test('every reply carries its id and the headers that keep browsers from guessing', async () => {
    for (const path of ['/healthz', '/readyz', '/trpc/people.me', '/nowhere', '/trpc/nothing']) {
      const { headers } = await server.anonymous.fetch(path)
      expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('content-security-policy')).toContain("default-src 'none'")
      expect(headers.get('cache-control')).toMatch(/no-store|no-cache/)
      expect(headers.get('access-control-allow-origin')).toBeNull()
      expect(headers.get('x-powered-by')).toBeNull()
    }
  })

  const REFUSALS: [string, string, RequestInit, number, string][] = [
    ['no such path', '/nowhere', {}, 404, 'NOT_FOUND'],
    ['no such procedure', '/trpc/people.nothing', {}, 404, 'NOT_FOUND'],
    ['a mutation by GET', '/trpc/people.updateMe', {}, 400, 'INVALID_INPUT'],
    [
      'no JSON',
      '/trpc/people.updateMe',
      { method: 'POST', body: '{"json":', headers: JSON_TYPE },
      400,
      'INVALID_INPUT',
    ],
    [
      'another type',
      '/trpc/people.updateMe',
      { method: 'POST', body: 'name=1', headers: { 'content-type': 'text/plain' } },
      400,
      'INVALID_INPUT',
    ],
    [
      'too much',
      '/trpc/people.updateMe',
      { method: 'POST', body: `{"json":{"name":"${'x'.repeat(LIMITS.requestBytes)}"}}`, headers: JSON_TYPE },
      413,
      'TOO_LARGE',
    ],
    [
      'a wrong field',
      '/trpc/people.updateMe',
      { method: 'POST', body: '{"json":{"name":7}}', headers: JSON_TYPE },
      400,
      'INVALID_INPUT',
    ],
    [
      'sign-in without a body',
      '/auth/sign-in/email',
      { method: 'POST', headers: JSON_TYPE },
      400,
      'INVALID_INPUT',
    ],
    [
      'sign-in with an object for a password',
      '/auth/sign-in/email',
      { method: 'POST', headers: JSON_TYPE, body: '{"email":"a@b.c","password":{"$ne":1}}' },
      400,
      'INVALID_INPUT',
    ],
    [
      'sign-out without a session',
      '/auth/sign-out',
      { method: 'POST', headers: JSON_TYPE, body: '{}' },
      200,
      'done',
    ],
    [
      'a password change without a session',
      '/auth/change-password',
      { method: 'POST', headers: JSON_TYPE, body: '{"currentPassword":"a","newPassword":"bbbbbbbbbbbb"}' },
      401,
      'SIGN_IN_REQUIRED',
    ],
    [
      'a NUL where an id is asked of the database, by anybody',
      `/trpc/people.invitation?input=${encodeURIComponent('{"json":{"id":"a\\u0000b"}}')}`,
      {},
      400,
      'INVALID_INPUT',
    ],
    [
      'a NUL in an e-mail address',
      '/auth/sign-in/email',
      {
        method: 'POST',
        headers: JSON_TYPE,
        body: '{"email":"a\\u0000@example.org","password":"some password"}',
      },
      401,
      'WRONG_CREDENTIALS',
    ],
    [
      'a cursor that is none',
      `/trpc/chats.list?input=${encodeURIComponent(JSON.stringify({ json: { cursor: `1|${'-'.repeat(36)}` } }))}`,
      {},
      200,
      'done',
    ],
    ['a path with an escape that is none', '/trpc/%E0%A4%A', {}, 400, 'INVALID_INPUT'],
    ['a file by a name that climbs', '/files/..%2f..%2fetc%2fpasswd', {}, 404, 'NOT_FOUND'],
  ]
  test.for(REFUSALS)('%s', async ([, path, init, status, code]) => {
    const { cookie } = await server.person()
    const signedIn = !path.startsWith('/auth')
    const response = await server.anonymous.fetch(path, {
      ...init,
      headers: { ...(init.headers as Record<string, string>), ...(signedIn ? { cookie } : {}) },
    })
    const text = await response.text()
    const body = JSON.parse(text) as { code?: string; error?: { json: { data: { code: string } } } }
    expect([response.status, body.code ?? body.error?.json.data.code ?? 'done']).toEqual([status, code])
    expect(text).not.toMatch(/node_modules|\.ts:|\bat .*\(|"stack"/)
  })

  test.for(['[', 'null', '{"json":{},"meta":{"values":{"a.b":["Date"]}}}'])(
    'a stream whose input is %s is refused for good, not as a failure of ours',
    async (input) => {
      const { fetch } = await server.person()
      const response = await fetch(`/trpc/chats.watch?input=${encodeURIComponent(input)}`)
      const last = (await response.text()).trim().split('\n').at(-1) ?? ''
      expect(JSON.parse(last.replace(/^data: /, ''))).toMatchObject({
        json: { data: { code: 'INVALID_INPUT' } },
      })
    },
  )

  test('a batch of more calls than any page makes is refused', async () => {
    const { status } = await server.anonymous.fetch(
      `/trpc/${Array.from({ length: 31 }, () => 'people.me').join(',')}?batch=1&input={}`,
    )
    expect(status).toBe(400)
    const few = await server.anonymous.fetch('/trpc/people.me,setup.status?batch=1&input={}')
    expect(few.status).toBe(200)
    expect(await few.json()).toHaveLength(2)
  })

  test('a request that is no HTTP is answered and the server goes on', async () => {
    const { port, hostname } = new URL(server.url)
    const socket = net.connect(Number(port), hostname)
    socket.write('NONSENSE\r\n\r\n')
    const chunks: Buffer[] = []
    for await (const chunk of socket) chunks.push(chunk as Buffer)
    expect(Buffer.concat(chunks).toString()).toMatch(/^HTTP\/1\.1 400/)
    expect((await server.anonymous.fetch('/healthz')).status).toBe(200)
  })

  test.for([
    ['GET /trpc/people.me HTTP/1.1\r\nHost: a b', 400],
    ['GET /trpc/people.me HTTP/1.1\r\nHost: [::', 400],
    ['TRACE /trpc/people.me HTTP/1.1\r\nHost: x', 400],
    ['DELETE /trpc/people.me HTTP/1.1\r\nHost: x', 400],
    ['GET /trpc/__proto__ HTTP/1.1\r\nHost: x', 404],
    ['GET /trpc/constructor.name HTTP/1.1\r\nHost: x', 404],
    [`GET /trpc/${'a'.repeat(6_000)} HTTP/1.1\r\nHost: x`, 400],
    [`GET /trpc/${'a'.repeat(20_000)} HTTP/1.1\r\nHost: x`, 431],
  ] as const)('%s', async ([head, status]) => {
    const { port, hostname } = new URL(server.url)
    const socket = net.connect(Number(port), hostname)
    socket.write(`${head}\r\nConnection: close\r\n\r\n`)
    const chunks: Buffer[] = []
    for await (const chunk of socket) chunks.push(chunk as Buffer)
    expect(Buffer.concat(chunks).toString()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
  })

  test('a spoofed client address gets no fresh bucket', async () => {
    const codes: number[] = []
    for (let n = 0; n < 12; n++) {
      const response = await server.anonymous.fetch('/auth/sign-in/email', {
        method: 'POST',
        headers: {
          ...JSON_TYPE,
          'x-forwarded-for': `10.1.1.${n}, 203.0.113.50`,
          'x-terrace-client-address': `10.2.2.${n}`,
        },
        body: JSON.stringify({ email: 'victim@example.org', password: 'wrong password' }),
      })
      codes.push(response.status)
      if (response.status === 429) {
        expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0)
        expect(await response.json()).toMatchObject({ code: 'TOO_MANY_REQUESTS' })
      }
    }
    expect(codes.filter((c) => c === 429).length).toBeGreaterThan(3)
  })

  /** Status codes of `count` calls of one procedure from an address of their own, 30 to a request. */
  async function calls(procedure: string, count: number, address: string): Promise<number[]> {
    const codes: number[] = []
    for (let left = count; left > 0; left -= 30) {
      const batch = Array.from({ length: Math.min(left, 30) }, () => procedure)
      const response = await server.anonymous.fetch(`/trpc/${batch.join(',')}?batch=1`, {
        method: 'POST',
        headers: { ...JSON_TYPE, 'x-forwarded-for': `10.9.9.${left}, ${address}` },
        body: '{}',
      })
      const results = (await response.json()) as { error?: { json: { data: { httpStatus: number } } } }[]
      codes.push(...results.map(({ error }) => error?.json.data.httpStatus ?? 200))
    }
    return codes
  }

  test('set-up and invitation links can not be guessed at: every call of a procedure is counted', async () => {
    const codes = await calls('setup.createOwner', RATES.link.points + 20, '203.0.113.60')
    expect(codes.filter((code) => code !== 429)).toHaveLength(RATES.link.points)
    // The same counter, whichever of the links it is.
    expect(await calls('people.acceptInvitation', 1, '203.0.113.60')).toEqual([429])
    expect(await calls('people.acceptInvitation', 1, '203.0.113.61')).toEqual([400])
  })

  test('strangers are counted by address, whatever they call', async () => {
    const codes = await calls('people.updateMe', RATES.anonymous.points + 5, '203.0.113.62')
    expect(codes.filter((code) => code === 401)).toHaveLength(RATES.anonymous.points)
    expect(codes.filter((code) => code === 429)).toHaveLength(5)
  })

  test('a session that somebody found open is no way to try passwords', async () => {
    const { cookie } = await server.person()
    const codes: number[] = []
    for (let n = 0; n < SIGN_IN.pair.free + 3; n++) {
      const response = await server.anonymous.fetch('/auth/change-password', {
        method: 'POST',
        headers: { ...JSON_TYPE, cookie },
        body: JSON.stringify({ currentPassword: `a guess ${n}`, newPassword: 'a password of mine' }),
      })
      codes.push(response.status)
    }
    expect(codes.at(-1)).toBe(429)
  })
})
