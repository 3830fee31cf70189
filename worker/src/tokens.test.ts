// Who is let in. Each reason to refuse has its own code, and costs nothing: the model is not asked.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ENDPOINT_PATHS, TOKEN_TYPES } from '../../contract/model-endpoint.ts'
import { makeKeys } from '../local/key-pairs.ts'
import { signRevocation, signScriptToken } from '../local/signing.ts'
import {
  AUDIENCE,
  type Endpoint,
  ISSUER,
  REQUEST,
  refusal,
  signAnswer,
  startEndpoint,
} from '../test/endpoint.ts'

let endpoint: Endpoint
beforeAll(async () => {
  endpoint = await startEndpoint({ models: { 'llama-3-8b': ['scripted'], other: ['scripted'] } })
})
afterAll(() => endpoint?.[Symbol.asyncDispose]())

const now = () => Math.floor(Date.now() / 1_000)
const answerToken = (claims?: Record<string, unknown>, header?: Record<string, unknown>) =>
  signAnswer(endpoint.keys.LLAMMA_SIGNING_KEY, REQUEST, claims, header)

/** The refusal of a request with this token; fails if the model was asked all the same. */
async function refused(token: string | null, body: unknown = REQUEST): Promise<[number, string]> {
  const before = endpoint.requests.length
  const answer = await refusal(await endpoint.post(body, { token }))
  expect(endpoint.requests.length).toBe(before)
  return answer
}

describe('an answer token', () => {
  test('is good for its prompt, once', async () => {
    const token = await answerToken()
    const first = await endpoint.post(REQUEST, { token })
    expect(first.status).toBe(200)
    await first.text()
    expect(await refused(token)).toEqual([401, 'TOKEN_REPLAYED'])
    expect(endpoint.requests.at(-1)?.input.max_tokens).toBe(100)
  })

  test('is good once also when it comes many times at the same moment', async () => {
    const token = await answerToken()
    const replies = await Promise.all(Array.from({ length: 10 }, () => endpoint.post(REQUEST, { token })))
    const statuses = await Promise.all(replies.map(async (reply) => (await reply.text()) && reply.status))
    expect(statuses.filter((status) => status === 200)).toHaveLength(1)
    expect(statuses.filter((status) => status === 401)).toHaveLength(9)
  })

  test('covers the answer, not its wrapping', async () => {
    const body = { ...REQUEST, stream: true, stream_options: { include_usage: true }, user: 'x' }
    const reply = await endpoint.post(body, { token: await answerToken() })
    expect(reply.status).toBe(200)
    await reply.text()
  })

  test('is refused with another prompt, or anything else that changes the answer', async () => {
    for (const other of [
      { messages: [{ role: 'user', content: 'What is a terrace!' }] },
      { messages: [{ role: 'system', content: 'What is a terrace?' }] },
      { messages: [...REQUEST.messages, { role: 'user', content: 'And a porch?' }] },
      { temperature: 1 },
      { seed: 1 },
      { max_tokens: 201 },
    ])
      expect(await refused(await answerToken(), { ...REQUEST, ...other })).toEqual([
        403,
        'TOKEN_OTHER_PROMPT',
      ])
  })

  test('is refused with another model', async () => {
    const body = { ...REQUEST, model: 'other' }
    expect(await refused(await answerToken(), body)).toEqual([403, 'TOKEN_OTHER_MODEL'])
  })

  test('that was refused for its prompt is not used up', async () => {
    const token = await answerToken()
    await refused(token, { ...REQUEST, seed: 1 })
    const reply = await endpoint.post(REQUEST, { token })
    expect(reply.status).toBe(200)
    await reply.text()
  })

  test('is refused when it has expired', async () => {
    const claims = { iat: now() - 100, exp: now() - 10 }
    expect(await refused(await answerToken(claims))).toEqual([401, 'TOKEN_EXPIRED'])
  })

  test('must be used before it expires; the answer may take longer', async () => {
    await using slow = await startEndpoint({
      models: { 'llama-3-8b': ['scripted?rate=4&tokens=16'] },
      keys: endpoint.keys,
    })
    // Over in a moment, with the clocks’ tolerance.
    const token = await answerToken({ iat: now() - 10, exp: now() - 2 })
    const reply = await slow.post({ ...REQUEST, stream: true }, { token })
    expect(await reply.text()).toContain('[DONE]')
  })

  test('is refused when it was made for another endpoint', async () => {
    const aud = 'https://other.example.org'
    expect(await refused(await answerToken({ aud }))).toEqual([401, 'TOKEN_FOREIGN_AUDIENCE'])
    // The address that the request came by makes no difference.
    expect(await refused(await answerToken({ aud: endpoint.url }))).toEqual([401, 'TOKEN_FOREIGN_AUDIENCE'])
  })

  test('may be of a clock that is a little ahead, and of no other', async () => {
    const ahead = await answerToken({ iat: now() + 40, exp: now() + 100 })
    expect((await endpoint.post(REQUEST, { token: ahead })).status).toBe(200)
    expect(await refused(await answerToken({ iat: now() + 120, exp: now() + 180 }))).toEqual([
      401,
      'TOKEN_EARLY',
    ])
  })

  test.for<[string, Record<string, unknown>]>([
    ['lives too long', { exp: now() + 3_000 }],
    ['ends before it begins', { iat: now() + 60, exp: now() + 30 }],
    ['has no id', { jti: undefined }],
    ['has an endless id', { jti: 'x'.repeat(300) }],
    ['has no person', { sub: undefined }],
    ['has no budget', { max_tokens: undefined }],
    ['has a budget below nothing', { max_tokens: -1 }],
    ['has no prompt', { prompt: undefined }],
    ['has no end', { exp: undefined }],
  ])('that %s is refused', async ([, claims]) => {
    expect(await refused(await answerToken(claims))).toEqual([401, 'TOKEN_INVALID'])
  })
})

