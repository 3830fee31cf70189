import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { RERANK_FAULTS, type ScriptedReranker, startScriptedReranker } from '../../test/scripted-reranker.ts'
import type { Reranker } from '../models/port.ts'
import { createReranking, type Reranking, rerankingBy } from './rerank.ts'
import type { PassageHit } from './search.ts'

let scripted: ScriptedReranker
beforeAll(async () => {
  scripted = await startScriptedReranker()
  process.env.TEST_RERANKER_KEY = 'secret-key'
})
afterAll(async () => {
  delete process.env.TEST_RERANKER_KEY
  await scripted[Symbol.asyncDispose]()
})
beforeEach(() => scripted.script({}))

const logged: string[] = []
const log = pino({ level: 'trace' }, { write: (line: string) => logged.push(line) })

function hit(text: string, place: number): PassageHit {
  return {
    ...{
      passageId: place + 1,
      documentId: `d${place}`,
      documentName: 'Handbook',
      versionId: 'v',
      readingId: 1,
    },
    ...{ collectionId: 'c', page: 1, charStart: 0, charEnd: 1, heading: 'Gates', text },
    ...{ score: 1 - place / 100, cosine: null, words: 0.5, withoutVector: false },
  }
}

const HITS = ['Tea is green.', 'A gate is red.', 'How a gate does close.', 'Water.'].map(hit)
const QUESTION = 'How does the gate close?'
const texts = (hits: readonly PassageHit[]) => hits.map(({ text }) => text)
const going = () => new AbortController().signal

const configured = (more: object = {}): Reranking => {
  const setting = {
    type: 'workers-ai',
    account: '0'.repeat(32),
    key: 'env:TEST_RERANKER_KEY',
    url: scripted.url,
  }
  const reranking = createReranking(
    { reranker: JSON.stringify({ ...setting, timeoutSeconds: 10, ...more }) },
    log,
  )
  if (reranking === null) throw new Error('it is configured')
  return reranking
}

describe('with a reranker', () => {
  it('the best come in its order, those of equal scores as they were found', async () => {
    const reranking = configured()
    const ordered = await reranking.order(QUESTION, HITS, going())
    expect(texts(ordered)).toEqual(['How a gate does close.', 'A gate is red.', 'Tea is green.', 'Water.'])
    expect(ordered[0]).toEqual(HITS[2])
    expect(scripted.requests.at(-1)?.texts[0]).toBe('Handbook > Gates\nTea is green.')
    expect(reranking.status()).toBe('ok')
    await reranking.close()
  })

  it('only as many as it is to see are moved', async () => {
    const reranking = configured({ candidates: 20 })
    const many = [
      ...Array.from({ length: 20 }, (_, i) => hit(`Nothing ${i}.`, i)),
      hit('The gate does close.', 20),
    ]
    expect(await reranking.order(QUESTION, many, going())).toEqual(many)
    expect(scripted.requests.at(-1)?.texts).toHaveLength(20)
    await reranking.close()
  })

  it('is not asked about one passage', async () => {
    const reranking = configured()
    const before = scripted.requests.length
    expect(await reranking.order(QUESTION, HITS.slice(0, 1), going())).toEqual(HITS.slice(0, 1))
    expect(scripted.requests.length).toBe(before)
    await reranking.close()
  })
})

describe('a reranker that', () => {
  const faults = [
    ...RERANK_FAULTS.filter((fault) => fault !== 'stall').map((broken) => ({ broken })),
    ...[401, 404, 429, 500].map((error) => ({ error })),
    { redirect: 'http://169.254.169.254/latest/meta-data' },
  ]
  it.each(faults)('fails (%j) leaves the order, is reported, and gets a rest', async (knobs) => {
    const reranking = configured()
    scripted.script(knobs)
    logged.length = 0
    expect(await reranking.order(QUESTION, HITS, going())).toEqual(HITS)
    expect(reranking.status()).toBe('failing')
    expect(logged.join()).toContain('passages stay in the order of the search')
    expect(logged.join()).not.toMatch(/secret-key|the gate|A gate/)
    scripted.script({})
    const before = scripted.requests.length
    expect(await reranking.order(QUESTION, HITS, going())).toEqual(HITS)
    expect(scripted.requests.length).toBe(before)
    await reranking.close()
  })

  it.each([{ hang: true }, { broken: 'stall' as const }, { delay: 60_000 }])(
    'is slow (%j) does too',
    async (knobs) => {
      const reranking = configured({ timeoutSeconds: 0.2 })
      scripted.script(knobs)
      logged.length = 0
      expect(await reranking.order(QUESTION, HITS, going())).toEqual(HITS)
      expect(reranking.status()).toBe('failing')
      expect(logged.join()).toContain('"reason":"late"')
      await expect.poll(() => scripted.requests.at(-1)?.aborted).toBe(true)
      await reranking.close()
    },
  )

  it('breaks the promise of its port orders nothing', async () => {
    for (const scores of [
      [1, 2, 3],
      [1, Number.NaN, 3, 4],
      [1, 2, 3, Number.POSITIVE_INFINITY],
    ]) {
      const reranker: Reranker = { model: 'm', rerank: async () => scores }
      const reranking = rerankingBy(reranker, { candidates: 30, timeoutMs: 10_000, log })
      expect(await reranking.order(QUESTION, HITS, going())).toEqual(HITS)
      expect(reranking.status()).toBe('failing')
    }
  })
})

it('a stop is passed on, and is no failure', async () => {
  const reranking = configured()
  scripted.script({ hang: true })
  const before = scripted.requests.length
  const stop = new AbortController()
  const ordering = reranking.order(QUESTION, HITS, stop.signal).catch((error: unknown) => error)
  await expect.poll(() => scripted.requests.length).toBe(before + 1)
  stop.abort(new Error('stopped'))
  expect(await ordering).toMatchObject({ message: 'stopped' })
  await expect.poll(() => scripted.requests.at(-1)?.aborted).toBe(true)
  expect(reranking.status()).toBe('ok')
  await reranking.close()
})

it('there is none without RERANKER, and none without its key', () => {
  expect(createReranking({ reranker: undefined }, log)).toBeNull()
  const reranker = JSON.stringify({ type: 'workers-ai', account: '0'.repeat(32), key: 'env:TEST_NOT_SET' })
  expect(() => createReranking({ reranker }, log)).toThrow(
    /RERANKER is not valid:\n {2}key: TEST_NOT_SET is not set/,
  )
})
