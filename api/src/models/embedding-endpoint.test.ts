import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  type ScriptedEmbeddings,
  scriptedVector,
  startScriptedEmbeddings,
} from '../../test/scripted-embeddings.ts'
import { embedderCases } from './embedder.cases.ts'
import { createEmbeddingEndpoint, type EmbeddingEndpointOptions } from './embedding-endpoint.ts'
import { createOutbound, type Outbound } from './outbound.ts'
import type { Embedder } from './port.ts'

let scripted: ScriptedEmbeddings
let outbound: Outbound
beforeAll(async () => {
  scripted = await startScriptedEmbeddings()
  outbound = createOutbound([new URL(scripted.url).origin])
})
afterAll(async () => {
  await outbound.close()
  await scripted.close()
})
beforeEach(() => scripted.script({}))

/** Everything that was logged. */
const logged: string[] = []
const log = pino({ level: 'trace' }, { write: (line: string) => logged.push(line) })

const create = (options: Partial<EmbeddingEndpointOptions> = {}, prefixes: object = {}): Embedder =>
  createEmbeddingEndpoint(outbound, {
    ...{ id: 'far', url: scripted.url, apiKey: undefined, batch: 8, parallel: 2, log },
    ...{ timeoutSeconds: 30, queryTimeoutSeconds: 30 },
    identity: {
      ...{ model: 'scripted', source: 'endpoint', revision: '', dimensions: 64 },
      ...{ queryPrefix: '', passagePrefix: '', ...prefixes },
    },
    ...options,
  })

const unit = (text: string) => {
  const vector = scriptedVector(text)
  const length = Math.hypot(...vector)
  return Float32Array.from(vector, (value) => value / length)
}