describe('a token', () => {
  test('is needed', async () => {
    expect(await refused(null)).toEqual([401, 'TOKEN_MISSING'])
    const basic = await endpoint.post(REQUEST, { token: null, headers: { authorization: 'Basic abc' } })
    expect(await refusal(basic)).toEqual([401, 'TOKEN_MISSING'])
    expect(basic.headers.get('www-authenticate')).toBe('Bearer')
  })

  test.for(['x', 'a.b.c', '..', 'e30.e30.e30', `${'a'.repeat(5_000)}.b.c`])(
    'that is nonsense is refused',
    async (token) => {
      expect(await refused(token)).toEqual([401, 'TOKEN_INVALID'])
    },
  )

  test('of a key that is not known here is refused, whatever it calls itself', async () => {
    const { LLAMMA_SIGNING_KEY: foreign } = await makeKeys()
    expect(await refused(await signAnswer(foreign))).toEqual([401, 'TOKEN_INVALID'])
    const kid = endpoint.keys.LLAMMA_SIGNING_KEY.kid
    expect(await refused(await signAnswer(foreign, REQUEST, {}, { kid }))).toEqual([401, 'TOKEN_INVALID'])
    expect(await refused(await answerToken({}, { kid: undefined }))).toEqual([401, 'TOKEN_INVALID'])
  })

  test('that was changed after it was signed is refused', async () => {
    const [header, payload = '', signature] = (await answerToken()).split('.')
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object
    const raised = Buffer.from(JSON.stringify({ ...claims, max_tokens: 4_000 })).toString('base64url')
    expect(await refused(`${header}.${raised}.${signature}`)).toEqual([401, 'TOKEN_INVALID'])
  })

  test('signed in another way is refused: with the public key as a secret, or not at all', async () => {
    const [publicKey] = endpoint.keys.TOKEN_KEYS.keys
    const claims = { iss: ISSUER, aud: AUDIENCE, sub: 'x', jti: 'x', iat: now(), exp: now() + 60 }
    const mac = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256', typ: TOKEN_TYPES.script, kid: String(publicKey?.kid) })
      .sign(Buffer.from(String(publicKey?.x), 'base64url'))
    expect(await refused(mac)).toEqual([401, 'TOKEN_INVALID'])
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const header = { alg: 'none', typ: TOKEN_TYPES.script, kid: publicKey?.kid }
    expect(await refused(`${part(header)}.${part(claims)}.`)).toEqual([401, 'TOKEN_INVALID'])
  })

  test('of one kind is never taken for another', async () => {
    const asScript = await answerToken({ exp: now() + 60 }, { typ: TOKEN_TYPES.revocation })
    expect(await refused(asScript)).toEqual([403, 'TOKEN_KIND'])
    expect(await refused(await answerToken({}, { typ: 'JWT' }))).toEqual([401, 'TOKEN_INVALID'])
    expect(await refused(await answerToken({}, { typ: TOKEN_TYPES.receipt }))).toEqual([401, 'TOKEN_INVALID'])
    const models = await fetch(endpoint.url + ENDPOINT_PATHS.models, {
      headers: { authorization: `Bearer ${await answerToken()}` },
    })
    expect(await refusal(models)).toEqual([403, 'TOKEN_KIND'])
  })

  test('of the old key is good beside the new one, and no longer than one rotation', async () => {
    const second = await makeKeys(endpoint.keys)
    const third = await makeKeys(second)
    const statuses = async (keys: typeof second) => {
      await using rotated = await startEndpoint({ keys })
      const signers = [endpoint.keys, second, third].map(({ LLAMMA_SIGNING_KEY }) => LLAMMA_SIGNING_KEY)
      return await Promise.all(
        signers.map(async (key) => (await rotated.post(REQUEST, { token: await signAnswer(key) })).status),
      )
    }
    expect(await statuses(second)).toEqual([200, 200, 401])
    expect(await statuses(third)).toEqual([401, 200, 200])
  })
})

