// Searching while the search engine is away, from the person's rights to the passages' texts.
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { testDatabase } from '../../test/database.ts'
import { testEmbedders } from '../../test/embedders.ts'
import { testServer } from '../../test/server.ts'
import { DIMENSIONS, FixtureLibrary, unit } from '../index/fixtures.ts'
import type { IndexAnswer } from '../index/port.ts'
import { away, filledTo, ToldEngine } from '../index/words/fixtures.ts'
import { withWords } from '../index/words/words.ts'
import { generationDigest } from '../models/generation.ts'
import type { Embedder } from '../models/port.ts'
import { searchPassages } from './search.ts'

const embedder: Embedder = {
  identity: {
    ...{ model: 'fixture', sha256: '', pooling: 'cls', queryPrefix: '' },
    ...{ dimensions: DIMENSIONS, maxTokens: 512 },
  },
  window: 512,
  embed: async () => unit([1]),
  ready: async () => {},
  close: async () => {},
}

test('what a person may see is found by words, says why, and nothing else is found; own uploads at once', async () => {
  await using db = await testDatabase()
  const engine = new ToldEngine()
  engine.error = away()
  const index = withWords(engine, db.config('/tmp/terrace-unused'), pino({ level: 'silent' }))
  await using stack = new AsyncDisposableStack()
  stack.defer(() => index.close())
  const server = stack.use(await testServer(db, { services: { index, embedders: testEmbedders(embedder) } }))
  const reader = await server.person()
  const library = new FixtureLibrary(db.pool, generationDigest(embedder.identity))
  const mine = await library.collection({ owner: reader.viewer.userId })
  const theirs = await library.collection()
  const seen = await library.publish(await library.document(mine), [{ text: 'Flywheel notes.' }])
  const gone = await library.document(mine)
  await library.publish(gone, [{ text: 'Flywheel of old.' }])
  const hidden = await library.publish(await library.document(theirs), [{ text: 'Flywheel secret.' }])
  await filledTo(db, hidden.position)
  const search = async (query: string, more: object = {}) =>
    reader.api.search.passages.query({ query, ...more })
  await db.pool.query('UPDATE documents SET deleted_at = now() WHERE id = $1', [gone.id])
  const found = await search('flywheels')
  expect(found).toMatchObject({ mode: 'words', wordsOnly: 'engine-away', behind: false })
  expect(found.passages.map(({ passageId }) => passageId)).toEqual(seen.passageIds)
  expect(found.passages[0]).toMatchObject({ text: 'Flywheel notes.', cosine: null })

  const own = await library.publish(
    await library.document(mine),
    [{ text: 'Crankshaft notes.' }],
    reader.viewer.userId,
  )
  expect((await search('crankshaft')).passages.map(({ passageId }) => passageId)).toEqual(own.passageIds)

  await db.pool.query('DELETE FROM collection_members WHERE collection_id = $1', [mine.id])
  expect(await search('flywheels')).toMatchObject({ passages: [], wordsOnly: null })
})

test.each([true, false])(
  'where the engine changes hands between two looks, one of them counts: %s',
  async (goes) => {
    await using db = await testDatabase()
    await using server = await testServer(db, { services: { index: new ToldEngine() } })
    const reader = await server.person()
    const library = new FixtureLibrary(db.pool)
    const mine = await library.collection({ owner: reader.viewer.userId })
    const { passageIds } = await library.publish(await library.document(mine), [{ text: 'a' }, { text: 'b' }])
    const [a = 0, b = 0] = passageIds
    // What is not there any more makes it ask for more.
    const candidate = (passageId: number, score: number) => ({
      ...{ passageId, score, cosine: null, words: score, withoutVector: false },
    })
    const by = (away: boolean, candidates: IndexAnswer['candidates']): IndexAnswer => ({
      ...{ candidates, position: { epoch: '', seq: 0 } },
      ...(away ? { wordsOnly: 'engine-away' } : {}),
    })
    const answers = [by(!goes, [candidate(a, 0.9), candidate(987_654, 0.8)]), by(goes, [candidate(b, 0.4)])]
    class Changing extends ToldEngine {
      override async search(): Promise<IndexAnswer> {
        return answers.shift() ?? expect.unreachable('asked too often')
      }
    }
    const deps = { pool: db.pool, index: new Changing(), embedders: testEmbedders() }
    const { passages, wordsOnly } = await searchPassages(deps, reader.viewer, { query: 'a', limit: 2 })
    expect(passages.map(({ passageId }) => passageId)).toEqual([b])
    expect(wordsOnly).toBe(goes ? 'engine-away' : null)
  },
)
