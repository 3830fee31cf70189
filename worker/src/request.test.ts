// What must not come through: each with a typed error, and without a word to the model.
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ENDPOINT_LIMITS, ENDPOINT_PATHS } from '../../contract/model-endpoint.ts'
import { type Endpoint, REQUEST, refusal, startEndpoint, streamed } from '../test/endpoint.ts'
import { readJson } from './request.ts'

let endpoint: Endpoint
beforeAll(async () => {
  endpoint = await startEndpoint({
    models: { 'llama-3-8b': ['scripted?text=One two three.'], other: ['scripted?text=Other.'] },
  })
})
afterAll(() => endpoint?.[Symbol.asyncDispose]())

async function refused(body: unknown, path?: string): Promise<[number, string]> {
  const before = endpoint.requests.length
  const answer = await refusal(await endpoint.post(body, path === undefined ? {} : { path }))
  expect(endpoint.requests.length).toBe(before)
  return answer
}

describe('a body', () => {
  test.for(['', '{', 'null x', '{"model": "llama-3-8b", "messages": [', '\u0000'])(
    'that is no JSON: %j',
    async (body) => {
      expect(await refused(body)).toEqual([400, 'INVALID_JSON'])
    },
  )

  test('that is not UTF-8', async () => {
    const { token } = await endpoint.script()
    const reply = await fetch(endpoint.url + ENDPOINT_PATHS.completions, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: Buffer.from('{"model": "\xff\xfe"}', 'latin1'),
    })
    expect(await refusal(reply)).toEqual([400, 'INVALID_JSON'])
  })

  test('of 5 MB, announced or not', async () => {
    const large = JSON.stringify({ ...REQUEST, user: 'x'.repeat(5_000_000) })
    expect(await refused(large)).toEqual([413, 'BODY_TOO_LARGE'])
    const { token } = await endpoint.script()
    const unannounced = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let at = 0; at < large.length; at += 65_536)
          controller.enqueue(new TextEncoder().encode(large.slice(at, at + 65_536)))
        controller.close()
      },
    })
    const reply = await fetch(endpoint.url + ENDPOINT_PATHS.completions, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: unannounced,
      duplex: 'half',
    })
    expect(await refusal(reply)).toEqual([413, 'BODY_TOO_LARGE'])
  })

  test('that breaks off leaves the Worker as it was', async () => {
    const { token } = await endpoint.script()
    const { hostname, port } = new URL(endpoint.url)
    await new Promise<void>((resolve) => {
      const socket = connect(Number(port), hostname, () => {
        const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n`
        socket.write(`${head}content-length: 500\r\n\r\n{"model": "lla`, () => socket.destroy())
      })
      socket.once('close', () => resolve())
    })
    expect((await endpoint.post(REQUEST)).status).toBe(200)
    expect(endpoint.log()).not.toContain('Uncaught')
  })

  test.for([[[]], ['text'], [7], [null]])('that is no object: %j', async ([body]) => {
    expect(await refused(JSON.stringify(body))).toEqual([400, 'INVALID_REQUEST'])
  })

  test.for<object>([
    { model: 7 },
    { model: undefined },
    { messages: undefined },
    { messages: [] },
    { messages: 'hello' },
    { messages: [null] },
    { messages: [{ role: 'user' }] },
    { messages: [{ role: 'user', content: 7 }] },
    { messages: [{ role: 'king', content: 'x' }] },
    { messages: [{ role: 'user', content: '\ud800' }] },
    {
      messages: Array.from({ length: ENDPOINT_LIMITS.messages + 1 }, () => ({ role: 'user', content: 'x' })),
    },
    { stream: 'yes' },
    { max_tokens: 0 },
    { max_tokens: 1.5 },
    { max_tokens: '7' },
    { max_tokens: 1e300 },
    { temperature: -1 },
    { temperature: 3 },
    { top_p: 2 },
    { seed: 0.5 },
    { presence_penalty: 9 },
  ])('with something wrong in it: %j', async (wrong) => {
    expect(await refused({ ...REQUEST, ...wrong })).toEqual([400, 'INVALID_REQUEST'])
  })

  test.for<[string, object]>([
    ['tools', { tools: [{ type: 'function' }] }],
    ['n', { n: 2 }],
    ['logprobs', { logprobs: true }],
    ['response_format', { response_format: { type: 'json_object' } }],
    ['stop', { stop: ['\n'] }],
    ['prompt', { prompt: 'x' }],
    ['messages[0].content', { messages: [{ role: 'user', content: [{ type: 'image_url' }] }] }],
    ['messages[0]', { messages: [{ role: 'tool', content: 'x' }] }],
  ])('that wants what there is not: %s', async ([param, wish]) => {
    const reply = await endpoint.post({ ...REQUEST, ...wish })
    expect(await reply.clone().json()).toMatchObject({ error: { param } })
    expect(await refusal(reply)).toEqual([400, 'UNSUPPORTED_PARAMETER'])
  })

  test('with a prompt that is too long', async () => {
    const half = 'x'.repeat(ENDPOINT_LIMITS.promptLength / 2 + 1)
    const messages = [half, half].map((content) => ({ role: 'user', content }))
    expect(await refused({ ...REQUEST, messages })).toEqual([413, 'PROMPT_TOO_LARGE'])
    expect(await refused({ prompt: half + half }, '/')).toEqual([413, 'PROMPT_TOO_LARGE'])
  })

  test.for(['gpt-17', '@cf/meta/llama-3-8b-instruct', 'scripted', '__proto__', ''])(
    'for a model that is not on the list: %j',
    async (model) => {
      expect(await refused({ ...REQUEST, model })).toEqual([404, 'UNKNOWN_MODEL'])
    },
  )

  test('in all forms that mean the same arrives as one', async () => {
    const parts = [
      { type: 'text', text: 'What is ' },
      { type: 'text', text: 'a terrace?' },
    ]
    const body = {
      model: 'llama-3-8b',
      messages: [
        { role: 'developer', content: 'Be short.', name: 'x' },
        { role: 'user', content: parts },
      ],
      max_completion_tokens: 7,
      temperature: null,
      stop: null,
      n: 1,
      store: false,
    }
    await (await endpoint.post(body)).text()
    expect(endpoint.requests.at(-1)?.input).toEqual({
      messages: [
        { role: 'system', content: 'Be short.' },
        { role: 'user', content: 'What is a terrace?' },
      ],
      max_tokens: 7,
      stream: true,
    })
  })
})

