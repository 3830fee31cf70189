// The official client, as it comes from npm, against the bundle in the real runtime.
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Endpoint, REQUEST, startEndpoint } from '../test/endpoint.ts'

let endpoint: Endpoint
let client: OpenAI
beforeAll(async () => {
  endpoint = await startEndpoint({
    models: {
      'llama-3-8b': ['scripted?text=One two three.'],
      openai: ['scripted?dialect=openai&text=One two three.'],
      uncounted: ['scripted?usage=0&text=One two three.'],
      silent: ['scripted?tokens=0'],
      endless: ['scripted?tokens=100000'],
      slow: ['scripted?rate=20&tokens=2000'],
      retired: ['scripted?error=410&code=5028'],
      failing: ['scripted?text=One two three.&fail=2&code=3040'],
    },
  })
  const { token } = await endpoint.script()
  client = new OpenAI({ baseURL: `${endpoint.url}/v1`, apiKey: token, maxRetries: 0 })
})
afterAll(() => endpoint?.[Symbol.asyncDispose]())

const messages = [...REQUEST.messages]

async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const chunks: T[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return chunks
}

describe('the official OpenAI client', () => {
  test.for(['llama-3-8b', 'openai'])('streams from %s', async (model) => {
    const stream = await client.chat.completions.create({
      model,
      messages,
      stream: true,
      stream_options: { include_usage: true },
    })
    const chunks = await all(stream)
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe('One two three.')
    expect(chunks[0]).toMatchObject({
      object: 'chat.completion.chunk',
      model,
      choices: [{ index: 0, delta: { role: 'assistant' }, finish_reason: null }],
    })
    expect(chunks.at(-2)?.choices).toEqual([{ index: 0, delta: {}, finish_reason: 'stop' }])
    expect(chunks.at(-1)).toMatchObject({
      choices: [],
      usage: { prompt_tokens: 4, completion_tokens: 3, total_tokens: 7 },
    })
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1)
  })

  test('gets no usage in its stream unless it asks for it', async () => {
    const stream = await client.chat.completions.create({ model: 'llama-3-8b', messages, stream: true })
    const chunks = await all(stream)
    expect(chunks.every(({ usage, choices }) => usage === undefined && choices.length === 1)).toBe(true)
  })

  test('is answered at once, and told the model that has answered', async () => {
    const { data, response } = await client.chat.completions
      .create({ model: 'llama-3-8b', messages, temperature: 0.2, top_p: 0.9, seed: 7, user: 'somebody' })
      .withResponse()
    expect(data).toMatchObject({
      object: 'chat.completion',
      model: 'llama-3-8b',
      choices: [
        { index: 0, message: { role: 'assistant', content: 'One two three.' }, finish_reason: 'stop' },
      ],
      usage: { prompt_tokens: 4, completion_tokens: 3, total_tokens: 7 },
    })
    expect(response.headers.get('terrace-provider-model')).toBe('scripted?text=One two three.')
    expect(endpoint.requests.at(-1)?.input).toEqual({
      messages,
      max_tokens: 4096,
      stream: true,
      temperature: 0.2,
      top_p: 0.9,
      seed: 7,
    })
  })

  test('is told that a usage is a guess when the provider has counted nothing', async () => {
    const { usage } = await client.chat.completions.create({ model: 'uncounted', messages })
    expect(usage).toEqual({ prompt_tokens: 5, completion_tokens: 4, total_tokens: 9, estimated: true })
  })

  test('gets an answer without words from a model that says none', async () => {
    const { choices } = await client.chat.completions.create({ model: 'silent', messages })
    expect(choices[0]).toMatchObject({ message: { content: '' }, finish_reason: 'stop' })
  })

  test('gets no more tokens than it asks for, than its token allows, than the endpoint gives', async () => {
    const ask = (apiKey: string, max_tokens?: number) =>
      client.withOptions({ apiKey }).chat.completions.create({
        model: 'endless',
        messages,
        ...(max_tokens === undefined ? {} : { max_tokens }),
      })
    const free = (await endpoint.script()).token
    const bound = (await endpoint.script({ maxTokens: 50 })).token
    for (const [key, asked, given] of [
      [free, undefined, 4096],
      [free, 20, 20],
      [free, 10_000, 4096],
      [bound, undefined, 50],
      [bound, 20, 20],
      [bound, 60, 50],
    ] as const) {
      const { usage, choices } = await ask(key, asked)
      expect(endpoint.requests.at(-1)?.input.max_tokens).toBe(given)
      expect(usage?.completion_tokens).toBe(given)
      expect(choices[0]?.finish_reason).toBe('length')
    }
  })

  test('lists the models', async () => {
    const { data } = await client.models.list()
    expect(data.map(({ id, object }) => [id, object])).toContainEqual(['llama-3-8b', 'model'])
  })

  test('throws its own classes for the errors', async () => {
    const ask = (model: string, apiKey?: string) =>
      client.withOptions(apiKey === undefined ? {} : { apiKey }).chat.completions.create({ model, messages })
    await expect(ask('gpt-17')).rejects.toThrow(OpenAI.NotFoundError)
    await expect(ask('gpt-17')).rejects.toMatchObject({ status: 404, code: 'UNKNOWN_MODEL', param: 'model' })
    await expect(ask('llama-3-8b', 'nonsense')).rejects.toThrow(OpenAI.AuthenticationError)
    await expect(ask('retired')).rejects.toMatchObject({ status: 410, code: 'MODEL_RETIRED' })
    await expect(
      client.chat.completions.create({ model: 'llama-3-8b', messages, temperature: 7 }),
    ).rejects.toThrow(OpenAI.BadRequestError)
  })

  test('throws when a stream goes wrong, after what was said before', async () => {
    const stream = await client.chat.completions.create({ model: 'failing', messages, stream: true })
    let text = ''
    const read = async () => {
      for await (const { choices } of stream) text += choices[0]?.delta.content ?? ''
    }
    await expect(read()).rejects.toMatchObject({ code: 'MODEL_BUSY' })
    expect(text).toBe('One two ')
  })

  test('tries again by itself only where that can help', async () => {
    const patient = client.withOptions({ maxRetries: 2 })
    const before = endpoint.requests.length
    await expect(patient.chat.completions.create({ model: 'retired', messages })).rejects.toThrow()
    expect(endpoint.requests.length).toBe(before + 1)
  })

  test('by abort() ends the model’s work', async () => {
    const stream = await client.chat.completions.create({ model: 'slow', messages, stream: true })
    for await (const _ of stream) break
    stream.controller.abort()
    await expect.poll(() => endpoint.requests.at(-1)?.abortedAt).toBeTypeOf('number')
  })
})
