import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import type { EngineName } from '../../engine-names.ts'
import { holdIndex, type Index } from '../port.ts'
import { type RunningEngine, SwitchingIndex } from './switching-index.ts'

const log = pino({ enabled: false })
const query = { text: 'pear', vector: null, filter: { kind: 'collections', keys: [1] }, limit: 10 } as const
const both = new Set<EngineName>(['embedded', 'opensearch'])

/** Answers with its own number, and is as far in the log as it is told. */
class Scripted implements RunningEngine {
  seq: number
  closed = false
  waits: number[] = []
  readonly #mark: number

  constructor(mark: number, seq = 1) {
    this.#mark = mark
    this.seq = seq
  }

  readonly index: Index = {
    search: async () => {
      if (this.closed) throw new Error('asked after it was closed')
      const candidate = { passageId: this.#mark, score: 1, cosine: null, words: 1, withoutVector: true }
      return { candidates: [candidate], position: { epoch: 'e', seq: this.seq } }
    },
    waitFor: async ({ seq }, timeoutMs) => {
      this.waits.push(seq)
      for (const until = Date.now() + timeoutMs; this.seq < seq; await sleep(5))
        if (Date.now() > until) throw new Error('too late')
    },
    status: () => ({
      ...{ ready: true, position: { epoch: 'e', seq: this.seq }, behindMs: 0, stalledMs: 0 },
      ...{ passages: 1, vectors: 0, generation: null, engine: `scripted ${this.#mark}` },
    }),
    close: async () => {},
  }
  readonly bare = this.index
  count = async () => ({ documents: 1, passages: 1, vectors: 0 })
  filling = () => null
  close = async () => {
    this.closed = true
  }
}

function pair() {
  const engines = { embedded: new Scripted(1), opensearch: new Scripted(2) }
  const index = new SwitchingIndex('embedded', { open: async (name) => engines[name], log })
  return { ...engines, index }
}

const found = async (index: Index) => (await index.search(query)).candidates.map(({ passageId }) => passageId)

test('a search keeps the engine that it began with, and that is closed when the search is over', async () => {
  const { index, embedded } = pair()
  await index.apply('embedded', both)
  const held = holdIndex(index)
  await index.apply('opensearch', new Set(['opensearch']))
  expect(await found(index)).toEqual([2])
  expect(await found(held.index)).toEqual([1])
  expect(embedded.closed).toBe(false)
  held[Symbol.dispose]()
  held[Symbol.dispose]()
  await index.settled()
  expect(embedded.closed).toBe(true)
  await index.close()
})

test('the new engine answers once it has what the old one has shown', async () => {
  const { index, embedded, opensearch } = pair()
  await index.apply('embedded', both)
  embedded.seq = 7
  const applied = index.apply('opensearch', both)
  await expect.poll(() => opensearch.waits).toEqual([7])
  expect(await found(index)).toEqual([1])
  opensearch.seq = 7
  await applied
  expect(await found(index)).toEqual([2])
  // What a search that still goes on shows is seen, for those who ask next.
  await index.apply('embedded', both)
  using _held = holdIndex(index)
  await index.apply('opensearch', both)
  embedded.seq = 9
  expect(index.status().position?.seq).toBe(9)
  await index.close()
})

test('an engine that this server can not have is said to be, and nothing else answers in its place', async () => {
  const embedded = new Scripted(1)
  const index = new SwitchingIndex('embedded', {
    open: async (name) => {
      if (name === 'opensearch') throw new Error('no OPENSEARCH_URL')
      return embedded
    },
    log,
  })
  await index.apply('opensearch', both)
  expect(index.status()).toMatchObject({ ready: false, engine: 'opensearch', trouble: 'no OPENSEARCH_URL' })
  await expect(found(index)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  await index.apply('embedded', both)
  expect(await found(index)).toEqual([1])
  await index.close()
})

test('what is asked while the first engine starts waits for it', async () => {
  const opened = Promise.withResolvers<RunningEngine>()
  const index = new SwitchingIndex('embedded', { open: () => opened.promise, log })
  using held = holdIndex(index)
  const asked = Promise.all([found(index), found(held.index)])
  expect(index.status()).toMatchObject({ ready: false, position: null })
  opened.resolve(new Scripted(1))
  expect(await asked).toEqual([[1], [1]])
  await index.close()
})