describe('the plain address', () => {
  test('answers a prompt with JSON, by the first model', async () => {
    const reply = await endpoint.post({ prompt: 'What is a terrace?' }, { path: '/' })
    expect([reply.status, await reply.json()]).toEqual([
      200,
      {
        response: 'One two three.',
        model: 'llama-3-8b',
        usage: { prompt_tokens: 4, completion_tokens: 3, total_tokens: 7 },
        finish_reason: 'stop',
      },
    ])
    expect(endpoint.requests.at(-1)?.input.messages).toEqual(REQUEST.messages)
  })

  test('takes messages, another model, and streams when it is asked to', async () => {
    const body = { messages: REQUEST.messages, model: 'other', stream: true }
    const events = await streamed(await endpoint.post(body, { path: '/' }))
    expect(events).toEqual([
      { response: 'Other.' },
      expect.objectContaining({ response: '', model: 'other', finish_reason: 'stop' }),
      '[DONE]',
    ])
  })

  test('wants a prompt', async () => {
    for (const body of [{}, { prompt: '' }, { prompt: 7 }, { prompt: ['x'] }])
      expect(await refused(body, '/')).toEqual([400, 'INVALID_REQUEST'])
  })
})

describe('an address', () => {
  test.for([
    ['GET', '/nowhere', 404, 'UNKNOWN_PATH'],
    ['POST', '/v1/embeddings', 404, 'UNKNOWN_PATH'],
    ['POST', '/v1//chat/completions', 404, 'UNKNOWN_PATH'],
    ['GET', '/', 405, 'METHOD_NOT_ALLOWED'],
    ['GET', ENDPOINT_PATHS.completions, 405, 'METHOD_NOT_ALLOWED'],
    ['PUT', ENDPOINT_PATHS.completions, 405, 'METHOD_NOT_ALLOWED'],
    ['DELETE', ENDPOINT_PATHS.models, 405, 'METHOD_NOT_ALLOWED'],
  ] as const)('%s %s is %i', async ([method, path, status, code]) => {
    const reply = await fetch(endpoint.url + path, { method })
    expect(reply.headers.get('allow')).toBe(
      status === 404 ? null : path === ENDPOINT_PATHS.models ? 'GET, OPTIONS' : 'POST, OPTIONS',
    )
    expect(await refusal(reply)).toEqual([status, code])
  })

  test('/health says that the endpoint is set up, to anybody, without asking a model', async () => {
    const before = endpoint.requests.length
    const reply = await fetch(endpoint.url + ENDPOINT_PATHS.health)
    expect([reply.status, await reply.json()]).toEqual([200, { ok: true, models: ['llama-3-8b', 'other'] }])
    expect(endpoint.requests.length).toBe(before)
  })
})

