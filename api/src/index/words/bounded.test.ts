// What is left out where a question's words are in more passages than are looked at, and what never is.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../../test/database.ts'
import type { Pool } from '../../database/pool.ts'
import { FixtureLibrary } from '../fixtures.ts'
import type { IndexFilter, Position } from '../port.ts'
import { type Filling, filling } from './fixtures.ts'
import { WordSearch, type WordSearchOptions } from './search.ts'

let db: TestDatabase
let library: FixtureLibrary
let filled: Filling
beforeAll(async () => {
  db = await testDatabase()
  library = new FixtureLibrary(db.pool)
  filled = filling(db)
})
afterAll(async () => {
  await filled[Symbol.asyncDispose]()
  await db[Symbol.asyncDispose]()
})
beforeEach(async () => {
  await db.pool.query('DELETE FROM documents')
})

interface Made {
  readonly filter: IndexFilter
  /** Passage ids, in the order of the texts. */
  readonly ids: readonly number[]
  readonly keys: readonly number[]
  readonly position: Position
}

/** A collection of its own; a list of texts for each document. */
async function made(documents: readonly (readonly string[])[]): Promise<Made> {
  const collection = await library.collection()
  const ids: number[] = []
  const keys: number[] = []
  let position: Position = { epoch: '', seq: 0 }
  for (const texts of documents) {
    const document = await library.document(collection)
    const published = await library.publish(
      document,
      texts.map((text) => ({ text })),
    )
    ids.push(...published.passageIds)
    keys.push(document.key)
    position = published.position
  }
  await filled.reached(position)
  return { filter: { kind: 'collections', keys: [collection.key] }, ids, keys, position }
}

const times = <T>(count: number, one: (n: number) => T): T[] =>
  Array.from({ length: count }, (_, n) => one(n))

async function found(
  text: string,
  filter: IndexFilter,
  limit: number,
  { pool = db.pool, ...options }: WordSearchOptions & { readonly pool?: Pool } = {},
): Promise<number[]> {
  const candidates = await new WordSearch(pool, options).search({ text, vector: null, limit, filter })
  return candidates.map(({ passageId }) => passageId)
}

test('what has a rare word is found first, wherever it is, when there is more than can be looked at and fewer than are asked for', async () => {
  const { filter, ids } = await made([times(60, (n) => (n === 59 ? 'common rare' : 'common'))])
  const all = await found('common rare', filter, 10, { lookedAt: 12 })
  expect(all).toHaveLength(10)
  expect(all[0]).toBe(ids[59])
})

test('a rare word is not lost where a common one is in one collection only, which numbers of everything do not say', async () => {
  await made([times(160, () => 'other')])
  const { filter, ids } = await made([times(40, (n) => (n === 39 ? 'common rare' : 'common'))])
  // Of everything a fifth is in the scope: of 40 passages with the common word 8, as far as numbers go.
  expect((await found('common rare', filter, 10, { lookedAt: 12 }))[0]).toBe(ids[39])
})

test('common words are asked for together: what has all of them is found, wherever it is', async () => {
  const texts = times(90, (n) => (n >= 87 ? 'apple pear' : n % 2 === 0 ? 'apple' : 'pear'))
  const { filter, ids } = await made([texts])
  const best = await found('apple pear', filter, 3, { lookedAt: 30 })
  expect(best.toSorted((a, b) => a - b)).toEqual(ids.slice(87))
})

test('of common words alone a sample of the documents is looked at: the same for every question, and nothing outside the filter', async () => {
  await made(times(20, () => ['common', 'common']))
  const { filter, ids, keys } = await made(times(80, () => ['common', 'common']))
  for (const asked of [filter, { kind: 'documents', keys } as const]) {
    const sampled = await found('common', asked, 30, { lookedAt: 20 })
    expect(sampled).toHaveLength(20)
    expect(ids).toEqual(expect.arrayContaining(sampled))
    // Not those that have been there for longest.
    expect(sampled).not.toEqual(ids.slice(0, 20))
    expect(Math.max(...sampled)).toBeGreaterThan(ids[60] ?? 0)
    expect(await found('common', asked, 30, { lookedAt: 20 })).toEqual(sampled)
  }
})

test('of a long document a part is looked at, so that a sample has others as well', async () => {
  const { filter, ids } = await made(times(4, () => times(100, () => 'common')))
  const sampled = await found('common', filter, 200, { lookedAt: 60 })
  expect(sampled).toHaveLength(60)
  expect(new Set(sampled.map((id) => Math.floor(ids.indexOf(id) / 100))).size).toBeGreaterThan(1)
})

