import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { testEmbedders } from '../../test/embedders.ts'
import { client, type Person, type TestServer, testServer } from '../../test/server.ts'
import { type EmbeddedIndex, startEmbeddedIndex } from '../index/engines/embedded.ts'
import { DIMENSIONS, FixtureLibrary, unit } from '../index/fixtures.ts'
import type { Index } from '../index/port.ts'
import { generationDigest } from '../models/generation.ts'
import type { Embedder, EmbedderIdentity } from '../models/port.ts'
import { fetchPassages } from './passages.ts'
import { searchPassages } from './search.ts'

const IDENTITY: EmbedderIdentity = {
  ...{ model: 'fixture', sha256: '', pooling: 'cls', queryPrefix: '' },
  ...{ dimensions: DIMENSIONS, maxTokens: 512 },
}

let db: TestDatabase
let server: TestServer
let index: EmbeddedIndex
let library: FixtureLibrary
let home: string
beforeAll(async () => {
  home = mkdtempSync(path.join(tmpdir(), 'terrace-retrieval-'))
  db = await testDatabase()
  index = await startEmbeddedIndex(db.config(home), pino({ enabled: false }), { engine: 'exact' })
  server = await testServer(db, { services: { index } })
  library = new FixtureLibrary(db.pool, generationDigest(IDENTITY))
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await index.close()
  await db[Symbol.asyncDispose]()
  rmSync(home, { recursive: true, force: true })
})

let reader: Person
let mine: { id: string; key: number }
let foreign: { id: string; key: number }
beforeEach(async () => {
  reader = await server.person()
  mine = await library.collection({ owner: reader.viewer.userId })
  foreign = await library.collection()
})

async function shelve(collection: { id: string; key: number }, ...texts: string[]) {
  const document = await library.document(collection, 'report.txt')
  const version = await library.publish(
    document,
    texts.map((text) => ({ text, heading: 'Report' })),
  )
  await index.waitFor(version.position, 10_000)
  return { ...document, ...version }
}

const search = (query: string, extra: object = {}) => reader.api.search.passages.query({ query, ...extra })

