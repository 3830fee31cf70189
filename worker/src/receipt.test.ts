import { createLocalJWKSet, type JWK, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TOKEN_TYPES } from '../../contract/model-endpoint.ts'
import { requestHash, sha256 } from '../../contract/request-hash.ts'
import { makeKeys } from '../local/key-pairs.ts'
import {
  AUDIENCE,
  type Endpoint,
  ISSUER,
  REQUEST,
  signAnswer,
  startEndpoint,
  streamed,
  textOf,
} from '../test/endpoint.ts'

const TEXT = 'Höfe sind 4 m² groß, 🌿 inbegriffen.'

let endpoint: Endpoint
beforeAll(async () => {
  endpoint = await startEndpoint({
    models: {
      'llama-3-8b': ['scripted?error=410&code=5028', `scripted?split=3&text=${encodeURIComponent(TEXT)}`],
      dying: ['scripted?die=3&tokens=9'],
    },
  })
})
afterAll(() => endpoint?.[Symbol.asyncDispose]())

const answerToken = (request = REQUEST, jti = crypto.randomUUID() as string) =>
  signAnswer(endpoint.keys.LLAMMA_SIGNING_KEY, request, { jti })

const verify = (
  receipt: unknown,
  keys: { readonly keys: readonly JWK[] } = endpoint.keys.LLAMMA_RECEIPT_KEYS,
) =>
  jwtVerify(String(receipt), createLocalJWKSet({ keys: [...keys.keys] }), {
    typ: TOKEN_TYPES.receipt,
    issuer: AUDIENCE,
    audience: ISSUER,
    algorithms: ['EdDSA'],
  })

describe('a receipt', () => {
  test('ends the stream: what was answered, by which model, for whom, at what cost', async () => {
    const jti = 'attempt-17'
    const reply = await endpoint.post(
      { ...REQUEST, stream: true },
      { token: await answerToken(REQUEST, jti) },
    )
    const events = await streamed(reply)
    expect(textOf(events)).toBe(TEXT)
    expect(events.at(-1)).toBe('[DONE]')
    const last = events.at(-2) as { receipt: string }
    expect(last).toMatchObject({
      object: 'chat.completion.chunk',
      model: 'llama-3-8b',
      choices: [],
      usage: { prompt_tokens: 4, completion_tokens: 7 },
    })
    const { payload } = await verify(last.receipt)
    expect(payload).toEqual({
      iss: AUDIENCE,
      aud: ISSUER,
      sub: 'person-1',
      jti,
      iat: expect.any(Number),
      model: 'llama-3-8b',
      provider_model: expect.stringMatching(/^scripted\?split=3/),
      answer: await sha256(TEXT),
      prompt: await requestHash(REQUEST),
      usage: { prompt_tokens: 4, completion_tokens: 7, total_tokens: 11 },
      finish_reason: 'stop',
    })
  })

  test('is given for an answer in one piece too, and in the plain form', async () => {
    const whole = await endpoint.post(REQUEST, { token: await answerToken() })
    const { receipt } = (await whole.json()) as { receipt: string }
    expect((await verify(receipt)).payload.answer).toBe(await sha256(TEXT))
    const plain = await endpoint.post({ ...REQUEST, stream: true }, { path: '/', token: await answerToken() })
    const events = await streamed(plain)
    expect(textOf(events)).toBe(TEXT)
    expect((await verify((events.at(-2) as { receipt: string }).receipt)).payload.answer).toBe(
      await sha256(TEXT),
    )
  })

  test('is not accepted of another key', async () => {
    const reply = await endpoint.post(REQUEST, { token: await answerToken() })
    const { receipt } = (await reply.json()) as { receipt: string }
    await expect(verify(receipt, (await makeKeys()).LLAMMA_RECEIPT_KEYS)).rejects.toThrow()
    // Nor is it of the keys for tokens: those are the API's own.
    await expect(verify(receipt, endpoint.keys.TOKEN_KEYS)).rejects.toThrow()
  })

  test('is not given for half an answer, nor to scripts', async () => {
    const request = { ...REQUEST, model: 'dying' }
    const half = await endpoint.post(
      { ...request, stream: true },
      { token: await answerToken(request as typeof REQUEST) },
    )
    expect(await half.text()).not.toContain('receipt')
    for (const stream of [true, false])
      expect(await (await endpoint.post({ ...REQUEST, stream })).text()).not.toContain('receipt')
  })
})
