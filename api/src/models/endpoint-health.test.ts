// Texts that an endpoint can make nothing of, and endpoints that can make nothing of any text.
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  type ScriptedEmbeddings,
  scriptedVector,
  startScriptedEmbeddings,
} from '../../test/scripted-embeddings.ts'
import { createEmbeddingEndpoint, type EmbeddingEndpointOptions } from './embedding-endpoint.ts'
import { PROBE } from './endpoint-health.ts'
import { createOutbound, type Outbound } from './outbound.ts'
import type { Embedder } from './port.ts'

let scripted: ScriptedEmbeddings
let outbound: Outbound
let embedder: Embedder
/** Requests before this test. */
let before: number
beforeAll(async () => {
  scripted = await startScriptedEmbeddings()
  outbound = createOutbound([new URL(scripted.url).origin])
})
afterAll(async () => {
  await outbound.close()
  await scripted.close()
})
beforeEach(() => {
  scripted.script({})
  before = scripted.requests.length
  embedder = create()
})
afterEach(() => embedder.close())

function create(options: Partial<EmbeddingEndpointOptions> = {}): Embedder {
  return createEmbeddingEndpoint(outbound, {
    ...{ id: 'far', url: scripted.url, apiKey: undefined, batch: 8, parallel: 2 },
    ...{ timeoutSeconds: 30, queryTimeoutSeconds: 30, log: pino({ enabled: false }) },
    identity: {
      ...{ model: 'scripted', source: 'endpoint', revision: '', dimensions: 64 },
      ...{ queryPrefix: 'query: ', passagePrefix: 'passage: ' },
    },
    ...options,
  })
}

const unit = (text: string) => {
  const vector = scriptedVector(text)
  const length = Math.hypot(...vector)
  return Float32Array.from(vector, (value) => value / length)
}
/** One batch. */
const passages = (texts: readonly string[]) =>
  Promise.allSettled(texts.map((text) => embedder.embed(text, 'passage')))
const codes = (results: readonly PromiseSettledResult<unknown>[]) =>
  results.map((result) => (result.status === 'rejected' ? result.reason.code : 'a vector'))
const asked = () => scripted.requests.slice(before)
const probes = () => asked().filter(({ input }) => input.join() === `passage: ${PROBE}`)

const fine = Array.from({ length: 8 }, (_, i) => `text ${i}`)
const oneBad = fine.with(5, 'unwelcome')

describe('a text that the endpoint can make nothing of', () => {
  it.each([
    ['refuses it', { refuse: 'unwelcome' }, 400],
    ['has an error of its own', { refuse: 'unwelcome', refuseStatus: 500 }, 500],
    ['sends no numbers', { spoil: 'unwelcome' }, 200],
  ] as const)('fails alone and for good, when it %s', async (_, knobs, status) => {
    scripted.script(knobs)
    const results = await passages(oneBad)
    expect(codes(results)).toEqual(fine.map(() => 'a vector').with(5, 'EMBEDDER_REFUSED_TEXT'))
    expect(results[5]).toMatchObject({ reason: { detail: { status } } })
    expect(await embedder.embed('text 0', 'background')).toEqual(unit('passage: text 0'))
    // And when it comes without others.
    expect(codes(await passages(['unwelcome']))).toEqual(['EMBEDDER_REFUSED_TEXT'])
  })

  it('is tried again alone: a moment’s failure costs no text its vector', async () => {
    scripted.script({ error: 500, delay: 50 })
    const result = passages(['one text'])
    await expect.poll(() => asked().length, { interval: 2 }).toBe(1)
    scripted.script({})
    expect(codes(await result)).toEqual(['a vector'])
  })

  it('is not told from others when the endpoint fails meanwhile', async () => {
    scripted.script({ refuse: 'unwelcome', refuseStatus: 500, delay: 50 })
    const results = passages(['unwelcome', 'welcome'])
    // The batch, the probe, and the first half of the batch.
    await expect.poll(() => asked().length, { interval: 2 }).toBe(3)
    scripted.script({ error: 500 })
    expect(codes(await results)).toEqual(['EMBEDDER_UNAVAILABLE', 'EMBEDDER_UNAVAILABLE'])
  })

  it('is waited for when the endpoint asks for patience while it is looked for', async () => {
    scripted.script({ refuse: 'unwelcome', delay: 50 })
    const results = passages(['unwelcome', 'welcome'])
    await expect.poll(() => asked().length, { interval: 2 }).toBe(3)
    scripted.script({ error: 429, retryAfter: '7' })
    expect(codes(await results)).toEqual(['EMBEDDER_BUSY', 'EMBEDDER_BUSY'])
  })
})