describe('an embedder behind an OpenAI-compatible address', () => {
  embedderCases(async () => create())

  it('sends its key, and the prefixes that the model wants', async () => {
    const embedder = create({ apiKey: 'sk-secret' }, { queryPrefix: 'query: ', passagePrefix: 'passage: ' })
    expect(await embedder.embed('gate', 'query')).toEqual(unit('query: gate'))
    expect(await embedder.embed('gate', 'background')).toEqual(unit('passage: gate'))
    expect(scripted.requests.slice(-2).map(({ input, authorization }) => [input, authorization])).toEqual([
      [['query: gate'], 'Bearer sk-secret'],
      [['passage: gate'], 'Bearer sk-secret'],
    ])
    await embedder.close()
  })

  it('sends passages in batches, so many requests at a time; a query goes alone and at once', async () => {
    const embedder = create()
    scripted.script({ delay: 50 })
    const from = scripted.requests.length
    let most = 0
    const watching = setInterval(() => {
      most = Math.max(most, scripted.open)
    }, 5)
    const done: string[] = []
    const passages = Array.from({ length: 40 }, (_, i) =>
      embedder.embed(`passage ${i}`, 'passage').then(() => done.push('passage')),
    )
    await sleep(20)
    await embedder.embed('urgent?', 'query').then(() => done.push('query'))
    await Promise.all(passages)
    clearInterval(watching)
    const sizes = scripted.requests.slice(from).map(({ input }) => input.length)
    expect(sizes.sort()).toEqual([1, 8, 8, 8, 8, 8])
    expect(most).toBeLessThanOrEqual(3)
    expect(done.indexOf('query')).toBeLessThan(32)
    await embedder.close()
  })

  it('the background leaves room for the others, and comes after them', async () => {
    const embedder = create({ parallel: 2 })
    scripted.script({ delay: 30 })
    const done: string[] = []
    const background = Array.from({ length: 32 }, (_, i) =>
      embedder.embed(`background ${i}`, 'background').then(() => done.push('background')),
    )
    await sleep(15)
    // One of the two requests is free, whatever waits.
    const passages = Array.from({ length: 16 }, (_, i) =>
      embedder.embed(`passage ${i}`, 'passage').then(() => done.push('passage')),
    )
    await Promise.all([...background, ...passages])
    expect(done.lastIndexOf('passage')).toBeLessThan(done.length - 8)
    await embedder.close()
  })

  it('puts vectors that come in another order, or without their place, to the right texts', async () => {
    const embedder = create()
    for (const knobs of [{ shuffled: true }, { bare: true }]) {
      scripted.script(knobs)
      const texts = ['alpha', 'beta', 'gamma']
      const vectors = await Promise.all(texts.map((text) => embedder.embed(text, 'passage')))
      expect(vectors).toEqual(texts.map(unit))
    }
    await embedder.close()
  })

  it.each([
    [{ broken: 'html' }, 'EMBEDDER_BROKEN'],
    [{ broken: 'no-data' }, 'EMBEDDER_BROKEN'],
    [{ broken: 'short' }, 'EMBEDDER_BROKEN'],
    [{ broken: 'outside' }, 'EMBEDDER_BROKEN'],
    [{ broken: 'nan' }, 'EMBEDDER_BROKEN'],
    [{ broken: 'text' }, 'EMBEDDER_BROKEN'],
    [{ broken: 'zero' }, 'EMBEDDER_BROKEN'],
    [{ broken: 'longer' }, 'EMBEDDER_BROKEN'],
    [{ broken: 'endless' }, 'EMBEDDER_BROKEN'],
    [{ dimensions: 32 }, 'EMBEDDER_BROKEN'],
    // Of passages that is known to be nobody's fault but the endpoint's.
    [{ error: 400 }, 'EMBEDDER_UNAVAILABLE', 'EMBEDDER_REFUSED_TEXT'],
    [{ error: 401 }, 'EMBEDDER_REFUSED_KEY'],
    [{ error: 403 }, 'EMBEDDER_REFUSED_KEY'],
    [{ error: 404 }, 'EMBEDDER_GONE'],
    [{ error: 410 }, 'EMBEDDER_GONE'],
    [{ error: 413 }, 'EMBEDDER_UNAVAILABLE', 'EMBEDDER_REFUSED_TEXT'],
    [{ error: 422 }, 'EMBEDDER_UNAVAILABLE', 'EMBEDDER_REFUSED_TEXT'],
    [{ error: 429 }, 'EMBEDDER_BUSY'],
    [{ error: 500 }, 'EMBEDDER_UNAVAILABLE'],
    [{ error: 503 }, 'EMBEDDER_BUSY'],
    [{ die: true }, 'EMBEDDER_UNAVAILABLE'],
    [{ hang: true }, 'EMBEDDER_STALLED'],
  ] as const)('%j ends in %s for passages, the same or %s for a query', async (knobs, code, other?) => {
    const seconds = 'hang' in knobs ? 0.2 : 30
    const options = { timeoutSeconds: seconds, queryTimeoutSeconds: seconds, apiKey: 'sk-secret' }
    const [ofPassages, ofQuery] = [create(options), create(options)]
    scripted.script(knobs)
    const texts = ['secret one', 'secret two', 'secret three']
    for (const result of await Promise.allSettled(texts.map((text) => ofPassages.embed(text, 'passage'))))
      expect(result).toMatchObject({ status: 'rejected', reason: { code } })
    await expect(ofQuery.embed('secret question', 'query')).rejects.toMatchObject({ code: other ?? code })
    const written = logged.splice(0).join('')
    expect(written).toContain(other ?? code)
    expect(written).not.toContain('secret')
    await Promise.all([ofPassages.close(), ofQuery.close()])
  })

  it.each([
    ['7', 7],
    ['a date', 60],
    ['0', 1],
    ['nonsense', 5],
    ['999999', 300],
  ])(
    'asked to come back later (%s), it asks nothing meanwhile and says when',
    async (retryAfter, seconds) => {
      const embedder = create()
      const inAMinute = new Date(Date.now() + 60_000).toUTCString()
      scripted.script({ error: 429, retryAfter: retryAfter === 'a date' ? inAMinute : retryAfter })
      const refused = await embedder.embed('a', 'passage').catch((error: unknown) => error)
      expect(refused).toMatchObject({ code: 'EMBEDDER_BUSY' })
      const said = (refused as { detail: { seconds: number } }).detail.seconds
      expect(Math.abs(said - seconds)).toBeLessThanOrEqual(2)
      const asked = scripted.requests.length
      scripted.script({})
      if (seconds > 1)
        await expect(embedder.embed('b', 'background')).rejects.toMatchObject({ code: 'EMBEDDER_BUSY' })
      expect(scripted.requests.length).toBe(asked)
      await embedder.close()
    },
  )

  it('closes the connection of what nobody wants any more', async () => {
    const embedder = create()
    scripted.script({ hang: true })
    const stop = new AbortController()
    const before = scripted.requests.length
    const passages = ['a', 'b'].map((text) => embedder.embed(text, 'passage', stop.signal))
    const query = embedder.embed('c', 'query', stop.signal)
    await expect.poll(() => scripted.requests.length).toBe(before + 2)
    stop.abort(new Error('enough'))
    for (const result of await Promise.allSettled([...passages, query]))
      expect(result).toMatchObject({ reason: { message: 'enough' } })
    await expect.poll(() => scripted.requests.slice(before).every(({ aborted }) => aborted)).toBe(true)
    await embedder.close()
  })

  it('goes nowhere that the operator did not name', async () => {
    const nowhere = createOutbound([])
    const embedder = createEmbeddingEndpoint(nowhere, {
      ...{ id: 'x', url: scripted.url, apiKey: undefined, batch: 1, parallel: 1, log },
      ...{ timeoutSeconds: 5, queryTimeoutSeconds: 5 },
      identity: {
        ...{
          model: 'm',
          source: 'endpoint',
          revision: '',
          dimensions: 64,
          queryPrefix: '',
          passagePrefix: '',
        },
      },
    })
    const before = scripted.requests.length
    await expect(embedder.embed('a', 'query')).rejects.toMatchObject({ code: 'EMBEDDER_UNAVAILABLE' })
    expect(scripted.requests.length).toBe(before)
    await embedder.close()
    await nowhere.close()
  })
})
