// What is asked of the cluster, where one node with a handful of passages answers the same however it is asked.
import { expect, onTestFinished, test } from 'vitest'
import { type ScriptedCluster, scriptedCluster } from '../../../../test/scripted-cluster.ts'
import { unit } from '../../fixtures.ts'
import type { IndexFilter, IndexQuery } from '../../port.ts'
import { Cluster } from './cluster.ts'
import { countDocuments, countPassages, type IndexFacts, readFacts, writeFacts } from './documents.ts'
import { createIndex, searchedIndex, searchIn, sweep } from './mapping.ts'
import { scopeOf } from './query.ts'
import { Searcher } from './search.ts'

const PLACE = { alias: 'terrace', shards: 4 }
const FACTS: IndexFacts = {
  position: { epoch: 'e', seq: 7, entryId: 'x' },
  generation: { id: 1, dimensions: 3 },
  ...{ passages: 300, vectors: 200, length: 3_000, languages: { en: 200, de: 100 }, counted: true },
}

async function opened(script: ScriptedCluster['script']) {
  const scripted = await scriptedCluster(script)
  const cluster = new Cluster(scripted.url)
  onTestFinished(() => scripted[Symbol.asyncDispose]())
  onTestFinished(() => cluster.close())
  return { scripted, cluster }
}

type Body = Record<string, unknown>
const linesOf = (body: string) =>
  body
    .trimEnd()
    .split('\n')
    .map((line): Body => JSON.parse(line))

/** Counts every term `count()` times, and finds nothing. */
const counting = (count: () => number) => (request: { readonly body: string }) => ({
  status: 200,
  body: {
    responses: linesOf(request.body)
      .filter((_, i) => i % 2 === 1)
      .map(() => ({ status: 200, hits: { total: { value: count() }, hits: [] } })),
  },
})

/** What one question asks: headers and bodies of the counts, and of what looks for candidates. */
async function asked(query: Partial<IndexQuery> & { readonly filter: IndexFilter }) {
  const { scripted, cluster } = await opened(counting(() => 100))
  const known = { index: 'terrace-g1-abc', facts: FACTS }
  await new Searcher(cluster).search({ text: 'pears', vector: unit([1]), limit: 10, ...query }, known)
  const [counts = [], candidates = []] = scripted.requests.map(({ body }) => linesOf(body))
  const headers = (lines: Body[]) => lines.filter((_, i) => i % 2 === 0)
  const bodies = (lines: Body[]) => lines.filter((_, i) => i % 2 === 1)
  return {
    counts: { headers: headers(counts), bodies: bodies(counts) },
    candidates: { headers: headers(candidates), bodies: bodies(candidates) },
  }
}

const SCOPE = { terms: { collectionKey: [4, 9] } }
const few: IndexFilter = { kind: 'collections', keys: [4, 9] }

test('passages of all shards are weighed alike, whole answers only, of the index that is known, in the shards that hold the collections', async () => {
  const { counts, candidates } = await asked({ filter: few })
  const header = {
    ...{ index: 'terrace-g1-abc', search_type: 'dfs_query_then_fetch', allow_partial_search_results: false },
  }
  expect(candidates.headers).toEqual(candidates.headers.map(() => ({ ...header, routing: '4,9' })))
  expect(candidates.headers).toHaveLength(3)
  // How rare a word is, is a matter of all passages.
  expect(counts.headers.length).toBeGreaterThan(0)
  expect(counts.headers).toEqual(counts.headers.map(() => header))
  // Without it the cluster stops counting at 10,000.
  for (const body of counts.bodies) expect(body).toMatchObject({ size: 0, track_total_hits: true })
})

test.each<[string, IndexFilter]>([
  ['documents', { kind: 'documents', keys: [4, 9] }],
  ['many collections', { kind: 'collections', keys: Array.from({ length: 101 }, (_, i) => i + 1) }],
])('where %s are named all shards are asked', async (_, filter) => {
  const { candidates } = await asked({ filter })
  for (const header of candidates.headers) expect(header).not.toHaveProperty('routing')
})