it('a text that takes too long is not waited for by the same others again', async () => {
  embedder = create({ timeoutSeconds: 0.3 })
  scripted.script({ stall: 'unwelcome' })
  expect(codes(await passages(oneBad))).toEqual(fine.map(() => 'EMBEDDER_STALLED'))
  expect(codes(await passages(oneBad))).toEqual(fine.map(() => 'a vector').with(5, 'EMBEDDER_STALLED'))
  // What has its vector goes with others as before.
  scripted.script({})
  await passages(oneBad)
  before = scripted.requests.length
  expect(codes(await passages(oneBad))).toEqual(fine.map(() => 'a vector'))
  expect(asked().length).toBe(1)
})

it('an endpoint that gets batches wrong gets its texts in smaller ones', async () => {
  scripted.script({ broken: 'twice' })
  const results = await passages(fine)
  expect(results).toEqual(fine.map((text) => ({ status: 'fulfilled', value: unit(`passage: ${text}`) })))
})

describe('an endpoint that can make nothing of any text', () => {
  it.each([
    [{ error: 400 }, 'EMBEDDER_UNAVAILABLE'],
    [{ error: 500 }, 'EMBEDDER_UNAVAILABLE'],
    [{ broken: 'nan' }, 'EMBEDDER_BROKEN'],
  ] as const)('(%j) is at fault itself, and is not asked about each', async (knobs, code) => {
    scripted.script(knobs)
    for (let round = 0; round < 3; round++) expect(codes(await passages(fine))).toEqual(fine.map(() => code))
    expect([asked().length, probes().length]).toEqual([4, 1])
  })

  it.each([{ error: 503 }, { error: 401 }, { die: true }])(
    'and says so itself (%j) is not asked again',
    async (knobs) => {
      scripted.script(knobs)
      await passages(fine)
      expect(asked().length).toBe(1)
    },
  )
})

describe('a question', () => {
  const ask = (text: string) =>
    embedder.embed(text, 'query').then(
      (vector) => vector,
      (error) => error.code,
    )

  it.each([
    ['is too much for the endpoint', { stall: 'unwelcome' }, 'EMBEDDER_STALLED'],
    ['has no numbers', { spoil: 'unwelcome' }, 'EMBEDDER_BROKEN'],
    ['ends in an error', { refuse: 'unwelcome', refuseStatus: 500 }, 'EMBEDDER_UNAVAILABLE'],
  ] as const)('that %s keeps no other from its vector', async (_, knobs, code) => {
    embedder = create({ queryTimeoutSeconds: 0.3 })
    scripted.script(knobs)
    const probed = () => asked().filter(({ input }) => input[0] === `query: ${PROBE}`).length
    for (const round of [1, 2]) {
      expect(await ask('unwelcome')).toBe(code)
      await expect.poll(probed).toBe(round)
      expect(await ask('welcome')).toEqual(unit('query: welcome'))
      await expect.poll(() => scripted.open).toBe(0)
      expect(await ask('welcome')).toEqual(unit('query: welcome'))
    }
  })

  it.each([{ hang: true }, { error: 500 }, { die: true }])(
    'does not wait for an endpoint that is away (%j), and is embedded when it is back',
    async (knobs) => {
      embedder = create({ queryTimeoutSeconds: 0.2 })
      scripted.script(knobs)
      const goesNowhere = async () => {
        const from = scripted.requests.length
        const result = await ask('a')
        return result === 'EMBEDDER_UNAVAILABLE' && scripted.requests.length === from
      }
      await expect.poll(goesNowhere, { interval: 20 }).toBe(true)
      scripted.script({})
      await expect.poll(() => ask('b')).toEqual(unit('query: b'))
    },
  )
})
