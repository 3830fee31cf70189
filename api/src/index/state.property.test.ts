// Random histories against the definition: whatever is published, replaced, retracted, checkpointed and loaded again,
// a search answers what the definition says, and two servers at one position answer the same to the last bit.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { applyEntry, type LogRow } from './apply.ts'
import { readCheckpoints } from './checkpoint/read.ts'
import { writeCheckpoint } from './checkpoint/write.ts'
import { Analyser } from './lexical/analysis.ts'
import { expectedOrder, MemorySource, type ModelDocument, type ModelPassage } from './oracle.ts'
import type { IndexFilter, SearchMethod } from './port.ts'
import { searchBatch } from './search.ts'
import { IndexState } from './state.ts'
import { coarseEngine } from './vectors/coarse/coarse.ts'
import { bySize } from './vectors/engine.ts'
import { exactEngine } from './vectors/exact.ts'
import { loadFaiss } from './vectors/faiss.ts'

const DIMENSIONS = 4
const WORDS = ['apricot', 'banjo', 'cobalt', 'dolphin', 'ember', 'falcon', 'the', 'harbours', 'harbour']
const GENERATION = { id: 1, dimensions: DIMENSIONS }
const START = { epoch: 'e', seq: 0, entryId: null }
/** Segments of both kinds: there are up to 20 vectors. */
const otherEngine = bySize(loadFaiss() ?? exactEngine(), coarseEngine(), 6)
const folder = mkdtempSync(path.join(tmpdir(), 'terrace-property-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let analyser: Analyser
beforeAll(async () => {
  analyser = await Analyser.load('en')
})

const text = fc
  .array(fc.constantFrom(...WORDS), { minLength: 0, maxLength: 8 })
  .map((words) => words.join(' '))
// Few distinct vectors, so that ties are common.
const vector = fc
  .array(fc.integer({ min: -2, max: 2 }), { minLength: DIMENSIONS, maxLength: DIMENSIONS })
  .map((numbers) => {
    const length = Math.hypot(...numbers)
    return Float32Array.from(length === 0 ? [1, 0, 0, 0] : numbers.map((n) => n / length))
  })
const key = fc.integer({ min: 1, max: 4 })
const passages = fc.array(fc.record({ text, vector: fc.option(vector, { freq: 4 }) }), { maxLength: 5 })
const filter = fc.oneof(
  fc.record({ kind: fc.constant('documents' as const), keys: fc.uniqueArray(key) }),
  fc.record({
    kind: fc.constant('collections' as const),
    keys: fc.uniqueArray(fc.integer({ min: 1, max: 2 })),
  }),
)
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ op: fc.constant('words' as const), key, passages }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('vectors' as const), key }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('stale vectors' as const), key }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('retract' as const), key }) },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constant('drop' as const), key: fc.integer({ min: 1, max: 2 }) }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('checkpoint' as const) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constant('search' as const),
      text,
      vector: fc.option(vector),
      filter,
      limit: fc.integer({ min: 1, max: 40 }),
      method: fc.constantFrom('fused' as const, 'fused' as const, 'words' as const, 'meaning' as const),
    }),
  },
)

/** A document's collection follows from its key: documents do not move. */
const collectionOf = (documentKey: number) => 1 + (documentKey % 2)

class History {
  readonly documents = new Map<number, ModelDocument>()
  readonly source = new MemorySource(GENERATION)
  readonly log: LogRow[] = []
  #lastId = 0

