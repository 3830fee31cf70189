// What is asked of the cluster, where one node with a handful of passages answers the same however it is asked.
import { expect, test } from 'vitest'
import { unit } from '../../fixtures.ts'
import type { IndexFilter, IndexQuery } from '../../port.ts'
import type { IndexFacts } from './documents.ts'
import { scopeOf } from './query.ts'
import { FACTS, opened } from './scripted.ts'
import { Searcher } from './search.ts'

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
async function asked(
  query: Partial<IndexQuery> & { readonly filter: IndexFilter },
  facts: Partial<IndexFacts> = {},
) {
  const { scripted, cluster } = await opened(counting(() => 100))
  const known = { index: 'terrace-g1-abc', facts: { ...FACTS, ...facts } }
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

test('a word counts where it is a word of the language, and what was asked before for half', async () => {
  const { candidates } = await asked({ filter: few, text: 'running', previous: 'pears', method: 'words' })
  const [{ query } = {}] = candidates.bodies
  const { should } = (query as { bool: { should: Body[] } }).bool
  const term = (value: string, boost: number) => ({ term: { words: { value, boost } } })
  const only = (value: string, boost: number, language: string) => ({
    bool: { must: term(value, boost), filter: { terms: { language: [language] } } },
  })
  expect(should).toEqual(
    expect.arrayContaining([only('run', 1, 'en'), only('running', 1, 'de'), term('pear', 0.5)]),
  )
})

test('as many candidates as are wanted are asked for, if that is more than usual', async () => {
  const { candidates } = await asked({ filter: few, limit: 180 })
  expect(candidates.bodies.map(({ size }) => size)).toEqual([180, 180, 180])
})

/** `nearest`, or by words among those with a vector (`true`) or without one (`false`). */
const kindsOf = (bodies: readonly Body[]) =>
  bodies.map((body) => {
    const text = JSON.stringify(body)
    return text.includes('"knn"') ? 'nearest' : text.includes('"embedded":true')
  })

test.each<[string, Partial<IndexFacts>, unknown[]]>([
  ['counted, all have a vector', { vectors: 300 }, ['nearest', true]],
  ['all had one when they were counted last', { vectors: 300, counted: false }, ['nearest', true, false]],
  ['counted, none has a vector', { vectors: 0 }, [false]],
  ['none had one when they were counted last', { vectors: 0, counted: false }, ['nearest', true, false]],
  ['nothing was ever embedded', { generation: null, vectors: 0 }, [false]],
])('whatever may be there is looked for: %s', async (_, facts, kinds) => {
  expect(kindsOf((await asked({ filter: few }, facts)).candidates.bodies)).toEqual(kinds)
})

test('a vector of another generation says nothing of these: only words are looked for', async () => {
  const { candidates } = await asked({ filter: few, generation: 2 })
  expect(kindsOf(candidates.bodies)).toEqual([true, false])
})

test.each([
  ['refused', { status: 400, error: { type: 'parsing_exception', reason: 'of the test' } }, 'refused'],
  ['gone', { status: 404, error: { type: 'index_not_found_exception', reason: 'of the test' } }, 'missing'],
  ['too much', { status: 429, error: { type: 'rejected_execution_exception', reason: 'full' } }, 'busy'],
  ['broken', { status: 200, error: { type: 'some_exception', reason: 'of the test' } }, 'refused'],
])('a part that is %s makes no answer', async (_, part, kind) => {
  const { scripted, cluster } = await opened(counting(() => 100))
  const searcher = new Searcher(cluster)
  const ask = () =>
    searcher.search(
      { text: 'pears', vector: null, filter: few, limit: 1 },
      { index: 'terrace-g1-abc', facts: FACTS },
    )
  expect(await ask()).toEqual([])
  scripted.script = (request) => {
    const { status, body } = counting(() => 100)(request)
    return { status, body: { responses: [...body.responses.slice(1), part] } }
  }
  await expect(ask()).rejects.toMatchObject({ kind })
})

test('a question whose node dies is asked again', async () => {
  let tries = 0
  const { scripted, cluster } = await opened(() => 'hang-up')
  scripted.script = (request) => (++tries === 1 ? 'hang-up' : counting(() => 0)(request))
  const question = { text: 'pears', vector: null, filter: few, limit: 1 }
  expect(await new Searcher(cluster).search(question, { index: 'terrace-g1-abc', facts: FACTS })).toEqual([])
  expect(tries).toBe(2)
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