test('the filter is inside either ranking, so that what a person may not see takes no place of what they may', async () => {
  const { candidates } = await asked({ filter: few })
  const [nearest, ...byWords] = candidates.bodies
  // As many at once as the graph needs to miss few of the nearest, though ten are wanted.
  expect(nearest).toMatchObject({ query: { knn: { embedding: { k: 200, filter: SCOPE } } } })
  expect(byWords).toMatchObject(
    [true, false].map((embedded) => ({
      query: { bool: { filter: [SCOPE, { term: { embedded } }], minimum_should_match: 1 } },
      sort: ['_score', { passageId: 'asc' }],
    })),
  )
})

test('as many candidates as are wanted are asked for, if that is more than usual', async () => {
  const { candidates } = await asked({ filter: few, limit: 180 })
  expect(candidates.bodies.map(({ size }) => size)).toEqual([180, 180, 180])
})

test('more keys than the cluster takes at once go in several clauses, none is lost', () => {
  const keys = Array.from({ length: 150_000 }, (_, i) => i)
  const { bool } = scopeOf({ kind: 'documents', keys }) as {
    bool: { should: { terms: { documentKey: number[] } }[]; minimum_should_match: number }
  }
  const parts = bool.should.map(({ terms }) => terms.documentKey)
  // index.max_terms_count is 65,536 where nobody has changed it.
  for (const part of parts) expect(part.length).toBeLessThanOrEqual(65_536)
  expect(parts.flat()).toEqual(keys)
  expect(bool.minimum_should_match).toBe(1)
})

test('how many passages have a word is asked once at one place of the log, and again at the next', async () => {
  let count = 100
  const { scripted, cluster } = await opened(counting(() => count))
  const searcher = new Searcher(cluster)
  const ask = (seq: number, index = 'terrace-g1-abc') => {
    const known = { index, facts: { ...FACTS, position: { ...FACTS.position, seq } } }
    return searcher.search({ text: 'pears', vector: null, filter: few, limit: 1 }, known)
  }
  const counts = () => scripted.requests.filter(({ body }) => body.includes('"size":0')).length
  await ask(7)
  await ask(7)
  expect(counts()).toBe(1)
  count = 0
  await ask(8)
  expect(counts()).toBe(2)
  // Another index, such as one that was filled beside it, may be at the same place.
  await ask(8, 'terrace-g2-def')
  expect(counts()).toBe(3)
  // With no passage that has it there is nothing to look for.
  expect(scripted.requests.filter(({ body }) => !body.includes('"size":0'))).toHaveLength(2)
})

test('an index shows nothing by itself, remembers deletions longer than any late write takes, and has a copy where there are two nodes', async () => {
  const { scripted, cluster } = await opened(() => ({ status: 200, body: {} }))
  const name = await createIndex(cluster, PLACE, { id: 3, dimensions: 8 })
  expect(name).toMatch(/^terrace-g3-[0-9a-f]{8}$/)
  const { settings, mappings } = JSON.parse(scripted.requests[0]?.body ?? '')
  expect(settings.index).toMatchObject({
    ...{ number_of_shards: 4, auto_expand_replicas: '0-1', refresh_interval: '-1', gc_deletes: '10m' },
  })
  expect(mappings).toMatchObject({
    // What is written without its collection would be in a shard where nobody looks for it.
    _routing: { required: true },
    // Five times as large as what is kept of it.
    _source: { excludes: ['embedding'] },
    properties: { embedding: { dimension: 8, method: { space_type: 'cosinesimil' } } },
  })
})

test('a cluster without the k-NN plugin is told apart from one that refuses something else', async () => {
  const refusal = (reason: string) => () => ({ status: 400, body: { error: { type: 'x', reason } } })
  const { cluster } = await opened(refusal('unknown setting [index.knn] please check'))
  await expect(createIndex(cluster, PLACE, null)).rejects.toThrow('has no k-NN plugin')
  const { cluster: other } = await opened(refusal('this action would add too many shards'))
  await expect(createIndex(other, PLACE, null)).rejects.toThrow('too many shards')
})

const own = (format = 1) => ({ mappings: { _meta: { product: 'terrace', format, generation: null } } })
const foreign = { mappings: { _meta: { product: 'other' } } }

test.each([
  ['ours', { 'terrace-g1-a': own() }, { name: 'terrace-g1-a', generation: null }],
  ['none', {}, null],
  ['ours, of another format', { 'terrace-g1-a': own(0) }, null],
  ['ours, of a later build', { 'terrace-g1-a': own(2) }, null],
])('searched by the alias: %s', async (_, body, expected) => {
  const { cluster } = await opened(() => ({ status: 200, body }))
  expect(await searchedIndex(cluster, PLACE)).toEqual(expected)
})