describe('search.passages', () => {
  test('finds what the person may see, with its place and scores, and nothing else', async () => {
    const document = await shelve(mine, 'The turbine was repaired.', 'Lunch is at noon.')
    await shelve(foreign, 'The turbine of somebody else.')
    const found = await search('turbines repaired')
    expect(found).toMatchObject({ mode: 'words', searchedCollections: 1 })
    expect(found.passages).toHaveLength(1)
    expect(found.passages[0]).toMatchObject({
      passageId: document.passageIds[0],
      documentId: document.id,
      documentName: 'report.txt',
      versionId: document.versionId,
      collectionId: mine.id,
      page: 1,
      heading: 'Report',
      text: 'The turbine was repaired.',
      cosine: null,
      withoutVector: true,
    })
  })

  test('ranges over the named collections or one document; what is not visible is not there', async () => {
    const other = await library.collection({ owner: reader.viewer.userId })
    const here = await shelve(mine, 'Gearbox one.')
    const there = await shelve(other, 'Gearbox two.')
    const theirs = await shelve(foreign, 'Gearbox three.')
    const ids = async (scope: object) => (await search('gearbox', scope)).passages.map((hit) => hit.passageId)
    expect(await ids({})).toEqual([...here.passageIds, ...there.passageIds])
    expect(await ids({ collectionIds: [other.id] })).toEqual(there.passageIds)
    expect(await ids({ collectionIds: [other.id, foreign.id] })).toEqual(there.passageIds)
    expect(await ids({ documentId: here.id })).toEqual(here.passageIds)
    await expect(ids({ collectionIds: [foreign.id] })).rejects.toMatchObject({ data: { code: 'NOT_FOUND' } })
    await expect(ids({ documentId: theirs.id })).rejects.toMatchObject({ data: { code: 'NOT_FOUND' } })
    await expect(ids({ collectionIds: [] })).rejects.toMatchObject({ data: { code: 'NOTHING_TO_SEARCH' } })
  })

  test("a chat's own collection is searched only when it is named", async () => {
    const chat = await library.collection({ owner: reader.viewer.userId, kind: 'chat' })
    const dropped = await shelve(chat, 'Flywheel notes.')
    expect((await search('flywheel')).passages).toEqual([])
    const named = await search('flywheel', { collectionIds: [chat.id] })
    expect(named.passages.map((hit) => hit.passageId)).toEqual(dropped.passageIds)
  })

  test('rights through a team count, and end with it', async () => {
    const shared = await shelve(foreign, 'Crankshaft manual.')
    await db.pool.query(
      "INSERT INTO organizations (id, name, slug) VALUES ('o', 'o', 'o') ON CONFLICT DO NOTHING",
    )
    await db.pool.query(
      "INSERT INTO teams (id, name, organization_id) VALUES ('t', 't', 'o') ON CONFLICT DO NOTHING",
    )
    await db.pool.query(
      "INSERT INTO team_members (id, team_id, user_id) VALUES (gen_random_uuid(), 't', $1)",
      [reader.viewer.userId],
    )
    await db.pool.query(
      "INSERT INTO collection_teams (collection_id, team_id, role) VALUES ($1, 't', 'viewer')",
      [foreign.id],
    )
    expect((await search('crankshaft')).passages.map((hit) => hit.passageId)).toEqual(shared.passageIds)
    await db.pool.query('DELETE FROM team_members WHERE user_id = $1', [reader.viewer.userId])
    expect((await search('crankshaft')).passages).toEqual([])
  })

  test('without any collection there is nothing, not an error', async () => {
    const newcomer = await server.person()
    const found = await newcomer.api.search.passages.query({ query: 'anything' })
    expect(found).toEqual({
      mode: 'words',
      passages: [],
      searchedCollections: 0,
      behind: false,
      wordsOnly: null,
    })
  })

  test('refuses nobody, nothing and far too much', async () => {
    const refused = (promise: Promise<unknown>, code: string) =>
      expect(promise).rejects.toMatchObject({ data: { code } })
    await refused(server.anonymous.api.search.passages.query({ query: 'x' }), 'SIGN_IN_REQUIRED')
    await refused(search('   '), 'INVALID_INPUT')
    await refused(search('x'.repeat(8_001)), 'QUESTION_TOO_LONG')
    await refused(search('x', { limit: 201 }), 'INVALID_INPUT')
    await refused(search('x', { method: 'magic' }), 'INVALID_INPUT')
    await refused(search('x', { documentId: "' OR 1=1 --" }), 'INVALID_INPUT')
    expect((await search('\0 \u202e {"$ne": 1} %00')).passages).toEqual([])
  })
})

describe('whatever the index still holds (promise P5)', () => {
  const behindItsBack = (sql: string, values: unknown[]) => db.pool.query(sql, values)

  test('deleted, replaced and forbidden text does not come back, and others take its place', async () => {
    const texts = Array.from({ length: 4 }, (_, i) => `Piston ring ${i}.`)
    const deleted = await shelve(mine, ...texts)
    const replaced = await shelve(mine, ...texts)
    const forbidden = await shelve(foreign, ...texts)
    await behindItsBack(
      "INSERT INTO collection_members (collection_id, user_id, role) VALUES ($1, $2, 'viewer')",
      [foreign.id, reader.viewer.userId],
    )
    const kept = await shelve(mine, 'A piston among many other things that make the passage longer.')
    // No entry in the log: an index that lags for ever.
    await behindItsBack('UPDATE documents SET deleted_at = now() WHERE id = $1', [deleted.id])
    await behindItsBack('UPDATE documents SET current_version_id = NULL WHERE id = $1', [replaced.id])
    await behindItsBack('DELETE FROM collection_members WHERE collection_id = $1', [foreign.id])
    const found = await search('piston ring', { limit: 3 })
    expect(found.passages.map((hit) => hit.passageId)).toEqual(kept.passageIds)
    const ids = [deleted, replaced, forbidden, kept].flatMap(({ passageIds }) => passageIds)
    const readable = await fetchPassages(db.pool, reader.viewer, ids.toReversed())
    expect(readable.map(({ passageId }) => passageId)).toEqual(kept.passageIds)
  })

  test('a right taken away between ranking and reading is respected', async () => {
    await shelve(mine, 'Camshaft secret.')
    const slow: Index = {
      status: () => index.status(),
      waitFor: (...position) => index.waitFor(...position),
      close: () => index.close(),
      search: async (...asked: Parameters<EmbeddedIndex['search']>) => {
        const answer = await index.search(...asked)
        await behindItsBack('DELETE FROM collection_members WHERE collection_id = $1', [mine.id])
        return answer
      },
    }
    const deps = { pool: db.pool, index: slow, embedders: testEmbedders() }
    expect((await searchPassages(deps, reader.viewer, { query: 'camshaft' })).passages).toEqual([])
  })
})

