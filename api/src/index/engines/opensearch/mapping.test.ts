// The indexes in the cluster and what they say of themselves, by the requests that are made.
import { expect, test } from 'vitest'
import { countDocuments, countPassages, readFacts, writeFacts } from './documents.ts'
import { createIndex, searchedIndex, searchIn, sweep } from './mapping.ts'
import { FACTS, opened } from './scripted.ts'

const PLACE = { alias: 'terrace', shards: 4 }

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
          { remove: { index: 'terrace-g1-a', alias: 'terrace' } },
          { add: { index: 'terrace-g2-b', alias: 'terrace' } },
        ],
      },
    ],
  ])
})

test('what is swept is ours and not to be kept', async () => {
  const { scripted, cluster } = await opened(({ method }) => ({
    status: 200,
    body:
      method === 'GET'
        ? {
            ...{ 'terrace-g1-0a0a0a0a': own(), 'terrace-g2-0b0b0b0b': own(0), 'terrace-guide': foreign },
            // Another installation's, by the name terrace-green.
            'terrace-green-g1-0c0c0c0c': own(),
          }
        : {},
  }))
  await sweep(cluster, PLACE, new Set(['terrace-g1-0a0a0a0a']))
  const deleted = scripted.requests.filter(({ method }) => method === 'DELETE')
  expect(deleted.map(({ path }) => path)).toEqual(['/terrace-g2-0b0b0b0b'])
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