describe('a script token', () => {
  test('is good until it is taken back, which lasts longer than the Worker', async () => {
    const storage = mkdtempSync(path.join(tmpdir(), 'terrace-ledger-'))
    const signer = { key: endpoint.keys.LLAMMA_SIGNING_KEY, audience: AUDIENCE, issuer: ISSUER }
    const { token, id } = await signScriptToken(signer, { name: 'nightly' })
    const other = await signScriptToken(signer, { name: 'weekly' })
    {
      await using first = await startEndpoint({ keys: endpoint.keys, storage })
      for (let i = 0; i < 2; i++) expect((await first.post(REQUEST, { token })).status).toBe(200)
      const revoke = (revocation: string) =>
        first.post('', { path: ENDPOINT_PATHS.revocations, token: revocation })
      // Not with a token of another kind, nor by somebody else.
      expect(await refusal(await revoke(token))).toEqual([403, 'TOKEN_KIND'])
      const foreign = { ...signer, key: (await makeKeys()).LLAMMA_SIGNING_KEY }
      expect(await refusal(await revoke((await signRevocation(foreign, id)).token))).toEqual([
        401,
        'TOKEN_INVALID',
      ])
      expect((await first.post(REQUEST, { token })).status).toBe(200)
      const done = await revoke((await signRevocation(signer, id)).token)
      expect([done.status, await done.json()]).toEqual([200, { revoked: id }])
      expect(await refusal(await first.post(REQUEST, { token }))).toEqual([401, 'TOKEN_REVOKED'])
    }
    await using second = await startEndpoint({ keys: endpoint.keys, storage })
    expect(await refusal(await second.post(REQUEST, { token }))).toEqual([401, 'TOKEN_REVOKED'])
    const list = (bearer: string) =>
      fetch(second.url + ENDPOINT_PATHS.models, { headers: { authorization: `Bearer ${bearer}` } })
    expect(await refusal(await list(token))).toEqual([401, 'TOKEN_REVOKED'])
    expect((await list(other.token)).status).toBe(200)
    expect((await second.post(REQUEST, { token: other.token })).status).toBe(200)
    rmSync(storage, { recursive: true, force: true })
  })

  test('that lives longer than a year is refused', async () => {
    const signer = { key: endpoint.keys.LLAMMA_SIGNING_KEY, audience: AUDIENCE, issuer: ISSUER }
    const { token } = await signScriptToken(signer, { name: 'for ever', days: 400 })
    expect(await refused(token)).toEqual([401, 'TOKEN_INVALID'])
  })
})
