// Recall is 1.0, whatever is allowed, however the vectors lie in segments and tail, and however many are the same.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Allowed, allowed } from '../filter.ts'
import { Passages } from '../passages.ts'
import { coarseEngine } from './coarse/coarse.ts'
import { eagerHelper } from './coarse/helper.cases.ts'
import { bySize } from './engine.ts'
import { exactEngine } from './exact.ts'
import { loadFaiss } from './faiss.ts'
import { nearest } from './nearest.ts'
import { randomUnits } from './port.cases.ts'
import { dot, type VectorEngine } from './port.ts'
import { VectorStore } from './store.ts'

const DIMENSIONS = 16
const DOCUMENTS = 120
const PER_DOCUMENT = 60
const COUNT = DOCUMENTS * PER_DOCUMENT
/** Document n is in collection 1 + n % 12, and one in twelve is much smaller than what is scanned. */
const COLLECTIONS = 12
const folder = mkdtempSync(path.join(tmpdir(), 'terrace-nearest-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const vectors = randomUnits(COUNT, DIMENSIONS, 11)
// A third of them are one and the same, as boilerplate is.
for (let row = 0; row < COUNT; row += 3) vectors.copyWithin(row * DIMENSIONS, 0, DIMENSIONS)
const queries = randomUnits(8, DIMENSIONS, 12)
const query = (n: number) => queries.slice(n * DIMENSIONS, (n + 1) * DIMENSIONS)
const boilerplate = vectors.slice(0, DIMENSIONS)

interface Built {
  readonly passages: Passages
  readonly store: VectorStore
}

/** Ids descend while places ascend: ties must not be broken by place. */
const idOf = (place: number) => 100_000 - place

async function build(engine: VectorEngine, sealAt: readonly number[]): Promise<Built> {
  const passages = new Passages()
  const store = new VectorStore(engine, DIMENSIONS)
  for (let key = 1; key <= DOCUMENTS; key++) {
    const collectionKey = 1 + (key % COLLECTIONS)
    const slot = passages.newSlot(collectionKey)
    const first = passages.count
    const language = passages.languageNumber('en')
    for (let i = 0; i < PER_DOCUMENT; i++) passages.add(idOf(first + i), slot, language, 1)
    passages.publish(slot, { key, collectionKey, versionId: `v${key}`, first, count: PER_DOCUMENT })
    for (let place = first; place < first + PER_DOCUMENT; place++) {
      const number = store.append(vectors.subarray(place * DIMENSIONS, (place + 1) * DIMENSIONS))
      passages.setVectors([place], number)
      store.own(number, place)
    }
    if (sealAt.includes(key)) await store.seal(folder)
  }
  for (const key of [5, 17, 18, 19]) passages.retract(key)
  return { passages, store }
}

function bruteForce({ passages }: Built, vector: Float32Array, filter: Allowed, k: number) {
  return Array.from({ length: COUNT }, (_, place) => place)
    .filter((place) => passages.alive.values[place] === 1 && filter.has(place))
    .map((place) => ({ place, id: idOf(place), score: dot(vector, vectors, place * DIMENSIONS) }))
    .sort((a, b) => b.score - a.score || a.id - b.id)
    .slice(0, k)
}

/** Ranks like FAISS does, and knows its scores as well as one digit less would be. */
function rankingEngine(): VectorEngine {
  const bound = 0.003
  return {
    name: 'exact',
    lostBytes: 0,
    open(file, dimensions) {
      const segment = exactEngine().open(file, dimensions)
      return {
        count: segment.count,
        scanCost: segment.scanCost,
        read: segment.read.bind(segment),
        close: segment.close.bind(segment),
        scan: (seekers) =>
          seekers.map((seeker, n) => {
            const all = new Float32Array(segment.count * dimensions)
            segment.read(0, segment.count, all)
            const ranked = Array.from({ length: segment.count }, (_, label) => {
              const off = (((label * 7 + n) % 11) / 5 - 1) * bound
              return { label, score: dot(seeker.vector, all, label * dimensions) + off }
            }).sort((a, b) => b.score - a.score)
            for (const { label, score } of ranked.slice(0, seeker.expected))
              seeker.offer(label, score - bound, score + bound)
            return (ranked[seeker.expected - 1]?.score ?? Number.NEGATIVE_INFINITY) + bound
          }),
      }
    },
  }
}

const faiss = loadFaiss()
const small = faiss ?? exactEngine()
const engines: [string, VectorEngine][] = [
  ['exact', exactEngine()],
  ['one that ranks', rankingEngine()],
  ['coarse', coarseEngine(null)],
  ['coarse with a helper', coarseEngine(eagerHelper())],
  ['coarse with a helper that is slow', coarseEngine(eagerHelper('slow'))],
  ['coarse with a helper that dies', coarseEngine(eagerHelper('dead'))],
  // Of the segments below two are large.
  ['coarse and faiss, by size', bySize(small, coarseEngine(), 2_048)],
  ...(faiss === null ? [] : [['faiss', faiss] as [string, VectorEngine]]),
]

describe.each(engines)('%s', (_, engine) => {
  const layouts = { 'in the tail': [], 'in one segment': [DOCUMENTS], 'in segments and tail': [40, 60, 110] }
  describe.each(Object.entries(layouts))('%s', (_, sealAt) => {
    let built: Built
    beforeAll(async () => {
      built = await build(engine, sealAt)
    })

    const collections = (...keys: number[]) => allowed(built.passages, { kind: 'collections', keys })
    const documents = (...keys: number[]) => allowed(built.passages, { kind: 'documents', keys })
    const everything = Array.from({ length: COLLECTIONS }, (_, i) => i + 1)
    const filters: Record<string, () => Allowed> = {
      everything: () => collections(...everything),
      'all but one collection': () => collections(...everything.slice(1)),
      'three collections': () => collections(2, 3, 4),
      'one collection': () => collections(7),
      'one document': () => documents(33),
      'documents, one retracted': () => documents(5, 6, 80, 119),
      'a retracted document': () => documents(18),
      nothing: () => collections(),
    }
    test.each(Object.keys(filters))('%s: exactly the nearest', (name) => {
      const filter = filters[name]?.() ?? collections()
      for (const vector of [query(0), query(1), boilerplate])
        for (const k of [1, 50, 400]) {
          const [found] = nearest(built.store, built.passages, [{ vector, k, allowed: filter }])
          expect(found).toEqual(bruteForce(built, vector, filter, k))
        }
    })

    test('in one batch with different filters and lengths, each gets what it would get alone', () => {
      const asked = Object.values(filters).flatMap((filter, i) =>
        [1, 30, 50].map((k) => ({ vector: i % 3 === 0 ? boilerplate : query(i % 8), k, allowed: filter() })),
      )
      const together = nearest(built.store, built.passages, asked)
      for (const [i, one] of asked.entries())
        expect(together[i]).toEqual(bruteForce(built, one.vector, one.allowed, one.k))
    })
  })
})
