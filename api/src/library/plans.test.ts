// Lists stay fast because their plans stay small: with 10,000 documents in a collection beside others, every list
// reads a page's worth of rows by an index. Judged by the plan and the rows it touches, never by the clock.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestLibrary, testLibrary } from '../../test/library.ts'
import type { Person } from '../../test/server.ts'
import type { Pool } from '../database/pool.ts'
import { primaryReads } from '../database/reads.ts'
import { getCollection, listCollections } from './collections.ts'
import { getDocument, listDocuments } from './documents.ts'

let library: TestLibrary
let owner: Person
let collection: string

beforeAll(async () => {
  library = await testLibrary()
  owner = await library.server.person()
  collection = await library.collection(owner, 'Large')
  const beside = await library.collection(await library.server.person(), 'Beside')
  await library.pool.query(
    `INSERT INTO documents (collection_id, name, deleted_at)
     SELECT CASE WHEN n <= 10500 THEN $1::uuid ELSE $2::uuid END, 'file ' || n || '.txt',
            CASE WHEN n BETWEEN 10001 AND 10500 THEN now() END FROM generate_series(1, 25000) n`,
    [collection, beside],
  )
  await library.pool.query(
    `INSERT INTO document_versions (document_id, number, filename, media_type, bytes, sha256, storage_key, stage)
     SELECT d.id, n, d.name, 'text/plain', 1, md5(d.key::text || n), 'k/' || d.key || '-' || n,
            CASE WHEN n = 2 AND d.key % 1000 = 0 THEN 'attention' WHEN n = 2 AND d.key % 500 = 0 THEN 'parsing'
                 ELSE 'searchable' END
     FROM documents d CROSS JOIN generate_series(1, 2) n`,
  )
  await library.pool.query('VACUUM ANALYZE documents, document_versions, collections, collection_members')
}, 120_000)
afterAll(() => library[Symbol.asyncDispose]())

interface Plan {
  'Node Type': string
  'Relation Name'?: string
  'Actual Rows': number
  'Actual Loops': number
  'Rows Removed by Filter'?: number
  Plans?: Plan[]
}

function* nodes(plan: Plan): Generator<Plan> {
  yield plan
  for (const each of plan.Plans ?? []) yield* nodes(each)
}

/** Runs a function of the library and reports what its queries did. */
async function plans(work: (pool: Pool) => Promise<unknown>): Promise<{ scans: string[]; rows: number }> {
  const sent: { text: string; values: unknown[] }[] = []
  const pool = new Proxy(library.pool, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property)
      if (property !== 'query') return typeof value === 'function' ? value.bind(target) : value
      return (query: string | { text: string; values: unknown[] }, values: unknown[] = []) => {
        sent.push(typeof query === 'string' ? { text: query, values } : query)
        return typeof query === 'string' ? target.query(query, values) : target.query(query)
      }
    },
  })
  await work(pool)
  const scans: string[] = []
  let rows = 0
  for (const { text, values } of sent) {
    const result = await library.pool.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
      `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`,
      values,
    )
    const plan = result.rows[0]?.['QUERY PLAN'][0].Plan
    for (const node of plan === undefined ? [] : nodes(plan)) {
      if (!/^documents|^document_versions/.test(node['Relation Name'] ?? '')) continue
      scans.push(node['Node Type'])
      rows += (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops']
    }
  }
  return { scans, rows }
}

test('a page of 10,000 documents reads a page of rows, at its beginning and deep inside', async () => {
  const deps = { viewer: owner.viewer, request: { collectionId: collection, limit: 50 } }
  const first = await listDocuments(
    { pool: library.pool, reads: primaryReads(library.pool) },
    deps.viewer,
    deps.request,
  )
  expect(first.items).toHaveLength(50)
  expect(first.items[0]?.name).toBe('file 10000.txt')
  let cursor = first.nextCursor
  for (let page = 0; page < 20; page++)
    cursor = (
      await listDocuments({ pool: library.pool, reads: primaryReads(library.pool) }, deps.viewer, {
        ...deps.request,
        limit: 100,
        cursor: cursor ?? undefined,
      })
    ).nextCursor
  for (const at of [undefined, cursor ?? undefined]) {
    const { scans, rows } = await plans((pool) =>
      listDocuments({ pool, reads: primaryReads(pool) }, deps.viewer, { ...deps.request, cursor: at }),
    )
    expect(scans).not.toContain('Seq Scan')
    expect(rows).toBeLessThan(400)
  }
})

test('a search over names reads that collection only, and versions only of what it found', async () => {
  const { scans, rows } = await plans((pool) =>
    listDocuments({ pool, reads: primaryReads(pool) }, owner.viewer, {
      collectionId: collection,
      search: 'file 77',
      limit: 50,
    }),
  )
  expect(scans).not.toContain('Seq Scan')
  expect(rows).toBeLessThan(10_400)
})

test('counts come from the indexes', async () => {
  const list = await listCollections({ pool: library.pool, reads: primaryReads(library.pool) }, owner.viewer)
  expect(list[0]).toMatchObject({ documents: 10_000, needAttention: 10, inProgress: 10 })
  for (const work of [
    (pool: Pool) => listCollections({ pool, reads: primaryReads(pool) }, owner.viewer),
    (pool: Pool) => getCollection({ pool }, owner.viewer, collection),
  ]) {
    const { scans, rows } = await plans(work)
    expect(scans).not.toContain('Seq Scan')
    expect(scans).toContain('Index Only Scan')
    expect(rows).toBeLessThan(10_400)
  }
})

test('one document reads its own rows', async () => {
  const { items } = await listDocuments(
    { pool: library.pool, reads: primaryReads(library.pool) },
    owner.viewer,
    {
      collectionId: collection,
      limit: 1,
    },
  )
  const { scans, rows } = await plans((pool) => getDocument({ pool }, owner.viewer, items[0]?.id ?? ''))
  expect(scans).not.toContain('Seq Scan')
  expect(rows).toBeLessThan(20)
})
