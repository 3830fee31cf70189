import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../../test/database.ts'
import { type FixtureDocument, FixtureLibrary } from '../fixtures.ts'
import { Analyser } from '../lexical/analysis.ts'
import { expectedOrder, type ModelDocument } from '../oracle.ts'
import type { Candidate, IndexFilter, IndexQuery } from '../port.ts'
import { type Filling, filling } from './fixtures.ts'
import { WordSearch } from './search.ts'

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

const all = (...collections: { key: number }[]): IndexFilter => ({
  kind: 'collections',
  keys: collections.map(({ key }) => key),
})

/** By a search that remembers nothing. */
function search(query: Partial<IndexQuery> & { filter: IndexFilter }): Promise<Candidate[]> {
  return new WordSearch(db.pool).search({ text: '', vector: null, limit: 200, ...query })
}

const WORDS = ['apple', 'pear', 'plum', 'fig', 'the', 'running', 'run', 'melon', 'melons']
const passage = fc.array(fc.constantFrom(...WORDS), { minLength: 1, maxLength: 12 })
const corpus = fc.array(
  fc.record({ collection: fc.nat(2), passages: fc.array(passage, { minLength: 1, maxLength: 4 }) }),
  { minLength: 1, maxLength: 6 },
)
const question = fc.array(fc.constantFrom(...WORDS), { minLength: 1, maxLength: 4 })

test('finds what the formula says, in its order and with its scores, and never anything outside the filter', async () => {
  const analyser = await Analyser.load('en')
  const collections = [await library.collection(), await library.collection(), await library.collection()]
  await fc.assert(
    fc.asyncProperty(
      corpus,
      question,
      fc.subarray([0, 1, 2]),
      fc.array(fc.nat(5)),
      async (made, asked, named, picked) => {
        await db.pool.query('DELETE FROM documents')
        const documents: ModelDocument[] = []
        let last = { epoch: '', seq: 0 }
        for (const { collection, passages } of made) {
          const document = await library.document(collections[collection] ?? { id: '', key: 0 })
          const texts = passages.map((words) => ({ text: words.join(' ') }))
          const { versionId, passageIds, position } = await library.publish(document, texts)
          last = position
          documents.push({
            ...{ key: document.key, collectionKey: document.collectionKey, versionId, embedded: false },
            passages: texts.map(({ text }, i) => ({ id: passageIds[i] ?? 0, text, vector: null })),
          })
        }
        await filled.reached(last)
        const keysOf = (indexes: readonly number[]) => [
          ...new Set(indexes.flatMap((i) => documents[i]?.key ?? [])),
        ]
        for (const filter of [
          all(...named.flatMap((n) => collections[n] ?? [])),
          { kind: 'documents', keys: keysOf(picked) } as const,
        ]) {
          const query = { text: asked.join(' '), vector: null, filter }
          const found = await search(query)
          const expected = expectedOrder(documents, query, analyser)
          expect(found.map(({ passageId }) => passageId).toSorted()).toEqual(
            expected.map(({ id }) => id).toSorted(),
          )
          for (const [i, { score, withoutVector }] of found.entries()) {
            expect(score).toBeCloseTo(expected[i]?.score ?? -1, 9)
            expect(withoutVector).toBe(true)
          }
        }
      },
    ),
    { numRuns: 25 },
  )
})

test('what a document is now decides, whatever was filled: replaced, deleted, in another collection', async () => {
  const [mine, theirs] = [await library.collection(), await library.collection()]
  const documents: FixtureDocument[] = []
  for (let i = 0; i < 3; i++) documents.push(await library.document(mine))
  const ids: (readonly number[])[] = []
  let position = { epoch: '', seq: 0 }
  for (const document of documents) {
    const published = await library.publish(document, [{ text: 'secret plan' }])
    ids.push(published.passageIds)
    position = published.position
  }
  await filled.reached(position)
  const found = async (filter: IndexFilter) =>
    (await search({ text: 'plan', filter })).map(({ passageId }) => passageId)
  expect(await found(all(mine))).toEqual(ids.flat())
  await db.pool.query('UPDATE word_documents SET ready = document_key <> $1', [documents[0]?.key])
  expect(await found(all(mine))).toEqual(ids.slice(1).flat())
  await db.pool.query('UPDATE word_documents SET ready = true')
  // Nobody fills any more.
  await filled[Symbol.asyncDispose]()
  try {
    const [replaced, deleted, moved] = documents
    if (replaced === undefined || deleted === undefined || moved === undefined)
      throw new Error('no documents')
    await library.publish(replaced, [{ text: 'nothing of that' }])
    await library.retract(deleted)
    await db.pool.query('UPDATE documents SET collection_id = $2 WHERE id = $1', [moved.id, theirs.id])
    expect(await found(all(mine))).toEqual([])
    expect(await found({ kind: 'documents', keys: documents.map(({ key }) => key) })).toEqual(ids[2])
  } finally {
    filled = filling(db)
  }
})

