import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { decodeJwt, exportJWK, generateKeyPair, importJWK, type JWK, jwtVerify, SignJWT } from 'jose'
import { pino } from 'pino'
import { beforeAll, describe, expect, it } from 'vitest'
import { requestHash, sha256 } from '../../../contract/request-hash.ts'
import { parseConfig } from '../config.ts'
import { readModelEndpoint } from './model-endpoint.ts'
import { SharedTokenTaken } from './port.ts'
import { createModels } from './registry.ts'

const log = pino({ level: 'silent' })
let privateKey: JWK
let publicKey: JWK
beforeAll(async () => {
  const pair = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true })
  privateKey = { ...(await exportJWK(pair.privateKey)), kid: 'the-key' }
  publicKey = await exportJWK(pair.publicKey)
})

const config = (env: Record<string, string>) =>
  parseConfig({
    DATABASE_URL: 'postgresql://unused',
    STORAGE: 'file:/tmp/unused',
    AUTH_SECRET: 'test-secret-test-secret-test-secret-test',
    PUBLIC_URL: 'https://terrace.example.org',
    ...env,
  })
const ready = (more: Record<string, string> = {}) =>
  config({
    LLAMMA_ENDPOINT: 'https://models.example.org/',
    LLAMMA_SIGNING_KEY: JSON.stringify(privateKey),
    ...more,
  })
const request = {
  model: 'llama-3-8b',
  messages: [{ role: 'user' as const, content: 'What is a terrace?' }],
  max_tokens: 300,
}

describe('tokens for the model endpoint', () => {
  it('are for one person, one request, this endpoint and one minute, and never the same twice', async () => {
    const endpoint = readModelEndpoint(ready())
    const tokens = [
      await endpoint?.sign({ request, personId: 'p1' }),
      await endpoint?.sign({ request, personId: 'p1' }),
    ]
    const read = await Promise.all(
      tokens.map(async (token) => jwtVerify(String(token), await importJWK(publicKey, 'EdDSA'))),
    )
    const [first, second] = read
    expect(first?.protectedHeader).toEqual({ alg: 'EdDSA', typ: 'terrace-answer+jwt', kid: 'the-key' })
    expect(first?.payload).toEqual({
      iss: 'https://terrace.example.org',
      aud: 'https://models.example.org',
      sub: 'p1',
      jti: expect.any(String),
      iat: expect.any(Number),
      exp: (first?.payload.iat ?? 0) + 60,
      model: 'llama-3-8b',
      max_tokens: 300,
      prompt: await requestHash(request),
    })
    expect(Math.abs((first?.payload.iat ?? 0) - Date.now() / 1_000)).toBeLessThan(60)
    expect(second?.payload.jti).not.toBe(first?.payload.jti)
  })

  it('need a key, whose value is in no message', () => {
    expect(readModelEndpoint(config({}))).toBeNull()
    expect(() => readModelEndpoint(config({ LLAMMA_ENDPOINT: 'https://m.example.org' }))).toThrow(
      'LLAMMA_SIGNING_KEY is not: npm run worker:keys',
    )
    for (const key of [
      'not-json-secret',
      '"text"',
      JSON.stringify(publicKey),
      '{"kty":"RSA","d":"secret"}',
    ]) {
      const read = () => readModelEndpoint(ready({ LLAMMA_SIGNING_KEY: key }))
      expect(read).toThrow('LLAMMA_SIGNING_KEY is not a private Ed25519 key')
      expect(read).not.toThrow(key.replaceAll('"', ''))
    }
    expect(() => config({ LLAMMA_ENDPOINT: 'ftp://m.example.org' })).toThrow('LLAMMA_ENDPOINT')
  })
})

