// What a search promises beyond what the index has, with the index in OpenSearch: its writer's way to the database can be
// held up, another server searches. A real node; `npm run test:distributed`.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, expect, inject, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { testEmbedders } from '../../test/embedders.ts'
import { type Person, type TestServer, testServer } from '../../test/server.ts'
import { type SlowDatabase, slowDatabase } from '../../test/slow-database.ts'
import { type OpenSearchIndex, startOpenSearchIndex } from '../index/engines/opensearch/opensearch.ts'
import { FixtureLibrary } from '../index/fixtures.ts'
import type { Position } from '../index/port.ts'
import { generationDigest } from '../models/generation.ts'
import { embedder, IDENTITY, sharedCollection } from './fixtures.ts'
import { searchPassages } from './search.ts'

const PATIENCE_MS = 30_000
let db: TestDatabase
let slow: SlowDatabase
let writing: OpenSearchIndex
let searching: OpenSearchIndex
let server: TestServer
let library: FixtureLibrary
let home: string
beforeAll(async () => {
  home = mkdtempSync(path.join(tmpdir(), 'terrace-catch-up-'))
  db = await testDatabase()
  slow = await slowDatabase(db.url)
  const url = `${inject('opensearch')}/${new URL(db.url).pathname.slice(1)}`
  const start = (name: string, databaseUrl: string, writes: boolean) => {
    const config = { ...db.config(path.join(home, name)), databaseUrl }
    return startOpenSearchIndex(config, url, pino({ enabled: false }), { wanted: async () => writes })
  }
  writing = start('writing', slow.url, true)
  searching = start('searching', db.url, false)
  server = await testServer(db, { services: { index: searching } })
  library = new FixtureLibrary(db.pool, generationDigest(IDENTITY))
})
afterAll(async () => {
  slow.release()
  await server[Symbol.asyncDispose]()
  await Promise.all([writing.close(), searching.close()])
  await slow[Symbol.asyncDispose]()
  await db[Symbol.asyncDispose]()
  rmSync(home, { recursive: true, force: true })
})

let uploader: Person
let reader: Person
let collection: { id: string; key: number }
beforeEach(async () => {
  slow.release()
  uploader = await server.person()
  reader = await server.person()
  collection = await sharedCollection(db, library, { owner: uploader, viewer: reader })
  const { position } = await library.publish(await library.document(collection), [
    { text: 'A sextant on the shelf.', vector: [1, 1] },
  ])
  await searching.waitFor(position, PATIENCE_MS)
})

const search = async (person: Person, query: string, { seen, meaning = false }: Options = {}) => {
  const deps = {
    ...{ pool: db.pool, index: searching },
    embedders: meaning ? testEmbedders(embedder) : testEmbedders(),
  }
  const { passages } = await searchPassages(deps, person.viewer, { query, seen })
  return passages.map(({ passageId }) => passageId)
}

interface Options {
  readonly seen?: Position
  readonly meaning?: boolean
}

test('who has uploaded finds it in the next search, though nothing of it is in the cluster (promise P2)', async () => {
  slow.hold()
  const document = await library.document(collection)
  const passages = [
    { text: 'An astrolabe of brass.', vector: [0, 1] },
    { text: 'Lunch is at noon.', vector: [1, 0] },
  ]
  const by = uploader.viewer.userId
  const { passageIds } = await library.publish(document, passages, by)
  expect(await search(uploader, 'astrolabes')).toEqual([passageIds[0]])
  expect((await search(uploader, 'something round', { meaning: true }))[0]).toBe(passageIds[0])
  // The others need not see it yet.
  expect(await search(reader, 'astrolabes')).toEqual([])
  const next = await library.publish(document, [{ text: 'Another astrolabe.', vector: [0, 1] }], by)
  expect(await search(uploader, 'astrolabes')).toEqual(next.passageIds)
  slow.release()
  // And see it by themselves: nobody waits for a place of the log here (promise P4).
  await expect.poll(() => search(reader, 'astrolabes'), { timeout: PATIENCE_MS }).toEqual(next.passageIds)
})

test('what was seen on another server is found (promise P3)', async () => {
  slow.hold()
  const document = await library.document(collection)
  const { passageIds, position } = await library.publish(document, [{ text: 'A theodolite.' }])
  expect(await search(reader, 'theodolite')).toEqual([])
  expect(await search(reader, 'theodolite', { seen: position })).toEqual(passageIds)
  slow.release()
})

test('what was deleted is not returned while the cluster still has it (promise P5)', async () => {
  const document = await library.document(collection)
  const { passageIds, position } = await library.publish(document, [{ text: 'A secret gnomon.' }])
  await searching.waitFor(position, PATIENCE_MS)
  expect(await search(reader, 'gnomon')).toEqual(passageIds)
  slow.hold()
  await library.retract(document)
  expect(await search(reader, 'gnomon')).toEqual([])
  slow.release()
})
