// The rankings at a size where they are cut off. Fused: the best of the union of the best by either. By one alone: the
// best of all passages by it, not of those that the fused ranking holds.
import { beforeAll, describe, expect, test } from 'vitest'
import { applyEntry } from './apply.ts'
import { Analyser } from './lexical/analysis.ts'
import { expectedOrder, MemorySource, type ModelDocument } from './oracle.ts'
import { searchBatch } from './search.ts'
import { IndexState } from './state.ts'
import { exactEngine } from './vectors/exact.ts'
import { randomUnits } from './vectors/port.cases.ts'
import { dot } from './vectors/port.ts'

const DIMENSIONS = 8
const COUNT = 900
const POOL = 50
const WORDS = [
  'apricot',
  'banjo',
  'cobalt',
  'dolphin',
  'ember',
  'falcon',
  'garnet',
  'hazel',
  'indigo',
  'jasmin',
]
const vectors = randomUnits(COUNT, DIMENSIONS, 21)
const queries = randomUnits(12, DIMENSIONS, 22)

/** Common words and rare ones, so that the rankings by words have few ties. */
const documents = Array.from({ length: COUNT / 9 }, (_, n): ModelDocument => {
  const passages = Array.from({ length: 9 }, (_, i) => {
    const id = n * 9 + i + 1
    const words = WORDS.flatMap((word, w) => Array.from({ length: ((id * (w + 3)) % 11) % 4 }, () => word))
    return { id, text: words.join(' '), vector: vectors.slice((id - 1) * DIMENSIONS, id * DIMENSIONS) }
  })
  return { key: n + 1, collectionKey: 1 + (n % 3), versionId: `v${n + 1}`, passages, embedded: n % 10 !== 0 }
})

let state: IndexState
let analyser: Analyser
beforeAll(async () => {
  analyser = await Analyser.load('en')
  const source = new MemorySource({ id: 1, dimensions: DIMENSIONS })
  state = IndexState.empty(exactEngine(), { epoch: 'e', seq: 0, entryId: null }, source.generation)
  let seq = 0
  for (const { key, collectionKey, versionId, passages, embedded } of documents) {
    source.keep(versionId, passages)
    for (const op of embedded ? ['publish-words', 'publish-vectors'] : ['publish-words']) {
      seq++
      const place = {
        collectionKey,
        documentKey: key,
        versionId,
        generationId: 1,
        readingId: null,
        userId: null,
      }
      await applyEntry(state, source, { seq, id: `entry${seq}`, epoch: 'e', op, ...place })
    }
  }
})

describe.each([1, 5, 10, 50, 120])('the best %i', (limit) => {
  test.each(Array.from({ length: 12 }, (_, n) => n))('of question %i', (n) => {
    const vector = queries.slice(n * DIMENSIONS, (n + 1) * DIMENSIONS)
    const text = [WORDS[n % 10], WORDS[(n * 3 + 1) % 10]].join(' ')
    const filter = { kind: 'collections' as const, keys: n % 2 === 0 ? [1, 2, 3] : [2] }
    const [found = []] = searchBatch(state, [{ text, vector, filter, limit, reserved: 0 }])

    const pool = Math.max(POOL, limit)
    const inScope = documents.filter((document) => filter.keys.includes(document.collectionKey))
    const embedded = inScope.filter((document) => document.embedded)
    const byMeaning = embedded
      .flatMap((document) => document.passages)
      .map((passage) => ({ id: passage.id, score: dot(vector, passage.vector ?? vector, 0) }))
      .sort((a, b) => b.score - a.score || a.id - b.id)
      .slice(0, pool)
    const words = expectedOrder(documents, { text, vector: null, filter }, analyser)
    const byWords = words.filter((one) => !one.withoutVector).slice(0, pool)
    const union = new Set([...byMeaning, ...byWords].map(({ id }) => id))
    const expected = expectedOrder(documents, { text, vector, filter }, analyser)
      .filter((one) => !one.withoutVector && union.has(one.id))
      .slice(0, limit)
    const ranked = found.filter((one) => !one.withoutVector)
    expect(ranked.map(({ passageId }) => passageId)).toEqual(expected.map(({ id }) => id))
    for (const [i, { score }] of ranked.entries()) expect(score).toBeCloseTo(expected[i]?.score ?? 0, 5)
  })
})

describe.each(['words', 'meaning'] as const)('by %s alone', (method) => {
  test.each([1, 10, 50, 120].flatMap((limit) => [0, 3, 6, 9].map((n) => [limit, n] as const)))(
    'the best %i of question %i, of all',
    (limit, n) => {
      const vector = queries.slice(n * DIMENSIONS, (n + 1) * DIMENSIONS)
      const text = [WORDS[n % 10], WORDS[(n * 3 + 1) % 10]].join(' ')
      const filter = { kind: 'collections' as const, keys: n % 2 === 0 ? [1, 2, 3] : [2] }
      const fused = { text, vector, filter, limit }
      // Between fused ones, as in a batch of several people's questions.
      const [, found = []] = searchBatch(state, [fused, { ...fused, method }, fused])
      const expected = expectedOrder(documents, { text, vector, filter, method }, analyser).slice(0, limit)
      expect(found.map(({ passageId }) => passageId)).toEqual(expected.map(({ id }) => id))
      for (const [i, one] of found.entries()) {
        expect(one.score).toBeCloseTo(expected[i]?.score ?? 0, 5)
        expect(one.score).toBe(method === 'words' ? one.words : one.cosine)
        expect(one.withoutVector).toBe(expected[i]?.withoutVector)
      }
    },
  )
})