test('a body that is held back is given up', async () => {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new TextEncoder().encode('{"model": '))
    },
  })
  const request = new Request('http://endpoint', { method: 'POST', body, duplex: 'half' } as RequestInit)
  await expect(readJson(request, 50)).rejects.toMatchObject({ code: 'BODY_STALLED' })
})

describe('an endpoint that is not set up', () => {
  test('says what is missing or wrong by its name, and nothing of the value', async () => {
    const [publicKey] = endpoint.keys.TOKEN_KEYS.keys
    await using bare = await startEndpoint({
      bindings: {
        AUDIENCE: 'no address',
        ALLOWED_ORIGINS: 'no-origin',
        // The wrong half of the pair: it would work, and it must not be there.
        TOKEN_KEYS: { keys: [endpoint.keys.LLAMMA_SIGNING_KEY] },
        RECEIPT_KEY: publicKey,
        MODELS: '{"a": []}',
        MAX_TOKENS: 'many',
        // It would let everything through.
        REQUESTS_PER_MINUTE: 299.5,
        REQUESTS_PER_MINUTE_EACH: 0,
      },
    })
    const reply = await fetch(bare.url + ENDPOINT_PATHS.health)
    const { error } = (await reply.json()) as { error: { code: string; message: string } }
    expect([reply.status, error.code]).toEqual([503, 'MISCONFIGURED'])
    for (const name of ['AUDIENCE', 'ALLOWED_ORIGINS', 'TOKEN_KEYS', 'RECEIPT_KEY', 'MODELS'])
      expect(error.message).toContain(name)
    for (const name of ['MAX_TOKENS', 'REQUESTS_PER_MINUTE', 'REQUESTS_PER_MINUTE_EACH'])
      expect(error.message).toContain(name)
    expect(error.message).not.toContain('FIRST_TOKEN_SECONDS')
    expect(error.message + bare.log()).not.toContain(String(endpoint.keys.LLAMMA_SIGNING_KEY.d))
    expect(await refusal(await bare.post(REQUEST))).toEqual([503, 'MISCONFIGURED'])
  })

  test('reads what the dashboard keeps as text', async () => {
    await using typed = await startEndpoint({
      keys: endpoint.keys,
      bindings: {
        TOKEN_KEYS: JSON.stringify(endpoint.keys.TOKEN_KEYS),
        RECEIPT_KEY: JSON.stringify(endpoint.keys.RECEIPT_KEY),
        MODELS: '{"llama-3-8b": ["scripted"]}',
        MAX_TOKENS: '50',
        ALLOWED_ORIGINS: '',
      },
    })
    const reply = await typed.post(REQUEST)
    expect(reply.status).toBe(200)
    expect(typed.requests.at(-1)?.input.max_tokens).toBe(50)
  })
})