describe('with an embedder', () => {
  const embedder = (embed: Embedder['embed'], identity = IDENTITY) =>
    testEmbedders({ identity, embed, window: 4, ready: async () => {}, close: async () => {} })

  test('the question is embedded as one, and finds by meaning', async () => {
    const document = await library.document(mine)
    const { passageIds, position } = await library.publish(document, [
      { text: 'Nothing alike.', vector: [1, 0] },
      { text: 'Neither.', vector: [0, 1] },
    ])
    await index.waitFor(position, 10_000)
    const asked: unknown[] = []
    const deps = {
      pool: db.pool,
      index,
      embedders: embedder(async (...call) => {
        asked.push(call.slice(0, 2))
        return unit([0.2, 1])
      }),
    }
    const found = await searchPassages(deps, reader.viewer, { query: 'something else' })
    expect(asked).toEqual([['something else', 'query']])
    expect(found.mode).toBe('words+meaning')
    expect(found.passages.map((hit) => hit.passageId)).toEqual([passageIds[1], passageIds[0]])
  })

  test('with what was asked before: its words are found, too, and what is embedded can be told', async () => {
    const document = await library.document(mine)
    const { passageIds, position } = await library.publish(document, [
      { text: 'Flange.', vector: [1, 0] },
      { text: 'Grommet.', vector: [1, 0] },
      { text: 'Neither.', vector: [1, 0] },
    ])
    await index.waitFor(position, 10_000)
    const asked: string[] = []
    const embedders = embedder(async (text) => {
      asked.push(text)
      return unit([1, 0])
    })
    const query = { query: 'And the flange?', previous: 'Where is the grommet?' }
    const deps = { pool: db.pool, index, embedders }
    const found = await searchPassages(deps, reader.viewer, query)
    await searchPassages(deps, reader.viewer, { ...query, meaning: 'Grommet, flange?' })
    expect(asked).toEqual(['And the flange?', 'Grommet, flange?'])
    expect(found.passages.map((hit) => hit.passageId)).toEqual(passageIds)
    expect(found.passages.map(({ words }) => words > 0)).toEqual([true, true, false])
  })

  test('one method alone is asked for over HTTP too, and says what ranked', async () => {
    const document = await library.document(mine)
    const { passageIds, position } = await library.publish(document, [
      { text: 'Gasket, gasket, gasket.', vector: [0.8, 1] },
      { text: 'Nothing of the kind.', vector: [0, 1] },
    ])
    await index.waitFor(position, 10_000)
    let embedded = 0
    const asking = embedder(async () => {
      embedded++
      return unit([0.1, 1])
    })
    await using embedding = await testServer(db, { services: { index, embedders: asking } })
    const person = client(embedding.url, embedding.config, reader.cookie)
    const ask = async (method?: 'fused' | 'words' | 'meaning') => {
      const found = await person.api.search.passages.query({ query: 'gasket', ...(method && { method }) })
      return [found.mode, found.passages.map((hit) => hit.passageId)]
    }
    const [first, second] = passageIds
    expect(await ask('words')).toEqual(['words', [first]])
    expect(embedded).toBe(0)
    expect(await ask('meaning')).toEqual(['meaning', [second, first]])
    expect(await ask('fused')).toEqual(['words+meaning', [first, second]])
    expect(await ask()).toEqual(await ask('fused'))
    await expect(search('gasket', { method: 'meaning' })).rejects.toMatchObject({
      data: { code: 'UNAVAILABLE' },
    })
    // As many passages as the index can rank, for whoever counts documents.
    expect((await person.api.search.passages.query({ query: 'gasket', limit: 200 })).passages).toHaveLength(2)
  })

  test('vectors of another embedder are not compared: words only, and said so', async () => {
    const document = await library.document(mine)
    const { passageIds, position } = await library.publish(document, [
      { text: 'Bearing.', vector: [1, 0] },
      { text: 'Unlike.', vector: [0, 1] },
    ])
    await index.waitFor(position, 10_000)
    const other = embedder(async () => unit([0, 1]), { ...IDENTITY, sha256: 'other weights' })
    const found = await searchPassages({ pool: db.pool, index, embedders: other }, reader.viewer, {
      query: 'bearing',
    })
    expect(found.mode).toBe('words')
    expect(found.passages.map((hit) => hit.passageId)).toEqual([passageIds[0]])
  })

  test('with several embedders, too, the question is embedded before the database has answered', async () => {
    await shelve(mine, 'Tappet.')
    let begun = () => {}
    const make = (identity: EmbedderIdentity): Embedder => ({
      ...{ identity, window: 1, ready: async () => {}, close: async () => {} },
      embed: async () => {
        begun()
        return unit([0, 1])
      },
    })
    const embedders = testEmbedders(make({ ...IDENTITY, model: 'another' }), make(IDENTITY))
    // Which one it is, is known from the search before.
    expect(
      await searchPassages({ pool: db.pool, index, embedders }, reader.viewer, { query: 'tappet' }),
    ).toMatchObject({ mode: 'words+meaning' })
    const embedding = new Promise<void>((resolve) => {
      begun = resolve
    })
    const slow = Object.assign(Object.create(db.pool), {
      query: async (...args: Parameters<typeof db.pool.query>) => {
        await embedding
        return db.pool.query(...args)
      },
    })
    const found = await searchPassages({ pool: slow, index, embedders }, reader.viewer, { query: 'tappet' })
    expect(found.mode).toBe('words+meaning')
  })

  test('one person’s crowd of questions does not stand before everybody else’s', async () => {
    const row: { query: string; done: () => void }[] = []
    const slow = embedder(
      (query) => new Promise((resolve) => row.push({ query, done: () => resolve(unit([0, 1])) })),
    )
    const deps = { pool: db.pool, index, embedders: slow }
    const crowd = Array.from({ length: 50 }, (_, i) =>
      searchPassages(deps, reader.viewer, { query: `crowd ${i}` }),
    )
    await expect.poll(() => row.length).toBe(4)
    const other = await server.person()
    await library.collection({ owner: other.viewer.userId })
    const alone = searchPassages(deps, other.viewer, { query: 'alone' })
    await expect.poll(() => row[4]?.query).toBe('alone')
    row[4]?.done()
    await alone
    // All of the crowd get their turn, in order.
    for (let i = 0; i < 51; i++) {
      await expect.poll(() => row[i]).toBeDefined()
      row[i]?.done()
    }
    await Promise.all(crowd)
    expect(row.filter(({ query }) => query !== 'alone').map(({ query }) => query)).toEqual(
      Array.from({ length: 50 }, (_, i) => `crowd ${i}`),
    )
  })

  test('what the embedder throws ends the search, not the process', async () => {
    const deps = { pool: db.pool, index, embedders: embedder(async () => Promise.reject(new Error('no'))) }
    await shelve(mine, 'Valve.')
    await expect(searchPassages(deps, reader.viewer, { query: 'valve' })).rejects.toThrow('no')
    const scope = { query: 'valve', collectionIds: [foreign.id] }
    await expect(searchPassages(deps, reader.viewer, scope)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})
