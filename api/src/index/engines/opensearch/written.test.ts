// What an entry of the log writes into the cluster, request by request.
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { type ScriptedAnswer, scriptedCluster } from '../../../../test/scripted-cluster.ts'
import type { LogRow } from '../../apply.ts'
import { Analysers } from '../../lexical/analysis.ts'
import type { PassageRow, Source, VectorRow } from '../../source.ts'
import { Cluster } from './cluster.ts'
import { IndexWriter } from './writer.ts'

/** As the cluster keeps them. */
interface Kept {
  readonly id: number
  readonly collection: number
  readonly version?: string
}

const GENERATION = { id: 1, dimensions: 3 }
const DOCUMENT = 5
/** Little-endian float32. */
const bytes = (...numbers: number[]) => new Uint8Array(Float32Array.from(numbers).buffer)

/** A writer of a cluster in which one document has these passages, in pages as the cluster gives them. */
async function writing(kept: readonly Kept[]) {
  const of: { refuses: (path: string) => boolean } = { refuses: () => false }
  const answers = (path: string, body: string): unknown => {
    if (path.endsWith('_bulk'))
      return { items: actionsOf(body).map(({ kind }) => ({ [kind]: { status: 200 } })) }
    if (!path.includes('_search')) return {}
    if (body.includes('"aggs"'))
      return {
        hits: { total: { value: 1 } },
        aggregations: { length: { value: 1 }, embedded: { doc_count: 0 }, languages: { buckets: [] } },
      }
    const { size, search_after: after = [-1] } = JSON.parse(body) as { size: number; search_after?: number[] }
    const from = kept.filter(({ id }) => id > (after[0] ?? -1)).slice(0, size)
    return { hits: { hits: from.map(hitOf) } }
  }
  const scripted = await scriptedCluster(({ path, body }): ScriptedAnswer => {
    const at = path.split('?')[0] ?? ''
    return of.refuses(at)
      ? { status: 400, body: { error: { type: 'x', reason: 'of the test' } } }
      : { status: 200, body: answers(at, body) }
  })
  onTestFinished(() => scripted[Symbol.asyncDispose]())
  const cluster = new Cluster(scripted.url)
  onTestFinished(() => cluster.close())
  const writer = new IndexWriter({
    ...{ cluster, index: 'terrace-g1-a', generation: GENERATION, analysers: new Analysers() },
    position: { epoch: 'e', seq: 10, entryId: null },
    ...{ log: pino({ enabled: false }), signal: new AbortController().signal },
  })
  const did = () => scripted.requests.map(({ path }) => path.split('?')[0]?.split('/').at(-1))
  const written = () =>
    scripted.requests.filter(({ path }) => path.endsWith('/_bulk')).flatMap(({ body }) => actionsOf(body))
  return { of, writer, scripted, did, written }
}

const hitOf = ({ id, collection, version = 'v' }: Kept) => ({
  ...{ _id: String(id), _routing: String(collection) },
  _source: {
    ...{ passageId: id, documentKey: DOCUMENT, collectionKey: collection, versionId: version },
    ...{ language: 'en', words: 'pear', length: 1, embedded: false },
  },
})

interface Action {
  readonly kind: 'index' | 'delete'
  readonly id: number
  readonly routing: number
  readonly version: number
  readonly document: Record<string, unknown> | undefined
}

function actionsOf(body: string): Action[] {
  const found: Action[] = []
  const texts = body.trimEnd().split('\n')
  for (let i = 0; i < texts.length; i++) {
    const line = JSON.parse(texts[i] ?? '') as Record<string, Record<string, string>>
    const [[kind, place] = ['', {}]] = Object.entries(line)
    const document = kind === 'index' ? JSON.parse(texts[++i] ?? '') : undefined
    const { _id: id, routing, version } = place
    found.push({
      ...{ kind: kind as Action['kind'], document },
      ...{ id: Number(id), routing: Number(routing), version: Number(version) },
    })
  }
  return found
}

const entry = (seq: number, op: string, more: Partial<LogRow> = {}): LogRow => ({
  ...{ seq, id: `entry ${seq}`, epoch: 'e', op, collectionKey: 2, documentKey: DOCUMENT },
  ...{ versionId: 'v', generationId: 1, readingId: 1, userId: null, ...more },
})

const source = (passages: readonly PassageRow[], vectors: readonly VectorRow[] = []): Source => ({
  seen: () => null,
  async *passages() {
    yield passages
  },
  async *vectors() {
    yield vectors
  },
  activeGeneration: async () => GENERATION,
})
const row = (id: number): PassageRow => ({ id, language: 'en', heading: '', text: 'a pear' })

