// The API's own way to the model endpoint, with the bundle that is deployed in the runtime that runs it: what one side
// signs the other has to accept. Everything else that the endpoint promises has its tests in worker/.
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../../local/postgres.ts'
import { makeKeys } from '../../worker/local/key-pairs.ts'
import { type Endpoint, startEndpoint } from '../../worker/test/endpoint.ts'
import { parseConfig } from '../src/config.ts'
import type { AppError } from '../src/errors.ts'
import { listen } from '../src/models/language.cases.ts'
import type { LanguageModel } from '../src/models/port.ts'
import { createModels, type Models } from '../src/models/registry.ts'

const NAMES = {
  plain: 'scripted?text=One two three.',
  long: 'scripted?tokens=90&rate=200',
  slow: 'scripted?rate=20&tokens=90',
  retired: 'scripted?error=410&code=5028',
  busy: 'scripted?error=429&code=3040',
  spent: 'scripted?error=429&code=3036',
  unpaid: 'scripted?error=403&code=5035',
  'too-long': 'scripted?error=413&code=3006',
  late: 'scripted?error=408&code=3007',
  failing: 'scripted?text=One two three.&fail=2&code=3040',
  dying: 'scripted?text=One two three.&die=2',
  garbled: 'scripted?text=One two three.&garbage=2',
}

let endpoint: Endpoint
let models: Models
const opened: Models[] = []

function modelsOf(signingKey: object, url = endpoint.url): Models {
  const made = createModels(
    parseConfig({
      DATABASE_URL: 'postgresql://unused',
      STORAGE: 'file:/tmp/unused',
      AUTH_SECRET: 'test-secret-test-secret-test-secret-test',
      LLAMMA_ENDPOINT: url,
      LLAMMA_SIGNING_KEY: JSON.stringify(signingKey),
      MODELS: JSON.stringify(
        [...Object.keys(NAMES), 'unknown'].map((name) => ({ id: name, name, type: 'worker', model: name })),
      ),
    }),
    pino({ level: 'silent' }),
  )
  opened.push(made)
  return made
}

async function model(name: string, from = models): Promise<LanguageModel> {
  const { language } = await from.get(name)
  if (language === null) throw new Error(`no model ${name}`)
  return language
}

const codeOf = async (name: string, from = models) =>
  ((await listen(await model(name, from))).error as AppError | null)?.code

beforeAll(async () => {
  const port = await freePort()
  endpoint = await startEndpoint({
    models: Object.fromEntries(Object.entries(NAMES).map(([name, provider]) => [name, [provider]])),
    bindings: { AUDIENCE: `http://127.0.0.1:${port}` },
    port,
  })
  models = modelsOf(endpoint.keys.LLAMMA_SIGNING_KEY)
})
afterAll(async () => {
  for (const made of opened) await made.close()
  await endpoint?.[Symbol.asyncDispose]()
})

describe('the model endpoint, asked by the API', () => {
  it('is looked at without a token or a model being asked', async () => {
    const before = endpoint.requests.length
    const { models: list } = await models.list()
    const found = (id: string) => list.find((model) => model.id === id)
    expect(found('plain')).toMatchObject({
      availability: { state: 'available' },
      requestsPerMinute: expect.any(Number),
    })
    expect(found('unknown')).toMatchObject({ availability: { state: 'not-listed' } })
    expect(endpoint.requests.length).toBe(before)
  })

  it('streams the text, then its usage; again and again', async () => {
    for (let i = 0; i < 3; i++)
      expect(await listen(await model('plain'))).toEqual({
        text: 'One two three.',
        error: null,
        usage: { inputTokens: expect.any(Number), outputTokens: 3 },
      })
    expect(endpoint.requests.at(-1)?.input).toMatchObject({
      messages: [{ role: 'system' }, { role: 'user', content: 'What is the answer?' }],
      max_tokens: 100,
    })
  })

  it('gives many answers at once, each with a token of its own', async () => {
    const heard = await Promise.all(Array.from({ length: 20 }, async () => listen(await model('long'))))
    expect(heard.map(({ error }) => error)).toEqual(Array(20).fill(null))
  })

  it('is left, and with it the model, when the answer is stopped', async () => {
    const stop = new AbortController()
    const language = await model('slow')
    let pieces = 0
    await expect(async () => {
      for await (const _ of language.stream([{ role: 'user', content: 'Go on.' }], {
        ...{ maxOutputTokens: 90, signal: stop.signal, personId: 'p' },
      }))
        if (++pieces === 3) stop.abort()
    }).rejects.toThrow()
    await expect.poll(() => endpoint.requests.at(-1)?.abortedAt).not.toBeNull()
    expect(endpoint.requests.at(-1)?.sent).toBeLessThan(60)
  })

  it.each([
    ['retired', 'MODEL_RETIRED'],
    ['unknown', 'MODEL_RETIRED'],
    ['busy', 'MODEL_BUSY'],
    ['spent', 'MODEL_ALLOWANCE_USED'],
    ['unpaid', 'MODEL_UNAVAILABLE'],
    ['too-long', 'MODEL_REFUSED_REQUEST'],
    ['late', 'MODEL_STALLED'],
    ['failing', 'MODEL_BUSY'],
    ['dying', 'MODEL_STALLED'],
    ['garbled', 'MODEL_BROKEN'],
  ])('a model that is %s: %s', async (name, code) => {
    expect(await codeOf(name)).toBe(code)
  })

  it('has a limit for each person, which is no failure of its model: for others it is there', async () => {
    const port = await freePort()
    await using strict = await startEndpoint({
      models: { plain: [NAMES.plain] },
      bindings: { AUDIENCE: `http://127.0.0.1:${port}`, REQUESTS_PER_MINUTE_EACH: 1 },
      port,
    })
    const from = modelsOf(strict.keys.LLAMMA_SIGNING_KEY, strict.url)
    const language = await model('plain', from)
    const ask = async (personId: string) => {
      const options = { maxOutputTokens: 90, signal: AbortSignal.timeout(60_000), personId }
      try {
        for await (const _ of language.stream([{ role: 'user', content: 'Go on.' }], options));
        return 'answered'
      } catch (error) {
        return error as AppError
      }
    }
    expect(await ask('p')).toBe('answered')
    const refused = await ask('p')
    expect(refused).toMatchObject({ code: 'TOO_MANY_REQUESTS', detail: { seconds: expect.any(Number) } })
    const listed = async () => (await from.list()).models.find(({ id }) => id === 'plain')?.availability.state
    expect(await listed()).toBe('available')
    expect(await ask('q')).toBe('answered')
  })

  it('refuses what another key has signed, and what was signed for another address', async () => {
    expect(await codeOf('plain', modelsOf((await makeKeys()).LLAMMA_SIGNING_KEY))).toBe('MODEL_REFUSED_KEY')
    const elsewhere = endpoint.url.replace('127.0.0.1', 'localhost')
    expect(await codeOf('plain', modelsOf(endpoint.keys.LLAMMA_SIGNING_KEY, elsewhere))).toBe(
      'MODEL_REFUSED_KEY',
    )
  })
})