test('languages have words of their own, headings count, and what was asked before counts for half', async () => {
  const collection = await library.collection()
  const document = await library.document(collection)
  const { passageIds, position } = await library.publish(document, [
    { text: 'Die Häuser am Fluss', language: 'de' },
    { text: '全文検索は便利です', language: 'ja' },
    { text: 'nothing here', heading: 'Kennel > Exercise' },
    { text: 'quokka' },
    { text: 'wombat' },
    { text: 'quokka wombat' },
  ])
  await filled.reached(position)
  const found = async (query: Partial<IndexQuery>) =>
    (await search({ ...query, filter: all(collection) })).map(({ passageId }) =>
      passageIds.indexOf(passageId),
    )
  expect(await found({ text: 'house' })).toEqual([])
  expect(await found({ text: 'Haus' })).toEqual([0])
  expect(await found({ text: '検索' })).toEqual([1])
  expect(await found({ text: 'kennels' })).toEqual([2])
  expect(await found({ text: 'wombats' })).toEqual([4, 5])
  expect(await found({ text: 'wombats', previous: 'Which quokkas?' })).toEqual([5, 4, 3])
})

test('passages that are handed in are ranked with the others and replace those of their ids; the limit holds', async () => {
  const collection = await library.collection()
  const document = await library.document(collection)
  const { passageIds, position } = await library.publish(document, [
    { text: 'lemon' },
    { text: 'lemon tart with other things' },
    { text: 'lemon and lime' },
  ])
  await filled.reached(position)
  const [first, second, third] = passageIds
  const extra = [
    { id: first ?? 0, language: 'en', heading: '', text: 'nothing of it any more', vector: null },
    { id: 987_654, language: 'en', heading: '', text: 'lemon lemon', vector: null },
  ]
  const query = { text: 'lemons', filter: all(collection), extra }
  const ids = (found: readonly Candidate[]) => found.map(({ passageId }) => passageId)
  expect(ids(await search(query))).toEqual([987_654, third, second])
  expect(ids(await search({ ...query, limit: 2 }))).toEqual([987_654, third])
})

test('says of what it knows that it has its meaning', async () => {
  const collection = await library.collection()
  const document = await library.document(collection)
  const { position } = await library.publish(document, [{ text: 'olive', vector: [1, 0, 0] }])
  await filled.reached(position)
  expect(await search({ text: 'olives', filter: all(collection) })).toMatchObject([
    { cosine: null, withoutVector: false },
  ])
})

test('what nothing was known of a moment ago is found as soon as it is there', async () => {
  const collection = await library.collection()
  const remembering = new WordSearch(db.pool)
  const query = { text: 'narwhals', vector: null, limit: 10, filter: all(collection) }
  expect(await remembering.search(query)).toEqual([])
  const before = await library.publish(await library.document(collection), [{ text: 'whale' }])
  await filled.reached(before.position)
  expect(await remembering.search(query)).toEqual([])
  const { passageIds, position } = await library.publish(await library.document(collection), [
    { text: 'narwhal' },
  ])
  await filled.reached(position)
  expect((await remembering.search(query)).map(({ passageId }) => passageId)).toEqual(passageIds)
})

test('where there is too much to look at, what has the rarest words is looked at first, and never more than so much', async () => {
  const [collection, other] = [await library.collection(), await library.collection()]
  const texts = Array.from({ length: 40 }, (_, i) => ({ text: i % 13 === 5 ? 'common rare' : 'common' }))
  const { passageIds } = await library.publish(await library.document(collection), texts)
  const { position } = await library.publish(await library.document(other), texts)
  await filled.reached(position)
  const rare = passageIds.filter((_, i) => i % 13 === 5)
  const found = async (lookedAt: number, limit: number, text = 'common rare') => {
    const query = { text, vector: null, limit, filter: all(collection) }
    return (await new WordSearch(db.pool, { lookedAt }).search(query)).map(({ passageId }) => passageId)
  }
  expect(await found(20_000, 200)).toHaveLength(40)
  expect((await found(10, 3)).toSorted((a, b) => a - b)).toEqual(rare)
  // Few have the rare one: the others are asked for as well.
  expect(await found(10, 20)).toHaveLength(10)
  const common = await found(10, 200, 'common')
  expect(common).toHaveLength(10)
  expect(passageIds).toEqual(expect.arrayContaining(common))
})