test('what no document of the sample has is looked for in all of them', async () => {
  const texts = times(60, () => times(4, () => 'other'))
  const { filter } = await made(texts)
  await db.pool.query(
    `UPDATE passage_words SET words = $2 WHERE word_document_id IN (
       SELECT id FROM word_documents WHERE document_key <> ALL($1::int[]))`,
    [await sampledDocuments(filter, 5), "'crowd':1"],
  )
  // So many have it that a sample comes first, of one document here.
  expect(await found('crowd', filter, 10, { lookedAt: 4 })).toHaveLength(4)
})

test('where not so many passages have the words, they are looked for in all of them before a sample is', async () => {
  const { filter } = await made(times(50, () => times(4, () => 'other')))
  const sample = await sampledDocuments(filter, 5)
  await db.pool.query(
    `UPDATE passage_words SET words = CASE WHEN word_document_id IN (
       SELECT id FROM word_documents WHERE document_key = ANY($1::int[])) THEN $2 ELSE $3 END::tsvector
     WHERE word_document_id IN (SELECT id FROM word_documents ORDER BY id LIMIT 20)
       OR word_document_id IN (SELECT id FROM word_documents WHERE document_key = ANY($1::int[]))`,
    [sample, "'crowd':1", "'crowd':1,2,3"],
  )
  const best = await found('crowd', filter, 20, { lookedAt: 40 })
  const { rows } = await db.pool.query<{ id: string }>(
    `SELECT passage_id AS id FROM passage_words WHERE words::text = $1`,
    ["'crowd':1,2,3"],
  )
  const more = rows.map(({ id }) => Number(id))
  expect(best.filter((id) => more.includes(id)).length).toBeGreaterThan(10)
})

async function sampledDocuments(filter: IndexFilter, count: number): Promise<number[]> {
  const { rows } = await db.pool.query<{ key: number }>(
    `SELECT document_key AS key FROM word_documents WHERE collection_key = ANY($1)
     ORDER BY id * 2654435761 % 4294967296, id LIMIT $2`,
    [filter.keys, count],
  )
  return rows.map(({ key }) => key)
}

/** The same database, where a statement of which this is said takes for ever. Tells what it was asked. */
function slow(is: (text: string, values: readonly unknown[]) => boolean): { pool: Pool; asked: string[] } {
  const asked: string[] = []
  const connect = async () => {
    const client = await db.pool.connect()
    return new Proxy(client, {
      get(target, name) {
        if (name !== 'query') {
          const value = Reflect.get(target, name)
          return typeof value === 'function' ? value.bind(target) : value
        }
        return (query: string | { text: string; values?: unknown[] }, values?: unknown[]) => {
          const text = typeof query === 'string' ? query : query.text
          const given = (typeof query === 'string' ? values : query.values) ?? []
          asked.push(text)
          return is(text, given) ? target.query('SELECT pg_sleep(60)') : target.query(text, given)
        }
      },
    })
  }
  const pool = new Proxy(db.pool, {
    get: (target, name) => (name === 'connect' ? connect : Reflect.get(target, name)),
  })
  return { pool, asked }
}

const looks = (text: string) => text.includes('looked AS')
const together = (values: readonly unknown[]) =>
  values.some((v) => typeof v === 'string' && v.includes("'&'"))

test('a step that takes too long costs what only it would have found: rare words and a sample of the common ones stay', async () => {
  const texts = times(90, (n) => (n === 89 ? 'rare' : n % 2 === 0 ? 'apple' : 'pear'))
  const { filter, ids } = await made([texts])
  const { pool, asked } = slow((text, values) => looks(text) && together(values))
  const all = await found('apple pear rare', filter, 10, { pool, lookedAt: 30 })
  expect(all).toHaveLength(10)
  expect(all[0]).toBe(ids[89])
  expect(asked.filter(looks).length).toBeGreaterThan(2)
})

test('what can not be counted in time is taken for rare, and found', async () => {
  const { filter, ids } = await made([times(30, (n) => (n === 29 ? 'common rare' : 'common'))])
  const { pool } = slow((text) => text.includes('AS count\n'))
  const all = await found('common rare', filter, 10, { pool, lookedAt: 1_000 })
  expect(all).toHaveLength(10)
  expect(all).toContain(ids[29])
})

test('where nothing is found in time the search fails, and says so', async () => {
  const { filter } = await made([['common']])
  const { pool } = slow((text) => looks(text))
  await expect(found('common', filter, 10, { pool, searchMs: 300 })).rejects.toThrow(/too long/)
})

test('when what was found is worth more than anything with the other words can be, nothing more is looked at', async () => {
  const texts = times(200, (n) =>
    ['common', n % 2 === 0 ? 'usual' : '', n % 20 === 0 ? 'rare' : ''].join(' '),
  )
  const { filter } = await made([texts])
  const { pool, asked } = slow(() => false)
  const all = await found('common usual rare', filter, 3, { pool, lookedAt: 150 })
  expect(all).toHaveLength(3)
  expect(asked.filter(looks)).toHaveLength(1)
})