  words(documentKey: number, given: readonly { text: string; vector: Float32Array | null }[]): void {
    const rows = given.map((passage): ModelPassage => ({ id: ++this.#lastId, ...passage }))
    const versionId = `v${this.log.length}`
    this.source.keep(versionId, rows)
    this.documents.set(documentKey, {
      ...{ key: documentKey, collectionKey: collectionOf(documentKey) },
      ...{ versionId, passages: rows, embedded: false },
    })
    this.#append('publish-words', documentKey, versionId)
  }

  vectors(documentKey: number): void {
    const document = this.documents.get(documentKey)
    if (document === undefined) return
    document.embedded = true
    this.#append('publish-vectors', documentKey, document.versionId)
  }

  /** Of a version that was replaced, or whose document is gone. */
  staleVectors(documentKey: number): void {
    this.#append('publish-vectors', documentKey, 'a version of before')
  }

  retract(documentKey: number): void {
    this.documents.delete(documentKey)
    this.#append('retract', documentKey, null)
  }

  drop(collectionKey: number): void {
    for (const document of [...this.documents.values()])
      if (document.collectionKey === collectionKey) this.documents.delete(document.key)
    this.#append('retract-collection', null, null, collectionKey)
  }

  #append(op: string, documentKey: number | null, versionId: string | null, collectionKey?: number): void {
    const seq = this.log.length + 1
    this.log.push({
      ...{ seq, id: `entry${seq}`, epoch: 'e', op, documentKey, versionId },
      collectionKey: collectionKey ?? (documentKey === null ? null : collectionOf(documentKey)),
      ...{ generationId: 1, readingId: null, userId: null },
    })
  }
}

async function catchUp(state: IndexState, history: History): Promise<void> {
  for (const entry of history.log) await applyEntry(state, history.source, entry)
}

async function reloaded(state: IndexState, dir: string): Promise<IndexState> {
  await writeCheckpoint(state, dir, new Map())
  for await (const { saved } of readCheckpoints(dir, (_, error) => expect.fail(String(error)))) {
    state.close()
    return IndexState.restore(otherEngine, saved)
  }
  return expect.fail('no checkpoint')
}

function compare(
  state: IndexState,
  history: History,
  query: {
    text: string
    vector: Float32Array | null
    filter: IndexFilter
    limit: number
    method: SearchMethod
  },
): void {
  const [found = []] = searchBatch(state, [query])
  const expected = expectedOrder([...history.documents.values()], query, analyser)
  const scores = new Map(expected.map(({ id, score }) => [id, score]))
  for (const { passageId, score } of found) expect(score).toBeCloseTo(scores.get(passageId) ?? Number.NaN, 5)
  expect(new Set(found.map(({ passageId }) => passageId)).size).toBe(found.length)
  expect(found.length).toBe(Math.min(query.limit, expected.length))
  // Among those with a vector, and among those without one, the best were taken.
  for (const group of [true, false]) {
    const taken = found.filter(({ withoutVector }) => withoutVector === group).length
    const best = expected.filter(({ withoutVector }) => withoutVector === group).slice(0, taken)
    const worst = best.at(-1)?.score ?? 0
    for (const { passageId, withoutVector } of found)
      if (withoutVector === group) expect(scores.get(passageId)).toBeGreaterThan(worst - 1e-5)
  }
}

test('any history searches as the definition says, with and without checkpoints on the way', async () => {
  let run = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 25 }), async (steps) => {
      const dir = mkdtempSync(path.join(folder, `${run++}-`))
      const history = new History()
      const plain = IndexState.empty(exactEngine(), START, null)
      let compacted = IndexState.empty(otherEngine, START, null)
      for (const one of steps) {
        if (one.op === 'words') history.words(one.key, one.passages)
        else if (one.op === 'vectors') history.vectors(one.key)
        else if (one.op === 'stale vectors') history.staleVectors(one.key)
        else if (one.op === 'retract') history.retract(one.key)
        else if (one.op === 'drop') history.drop(one.key)
        else if (one.op === 'checkpoint') compacted = await reloaded(compacted, dir)
        else if (one.op === 'search') {
          compare(plain, history, one)
          expect(searchBatch(compacted, [one, one])).toEqual([
            ...searchBatch(plain, [one]),
            ...searchBatch(plain, [one]),
          ])
        }
        // The whole log each time: what was applied before must change nothing.
        await catchUp(plain, history)
        await catchUp(compacted, history)
        const places = plain.passages.count
        await catchUp(plain, history)
        expect(plain.passages.count).toBe(places)
      }
      expect(compacted.position).toEqual(plain.position)
      expect(compacted.passages.live).toBe(plain.passages.live)
      expect(compacted.passages.liveLength).toBe(plain.passages.liveLength)
      expect(compacted.passages.liveVectors).toBe(plain.passages.liveVectors)
      plain.close()
      compacted.close()
      rmSync(dir, { recursive: true })
    }),
    { numRuns: 100 },
  )
}, 120_000)
