import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ENDPOINT_PATHS } from '../../contract/model-endpoint.ts'
import { type Endpoint, ORIGIN, REQUEST, refusal, startEndpoint } from '../test/endpoint.ts'

let endpoint: Endpoint
beforeAll(async () => {
  endpoint = await startEndpoint({
    models: {
      'llama-3-8b': ['scripted'],
      retired: ['scripted?error=410'],
      dying: ['scripted?die=2&tokens=5'],
    },
  })
})
afterAll(() => endpoint?.[Symbol.asyncDispose]())

const preflight = (
  origin: string,
  headers: Record<string, string> = {},
  path: string = ENDPOINT_PATHS.completions,
) =>
  fetch(endpoint.url + path, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type',
      ...headers,
    },
  })

describe('a preflight', () => {
  test('of a page on the list is answered, and may be remembered', async () => {
    const reply = await preflight(ORIGIN)
    expect([reply.status, await reply.text()]).toEqual([204, ''])
    expect(Object.fromEntries(reply.headers)).toMatchObject({
      'access-control-allow-origin': ORIGIN,
      'access-control-allow-methods': 'POST, OPTIONS',
      'access-control-allow-headers': 'authorization, content-type',
      'access-control-max-age': '7200',
      vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network',
    })
    expect(reply.headers.has('access-control-allow-private-network')).toBe(false)
    expect(reply.headers.has('access-control-allow-credentials')).toBe(false)
    expect((await preflight('http://localhost:3000')).headers.get('access-control-allow-origin')).toBe(
      'http://localhost:3000',
    )
  })

  test('that asks for the private network is allowed it', async () => {
    const reply = await preflight(ORIGIN, { 'access-control-request-private-network': 'true' })
    expect(reply.headers.get('access-control-allow-private-network')).toBe('true')
  })

  test('allows the headers that OpenAI’s client adds, and no others', async () => {
    const reply = await preflight(ORIGIN, {
      'access-control-request-headers': 'authorization, x-stainless-lang, X-Stainless-OS, cookie, x-evil',
    })
    expect(reply.headers.get('access-control-allow-headers')).toBe(
      'authorization, content-type, x-stainless-lang, x-stainless-os',
    )
  })

  test.for([
    'https://evil.example.org',
    'null',
    'http://terrace.example.org',
    'https://terrace.example.org.evil.example',
    'https://terrace.example.org:444',
    'https://sub.terrace.example.org',
  ])('of another page is refused: %s', async (origin) => {
    const reply = await preflight(origin, { 'access-control-request-private-network': 'true' })
    expect([...reply.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([])
    expect(reply.headers.get('vary')).toBe('Origin')
    expect(await refusal(reply)).toEqual([403, 'FOREIGN_ORIGIN'])
  })
})

describe('a request', () => {
  const from = (origin: string) => ({ headers: { origin } })

  test('of a page on the list can be read: the answer, the stream, the error, the stream with an error', async () => {
    const replies = [
      await endpoint.post(REQUEST, from(ORIGIN)),
      await endpoint.post({ ...REQUEST, stream: true }, from(ORIGIN)),
      await endpoint.post({ ...REQUEST, model: 'dying', stream: true }, from(ORIGIN)),
      await endpoint.post({ ...REQUEST, model: 'retired' }, from(ORIGIN)),
      await endpoint.post(REQUEST, { ...from(ORIGIN), token: null }),
      await endpoint.post('{', from(ORIGIN)),
      await endpoint.post(REQUEST, { ...from(ORIGIN), path: '/nowhere' }),
    ]
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200, 410, 401, 400, 404])
    for (const { headers, body } of replies) {
      expect(headers.get('access-control-allow-origin')).toBe(ORIGIN)
      expect(headers.get('vary')).toBe('Origin')
      const exposed = headers.get('access-control-expose-headers')
      for (const name of ['retry-after', 'x-request-id', 'x-should-retry', 'terrace-provider-model'])
        expect(exposed).toContain(name)
      expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
      await body?.cancel()
    }
  })

  test('of another page is refused with the best of tokens, and the model is not asked', async () => {
    const before = endpoint.requests.length
    const reply = await endpoint.post(REQUEST, from('https://evil.example.org'))
    expect(reply.headers.has('access-control-allow-origin')).toBe(false)
    expect(await refusal(reply)).toEqual([403, 'FOREIGN_ORIGIN'])
    expect(endpoint.requests.length).toBe(before)
  })

  test('of no page is a script’s', async () => {
    const reply = await endpoint.post(REQUEST)
    expect(reply.status).toBe(200)
    expect(reply.headers.has('access-control-allow-origin')).toBe(false)
    expect(reply.headers.get('vary')).toBe('Origin')
    await reply.text()
  })
})