describe('receipts of the model endpoint', () => {
  const forPages = (more: Record<string, string> = {}) =>
    readModelEndpoint(
      ready({
        NEXT_PUBLIC_LLAMMA_ENDPOINT: 'https://pages.example.org/',
        LLAMMA_RECEIPT_KEYS: JSON.stringify({ keys: [publicKey] }),
        ...more,
      }),
    )?.forPages
  const expected = { id: 'a1', personId: 'p1', model: 'llama-3-8b', prompt: 'hash', text: 'Grüße [1].' }
  const receipt = async (claims: object = {}, header: object = {}, key = privateKey) =>
    new SignJWT({
      ...{ iss: 'https://models.example.org', aud: 'https://terrace.example.org', sub: 'p1', jti: 'a1' },
      ...{ model: 'llama-3-8b', prompt: 'hash', answer: await sha256(expected.text), ...claims },
    })
      .setProtectedHeader({ alg: 'EdDSA', typ: 'terrace-receipt+jwt', ...header })
      .sign(await importJWK(key, 'EdDSA'))

  it('are of one answer to one request of one person, by this endpoint to this installation', async () => {
    const page = forPages()
    expect(page?.url).toBe('https://pages.example.org')
    expect(await page?.verify(await receipt(), expected)).toMatchObject({ jti: 'a1' })
    for (const claims of [
      { iss: 'https://other.example.org' },
      { aud: 'https://other.example.org' },
      { sub: 'p2' },
      { jti: 'a2' },
      { model: 'other' },
      { prompt: 'other' },
      { answer: await sha256('other') },
    ])
      expect([claims, await page?.verify(await receipt(claims), expected)]).toEqual([claims, null])
    expect(await page?.verify(await receipt({}, { typ: 'terrace-answer+jwt' }), expected)).toBeNull()
    const other = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true })
    expect(await page?.verify(await receipt({}, {}, await exportJWK(other.privateKey)), expected)).toBeNull()
    expect(await page?.verify('not.a.receipt', expected)).toBeNull()
  })

  it('need public keys; without them, or without an address for pages, pages do not ask', () => {
    expect(forPages({ LLAMMA_RECEIPT_KEYS: '' })).toBeNull()
    expect(forPages({ NEXT_PUBLIC_LLAMMA_ENDPOINT: '' })).toBeNull()
    for (const keys of ['secret', '{}', '{"keys":[]}', JSON.stringify({ keys: [privateKey] })]) {
      expect(() => forPages({ LLAMMA_RECEIPT_KEYS: keys })).toThrow('LLAMMA_RECEIPT_KEYS has no public keys')
      expect(() => forPages({ LLAMMA_RECEIPT_KEYS: keys })).not.toThrow(keys)
    }
  })

  it('are asked for where the API has no address of its own, too', () => {
    const only = readModelEndpoint(
      ready({ LLAMMA_ENDPOINT: '', NEXT_PUBLIC_LLAMMA_ENDPOINT: 'https://pages.example.org' }),
    )
    expect(only?.url).toBe('https://pages.example.org')
  })
})

