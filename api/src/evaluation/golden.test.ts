// Golden questions over HTTP: kept, shown, taken back, and asked again by every method.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { testEmbedders } from '../../test/embedders.ts'
import { code } from '../../test/people.ts'
import { addReading, readSo } from '../../test/readings.ts'
import { type Person, type TestServer, testServer } from '../../test/server.ts'
import { wordIndex } from '../../test/word-index.ts'
import { type EmbeddedIndex, startEmbeddedIndex } from '../index/engines/embedded.ts'
import { DIMENSIONS, FixtureLibrary, unit } from '../index/fixtures.ts'
import { generationDigest } from '../models/generation.ts'
import type { Embedder, EmbedderIdentity } from '../models/port.ts'

const IDENTITY: EmbedderIdentity = {
  ...{ model: 'fixture', sha256: '', pooling: 'cls', queryPrefix: '' },
  ...{ dimensions: DIMENSIONS, maxTokens: 512 },
}
/** Every question means the same. */
const embedder: Embedder = {
  identity: IDENTITY,
  window: 4,
  ready: async () => {},
  close: async () => {},
  embed: async () => unit([1]),
}

let db: TestDatabase
let server: TestServer
/** On the same database and index, without an embedder. */
let wordsOnly: TestServer
let index: EmbeddedIndex
let library: FixtureLibrary
let home: string
beforeAll(async () => {
  home = mkdtempSync(path.join(tmpdir(), 'terrace-golden-'))
  db = await testDatabase()
  index = await startEmbeddedIndex(db.config(home), pino({ enabled: false }), { engine: 'exact' })
  server = await testServer(db, { services: { index, embedders: testEmbedders(embedder) } })
  wordsOnly = await testServer(db, { services: { index } })
  library = new FixtureLibrary(db.pool, generationDigest(IDENTITY))
})
afterAll(async () => {
  await wordsOnly[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
  await index.close()
  await db[Symbol.asyncDispose]()
  rmSync(home, { recursive: true, force: true })
})

let editor: Person
let collection: { id: string; key: number }
beforeEach(async () => {
  editor = await server.person()
  collection = await library.collection({ owner: editor.viewer.userId })
})

const ALIKE = [1]
const OTHER = [0, 1]

/** By meaning every question is `ALIKE`. */
async function shelve(name: string, texts: readonly string[], vector = OTHER, into = collection) {
  const document = await library.document(into, name)
  const version = await library.publish(
    document,
    texts.map((text) => ({ text, heading: '', vector })),
  )
  await index.waitFor(version.position, 10_000)
  return { ...document, ...version }
}

const add = (question: string, passageId: number | undefined) =>
  editor.api.goldenQuestions.add.mutate({
    ...{ collectionId: collection.id, question, passageId: passageId ?? 0 },
  })
const list = (person = editor) => person.api.goldenQuestions.list.query({ collectionId: collection.id })
const check = (id: string, person = editor) =>
  person.api.goldenQuestions.check.query({ collectionId: collection.id, id })

/** By another server than the editor's own. */
async function checkOn(other: TestServer, id: string): Promise<unknown> {
  const input = encodeURIComponent(JSON.stringify({ json: { collectionId: collection.id, id } }))
  const response = await other.anonymous.fetch(`/trpc/goldenQuestions.check?input=${input}`, {
    headers: { cookie: editor.cookie },
  })
  return ((await response.json()) as { result: { data: { json: unknown } } }).result.data.json
}

test('"this is the right one" makes a question, adds to it, and moves to another passage of the document', async () => {
  const one = await shelve('one.txt', ['The kettle is red.', 'It is in the kitchen.'])
  const two = await shelve('two.txt', ['The kettle was bought in May.'])
  const { id } = await add(' Where is the kettle? ', one.passageIds[0])
  expect(await add('Where is the kettle?', two.passageIds[0])).toEqual({ id })
  expect(await add('Where is the kettle?', one.passageIds[1])).toEqual({ id })
  await add('When was it bought?', two.passageIds[0])
  const questions = await list()
  expect(questions.map(({ text }) => text)).toEqual(['Where is the kettle?', 'When was it bought?'])
  expect(questions[0]?.answers.map(({ documentName, page }) => [documentName, page])).toEqual([
    ['one.txt', 1],
    ['two.txt', 1],
  ])
  // The second passage of the first document is the one that is shown now.
  const { rows } = await db.pool.query<{ start: number }>(
    'SELECT char_start AS start FROM passages WHERE id = $1',
    [one.passageIds[1]],
  )
  expect(questions[0]?.answers[0]?.charStart).toBe(rows[0]?.start)
})

test('a right answer names the reading that it was pointed at in, the last one when it is pointed at again', async () => {
  const { versionId, passageIds } = await shelve('one.txt', ['The kettle is red.'])
  const reading = await addReading(db.pool, 320)
  const [again] = await readSo(db.pool, versionId, reading, [[], ['The kettle is red. It is old.']])
  const shown = async () => (await list())[0]?.answers.map((a) => [a.readingId, a.page, a.charEnd])
  await add('Where is the kettle?', passageIds[0])
  expect(await shown()).toEqual([[1, 1, 18]])
  await add('Where is the kettle?', again)
  expect(await shown()).toEqual([[reading, 2, 29]])
})

test('is asked by each method, and says where the first right document stands', async () => {
  const byWords = await shelve('words.txt', ['The kettle is red.'], OTHER)
  const byMeaning = await shelve('meaning.txt', ['Water is boiled in the pot.'], ALIKE)
  const { id } = await add('kettle', byMeaning.passageIds[0])
  const first = await check(id)
  expect(first?.words).toMatchObject({ rank: null, measures: { 'nDCG@10': 0, 'recall@20': 0 } })
  expect(first?.meaning).toMatchObject({ rank: 1, measures: { 'nDCG@10': 1, 'MRR@10': 1 } })
  expect(first?.fused.rank).toBe(1)
  await add('kettle', byWords.passageIds[0])
  const both = await check(id)
  expect(both?.words).toMatchObject({ rank: 1, measures: { 'recall@1': 0.5, 'recall@20': 0.5, 'MRR@10': 1 } })
  expect(both?.fused.measures['recall@20']).toBe(1)
})

test('only the collection of the question is searched', async () => {
  const other = await library.collection({ owner: editor.viewer.userId })
  await shelve('closer.txt', ['kettle kettle kettle'], ALIKE, other)
  const document = await shelve('right.txt', ['One kettle among many other things.'], OTHER)
  const { id } = await add('kettle', document.passageIds[0])
  expect(await check(id)).toMatchObject({ words: { rank: 1 }, meaning: { rank: 1 }, fused: { rank: 1 } })
})

test('without an embedder there is nothing to say of the meaning', async () => {
  const document = await shelve('one.txt', ['The kettle is red.'])
  const { id } = await add('kettle', document.passageIds[0])
  expect(await checkOn(wordsOnly, id)).toMatchObject({
    words: { rank: 1 },
    meaning: null,
    fused: { rank: 1 },
  })
})

test('says that its ranks are those of words that stand in while the search engine is away', async () => {
  const document = await shelve('one.txt', ['The kettle is red.'], ALIKE)
  const { id } = await add('kettle', document.passageIds[0])
  expect(await check(id)).toMatchObject({ meaning: { rank: 1 }, wordsOnly: null })
  const services = { index: wordIndex(db.pool, { away: true }), embedders: testEmbedders(embedder) }
  await using away = await testServer(db, { services })
  expect(await checkOn(away, id)).toMatchObject({
    ...{ words: { rank: 1 }, fused: { rank: 1 }, wordsOnly: 'engine-away' },
  })
})

test('a deleted document is no answer any more; without any the question says nothing', async () => {
  const one = await shelve('one.txt', ['The kettle is red.'])
  const { id } = await add('kettle', one.passageIds[0])
  await db.pool.query('UPDATE documents SET deleted_at = now() WHERE id = $1', [one.id])
  expect(await list()).toMatchObject([{ id, answers: [] }])
  expect(await check(id)).toBeNull()
  await db.pool.query('DELETE FROM documents WHERE id = $1', [one.id])
  expect(await list()).toMatchObject([{ id, answers: [] }])
})

test('answers are taken back, the last one with its question; questions as a whole', async () => {
  const one = await shelve('one.txt', ['The kettle is red.'])
  const two = await shelve('two.txt', ['The kettle is blue.'])
  const { id } = await add('kettle', one.passageIds[0])
  await add('kettle', two.passageIds[0])
  const other = await add('blue', two.passageIds[0])
  const take = (documentId: string) =>
    editor.api.goldenQuestions.removeAnswer.mutate({ collectionId: collection.id, id, documentId })
  await take(one.id)
  expect((await list())[0]?.answers.map(({ documentId }) => documentId)).toEqual([two.id])
  await take(two.id)
  expect((await list()).map((question) => question.id)).toEqual([other.id])
  await editor.api.goldenQuestions.remove.mutate({ collectionId: collection.id, id: other.id })
  expect(await list()).toEqual([])
})

test('nothing of another collection is named, taken or pointed at', async () => {
  const foreign = await library.collection()
  const secret = await shelve('secret.txt', ['The kettle is secret.'], OTHER, foreign)
  expect(await code(add('kettle', secret.passageIds[0]))).toBe('CONFLICT')
  const one = await shelve('one.txt', ['The kettle is red.'])
  const { id } = await add('kettle', one.passageIds[0])
  const thief = await server.person()
  const theirs = await library.collection({ owner: thief.viewer.userId })
  const remove = thief.api.goldenQuestions.remove.mutate
  const removeAnswer = thief.api.goldenQuestions.removeAnswer.mutate
  await remove({ collectionId: theirs.id, id })
  await removeAnswer({ collectionId: theirs.id, id, documentId: one.id })
  expect(await thief.api.goldenQuestions.check.query({ collectionId: theirs.id, id })).toBeNull()
  expect(await list()).toHaveLength(1)
})

test('many at once make one question, and there is an end to how many there are', async () => {
  const one = await shelve('one.txt', ['The kettle is red.'])
  const two = await shelve('two.txt', ['The kettle is blue.'])
  const client = await db.pool.connect()
  await client.query('BEGIN; LOCK TABLE golden_answers IN SHARE ROW EXCLUSIVE MODE')
  const adding = Promise.all([one, two, one].map(({ passageIds }) => add('kettle', passageIds[0])))
  const waiting = async () =>
    (
      await client.query(
        'SELECT 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.datname = current_database() AND NOT l.granted',
      )
    ).rowCount
  await expect.poll(waiting, { timeout: 10_000 }).toBe(3)
  await client.query('COMMIT')
  client.release()
  const made = await adding
  expect(new Set(made.map(({ id }) => id)).size).toBe(1)
  await db.pool.query(
    'INSERT INTO golden_questions (collection_id, text) SELECT $1, n::text FROM generate_series(2, $2) n',
    [collection.id, LIMITS.goldenQuestions],
  )
  expect(await code(add('one more', one.passageIds[0]))).toBe('INVALID_INPUT')
  await add('kettle', one.passageIds[0])
  await db.pool.query(
    `WITH d AS (INSERT INTO documents (collection_id, name) SELECT $1, n::text FROM generate_series(3, $3) n RETURNING id)
     INSERT INTO golden_answers (question_id, document_id, version_id, page, char_start, char_end)
     SELECT $2, id, gen_random_uuid(), 1, 0, 1 FROM d`,
    [collection.id, made[0]?.id, LIMITS.goldenAnswers],
  )
  const more = await shelve('more.txt', ['Another kettle.'])
  expect(await code(add('kettle', more.passageIds[0]))).toBe('INVALID_INPUT')
  await add('kettle', two.passageIds[0])
})