test.each([
  ['not ours', { logs: foreign }],
  ['of two, one of which is not ours', { 'terrace-g1-a': own(), logs: foreign }],
  ['no alias at all', { terrace: own() }],
])('searched by the alias: %s, which is said and left alone', async (_, body) => {
  const { scripted, cluster } = await opened(() => ({ status: 200, body }))
  await expect(searchedIndex(cluster, PLACE)).rejects.toThrow(/belongs to .*Nothing of it was changed/)
  expect(scripted.requests.map(({ method }) => method)).toEqual(['GET'])
})

test('one index takes the place of another in one step, so that no search finds none, or both', async () => {
  const { scripted, cluster } = await opened(({ method }) => ({
    status: 200,
    body: method === 'GET' ? { 'terrace-g1-a': own(), 'terrace-g2-b': own() } : {},
  }))
  await searchIn(cluster, PLACE, 'terrace-g2-b')
  const [, ...changes] = scripted.requests
  expect(changes.map(({ method, path, body }) => [method, path, JSON.parse(body)])).toEqual([
    [
      ...['POST', '/_aliases'],
      {
        actions: [
          { remove_index: { index: 'terrace-g1-a' } },
          { add: { index: 'terrace-g2-b', alias: 'terrace' } },
        ],
      },
    ],
  ])
})

test('what is swept is ours and not to be kept', async () => {
  const { scripted, cluster } = await opened(({ method }) => ({
    status: 200,
    body: method === 'GET' ? { 'terrace-g1-a': own(), 'terrace-g2-b': own(0), 'terrace-guide': foreign } : {},
  }))
  await sweep(cluster, PLACE, new Set(['terrace-g1-a']))
  expect(scripted.requests.slice(1).map(({ method, path }) => [method, path])).toEqual([
    ['DELETE', '/terrace-g2-b'],
  ])
})

test('where an index is in the log is never written back by who no longer is the writer', async () => {
  const { scripted, cluster } = await opened(() => ({ status: 200, body: {} }))
  await writeFacts(cluster, 'terrace-g1-a', FACTS)
  const { searchParams, pathname } = new URL(scripted.requests[0]?.path ?? '', 'http://cluster')
  expect(pathname).toBe('/terrace-g1-a/_doc/state')
  expect(Object.fromEntries(searchParams)).toMatchObject({ version: '7', version_type: 'external_gte' })
})

test('what is read of an index is what was written of it', async () => {
  const state = { ...FACTS, position: { ...FACTS.position, seen: { seq: 9, id: 'y' } } }
  const { cluster } = await opened(() => ({
    status: 200,
    body: { _index: 'terrace-g1-a', _source: { state } },
  }))
  expect(await readFacts(cluster, 'terrace')).toEqual({ index: 'terrace-g1-a', facts: state })
})

test('what is counted is counted of the whole index, passages only, however many languages and documents there are', async () => {
  const buckets = Array.from({ length: 10_000 }, () => ({}))
  const pages = [{ buckets, after_key: { document: 5 } }, { buckets: buckets.slice(1) }]
  const { scripted, cluster } = await opened(({ body }) => ({
    status: 200,
    body: {
      hits: { total: { value: 3 } },
      aggregations: body.includes('composite')
        ? { documents: pages.shift() }
        : { length: { value: 5 }, embedded: { doc_count: 2 }, languages: { buckets: [] } },
    },
  }))
  expect(await countPassages(cluster, 'terrace-g1-a')).toMatchObject({ passages: 3, vectors: 2, length: 5 })
  expect(await countDocuments(cluster, 'terrace-g1-a')).toBe(19_999)
  for (const { path } of scripted.requests) expect(path).toContain('allow_partial_search_results=false')
  const [passages, , second] = scripted.requests.map(({ body }) => JSON.parse(body))
  expect(passages).toMatchObject({
    ...{ query: { exists: { field: 'passageId' } }, track_total_hits: true },
    // The cluster's own limit is ten.
    aggs: { languages: { terms: { size: 200 } } },
  })
  expect(second.aggs.documents.composite.after).toEqual({ document: 5 })
})