test('a document that is removed is removed to its last passage, each where it is, by answers that are whole', async () => {
  const kept = Array.from({ length: 2_345 }, (_, id) => ({ id, collection: id % 2 === 0 ? 2 : 3 }))
  const { writer, scripted, written, did } = await writing(kept)
  await writer.apply(entry(11, 'retract'), source([]))
  await writer.show()
  expect(written().map(({ kind, id, routing, version }) => [kind, id, routing, version])).toEqual(
    kept.map(({ id, collection }) => ['delete', id, collection, 11]),
  )
  const searches = scripted.requests.filter(({ path }) => path.includes('_search'))
  for (const { path } of searches) expect(path).toContain('allow_partial_search_results=false')
  // Searches see it in one step, and its place in the log after that.
  expect(did()).toEqual(['_search', '_search', '_search', '_bulk', '_refresh', '_search', 'state'])
})

test('a new version takes the place of the old one, also where that was in another collection', async () => {
  const { writer, written } = await writing([
    { id: 1, collection: 9 },
    { id: 2, collection: 2 },
  ])
  await writer.apply(entry(11, 'publish-words'), source([row(1), row(3)]))
  await writer.show()
  expect(written().map(({ kind, id, routing }) => [kind, id, routing])).toEqual([
    // First: where both collections are in one shard it is the same passage there.
    ['delete', 1, 9],
    ['index', 1, 2],
    ['index', 3, 2],
    ['delete', 2, 2],
  ])
})

test('what was written of a document is seen before it is changed again, and by nobody else', async () => {
  const { writer, did } = await writing([])
  await writer.apply(entry(11, 'publish-words'), source([row(1)]))
  await writer.apply(entry(12, 'publish-words', { documentKey: 6 }), source([row(2)]))
  expect(did()).toEqual(['_search', '_search'])
  await writer.apply(entry(13, 'retract'), source([]))
  expect(did().slice(2)).toEqual(['_bulk', '_refresh', '_search'])
  await writer.apply(entry(14, 'retract-collection', { documentKey: null }), source([]))
  expect(did().slice(5)).toEqual(['_refresh', '_search'])
})

test('a vector that points nowhere, or is of another length, does not keep its passage from being found by words', async () => {
  const { writer, written } = await writing([1, 2, 3, 4].map((id) => ({ id, collection: 2 })))
  const vectors = [
    [0, 0, 0],
    [Number.NaN, 1, 0],
    [1, 0],
    [0, 3, 4],
  ].map((numbers, i) => ({
    ...{ passageId: i + 1, vector: bytes(...numbers) },
  }))
  await writer.apply(entry(11, 'publish-vectors'), source([], vectors))
  await writer.show()
  expect(written().map(({ id, document }) => [id, document?.embedded, document?.embedding])).toEqual([
    [1, false, undefined],
    [2, false, undefined],
    [3, false, undefined],
    [4, true, [0, 3, 4]],
  ])
})

test('vectors of a version that was replaced meanwhile, or of another generation, change nothing', async () => {
  const { writer, written } = await writing([{ id: 1, collection: 2, version: 'newer' }])
  const vectors = [{ passageId: 1, vector: bytes(1, 0, 0) }]
  await writer.apply(entry(11, 'publish-vectors'), source([], vectors))
  const other = entry(12, 'publish-vectors', { versionId: 'newer', generationId: 2 })
  await writer.apply(other, source([], vectors))
  await writer.show()
  expect(written()).toEqual([])
  expect(writer.position.seq).toBe(12)
})

test('what failed is written again as a whole, and nothing that was not sent goes with something else', async () => {
  const { of, writer, written } = await writing([])
  of.refuses = (path) => path.endsWith('_refresh')
  await writer.apply(entry(11, 'publish-words'), source([row(1)]))
  await expect(writer.show()).rejects.toThrow('of the test')
  writer.rewind()
  expect(writer.position.seq).toBe(10)
  of.refuses = () => false
  await writer.apply(entry(11, 'publish-words'), source([row(1)]))
  // Given up before it was sent.
  writer.rewind()
  await writer.apply(entry(11, 'publish-words'), source([row(2)]))
  await writer.show()
  expect(written().map(({ id }) => id)).toEqual([1, 2])
  expect(writer.position.seq).toBe(11)
  // Once is enough.
  await writer.apply(entry(11, 'publish-words'), source([row(3)]))
  await writer.show()
  expect(written()).toHaveLength(2)
})

test('an entry that this build does not know is not passed over', async () => {
  const { writer } = await writing([])
  await expect(writer.apply(entry(11, 'publish-pictures'), source([]))).rejects.toThrow(/does not know/)
  expect(writer.position.seq).toBe(10)
})