describe('the models of the endpoint', () => {
  const listed = async (env: Record<string, string>) => {
    const models = createModels(ready(env), log)
    const { models: list, defaultId } = await models.list()
    await models.close()
    return { ids: list.map(({ id }) => id), list, defaultId }
  }
  const entry = (more: object) => ({ id: 'x', name: 'X', type: 'worker', model: 'llama-3.3-70b', ...more })

  it('are offered without MODELS', async () => {
    const { ids, list, defaultId } = await listed({})
    expect([ids, defaultId]).toEqual([['llama-3-8b', 'passages'], 'llama-3-8b'])
    expect(list[0]).toEqual({
      ...{ id: 'llama-3-8b', name: 'Llama 3.1 8B', provider: 'Cloudflare Workers AI' },
      ...{ contextTokens: 8_192, maxOutputTokens: 1_024, price: { input: 0.045, output: 0.384 } },
      // Nobody is at that address.
      ...{ requestsPerMinute: null, available: true, direct: false },
      availability: { state: 'unreachable', since: expect.any(Date) },
    })
  })

  it('are looked at by its health, which names them and its limit to anybody', async () => {
    const asked: (string | undefined)[] = []
    const health = createServer((request, response) => {
      asked.push(request.url, request.headers.authorization)
      response.end(JSON.stringify({ ok: true, models: ['llama-3-8b'], requestsPerMinute: 300 }))
    })
    await new Promise<void>((resolve) => health.listen(0, '127.0.0.1', resolve))
    const { port } = health.address() as AddressInfo
    const { list } = await listed({
      LLAMMA_ENDPOINT: `http://127.0.0.1:${port}/`,
      MODELS: JSON.stringify([entry({ id: 'a', model: 'llama-3-8b' }), entry({ provider: 'Ours' })]),
    })
    health.close()
    expect(asked).toEqual(['/health', undefined])
    expect(
      list.map((model) => [model.id, model.provider, model.availability.state, model.requestsPerMinute]),
    ).toEqual([
      ['a', `127.0.0.1:${port}`, 'available', 300],
      ['x', 'Ours', 'not-listed', 300],
      ['passages', 'terrace', 'available', null],
    ])
  })

  it('are those that MODELS names, and come behind others', async () => {
    expect((await listed({ MODELS: JSON.stringify([entry({})]) })).ids).toEqual(['x', 'passages'])
    const other = { id: 'o', name: 'O', type: 'openai-compatible', url: 'http://127.0.0.1:1/v1', model: 'o' }
    expect((await listed({ MODELS: JSON.stringify([other]) })).ids).toEqual(['o', 'llama-3-8b', 'passages'])
    expect((await listed({ MODELS: JSON.stringify([{ ...other, id: 'llama-3-8b' }]) })).ids).toEqual([
      'llama-3-8b',
      'passages',
    ])
  })

  it('can not be named without an endpoint, nor given an address or a key of their own', () => {
    const make = (models: object[], from = config) =>
      createModels(from({ MODELS: JSON.stringify(models) }), log)
    expect(() => make([entry({})])).toThrow('[0].type: "worker" needs LLAMMA_ENDPOINT')
    expect(() => make([entry({ url: 'https://elsewhere.example.org' })], ready)).toThrow('url')
    expect(() => make([entry({ key: 'env:KEY' })], ready)).toThrow('key')
  })
})

describe('a token that a page was given as well', () => {
  it.each([
    ['TOKEN_REPLAYED', true, 'SharedTokenTaken', false],
    ['TOKEN_EXPIRED', true, 'SharedTokenTaken', false],
    ['TOKEN_INVALID', true, 'MODEL_REFUSED_KEY', true],
    ['TOKEN_REPLAYED', false, 'MODEL_REFUSED_KEY', true],
  ])('has the same id and end; %s (shared: %s): %s', async (code, isShared, expected, marked) => {
    const bearers: string[] = []
    await using stack = new AsyncDisposableStack()
    const server = createServer((message, response) => {
      bearers.push(String(message.headers.authorization).replace('Bearer ', ''))
      response.writeHead(401, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ error: { code, type: 'authentication_error', message: 'no' } }))
    }).listen(0, '127.0.0.1')
    stack.defer(() => void server.close())
    await new Promise((resolve) => server.once('listening', resolve))
    const LLAMMA_ENDPOINT = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const models = createModels(ready({ LLAMMA_ENDPOINT }), log)
    stack.defer(() => models.close())
    const { language, info } = await models.get('llama-3-8b')
    const shared = { id: 'the-attempt', expires: Math.floor(Date.now() / 1_000) + 30 }
    const call = {
      maxOutputTokens: 10,
      signal: new AbortController().signal,
      ...(isShared ? { shared } : {}),
    }
    const error = await language
      ?.stream(request.messages, call)
      [Symbol.asyncIterator]()
      .next()
      .catch((thrown) => thrown)
    expect(error instanceof SharedTokenTaken ? 'SharedTokenTaken' : error.code).toBe(expected)
    expect(bearers).toHaveLength(1)
    const { jti, exp } = decodeJwt(bearers[0] ?? '')
    if (isShared) expect({ id: jti, expires: exp }).toEqual(shared)
    else expect(jti).not.toBe(shared.id)
    // What one person's page has done says nothing of the model to others.
    const listed = (await models.list()).models.find(({ id }) => id === info.id)
    expect(listed?.availability.state === 'refused-key').toBe(marked)
  })
})
