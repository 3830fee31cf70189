// Two servers over one database: `near` has read everything, `far` has an index whose connection can be held up.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { POSITION_HEADER, parsePosition } from '../../../contract/position.ts'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { testEmbedders } from '../../test/embedders.ts'
import { type Person, type TestServer, testServer } from '../../test/server.ts'
import { type SlowDatabase, slowDatabase } from '../../test/slow-database.ts'
import type { Pool } from '../database/pool.ts'
import { type EmbeddedIndex, startEmbeddedIndex } from '../index/engines/embedded.ts'
import { DIMENSIONS, FixtureLibrary, unit } from '../index/fixtures.ts'
import type { Index, IndexQuery } from '../index/port.ts'
import { findReading } from '../ingest/reading.ts'
import { generationDigest } from '../models/generation.ts'
import type { Embedder } from '../models/port.ts'
import { embedder, IDENTITY, sharedCollection } from './fixtures.ts'
import { searchPassages } from './search.ts'

const log = pino({ enabled: false })

let db: TestDatabase
let slow: SlowDatabase
let near: EmbeddedIndex
let far: EmbeddedIndex
let server: TestServer
let library: FixtureLibrary
let home: string
beforeAll(async () => {
  home = mkdtempSync(path.join(tmpdir(), 'terrace-catch-up-'))
  db = await testDatabase()
  slow = await slowDatabase(db.url)
  const start = (name: string, databaseUrl: string) =>
    startEmbeddedIndex({ ...db.config(path.join(home, name)), databaseUrl }, log, { engine: 'exact' })
  near = await start('near', db.url)
  far = await start('far', slow.url)
  server = await testServer(db, { services: { index: far } })
  library = new FixtureLibrary(db.pool, generationDigest(IDENTITY))
})
afterAll(async () => {
  slow.release()
  await server[Symbol.asyncDispose]()
  await Promise.all([near.close(), far.close()])
  await slow[Symbol.asyncDispose]()
  await db[Symbol.asyncDispose]()
  rmSync(home, { recursive: true, force: true })
})

let writer: Person
let reader: Person
let collection: { id: string; key: number }
beforeEach(async () => {
  slow.release()
  writer = await server.person()
  reader = await server.person()
  collection = await sharedCollection(db, library, { owner: writer, viewer: reader })
  // Something that both have applied.
  const { position } = await library.publish(await library.document(collection), [
    { text: 'A sextant on the shelf.', vector: [1, 1] },
  ])
  await Promise.all([near.waitFor(position, 10_000), far.waitFor(position, 10_000)])
})

async function publish(texts: { text: string; vector?: number[] }[], by?: Person) {
  return library.publish(await library.document(collection), texts, by?.viewer.userId)
}
const search = (
  person: Person,
  query: string,
  {
    index = far,
    seen,
    meaning = false,
  }: { index?: EmbeddedIndex; seen?: { epoch: string; seq: number }; meaning?: boolean } = {},
) =>
  searchPassages(
    { pool: db.pool, index, embedders: meaning ? testEmbedders(embedder) : testEmbedders() },
    person.viewer,
    {
      ...{ query, seen },
    },
  )
const ids = (found: { passages: readonly { passageId: number }[] }) =>
  found.passages.map(({ passageId }) => passageId)

describe('who has written finds it in the next search, on any server (promise P2)', () => {
  test('by words and by meaning, though this index has not heard of it', async () => {
    slow.hold()
    const { passageIds } = await publish(
      [
        { text: 'An astrolabe of brass.', vector: [0, 1] },
        { text: 'Lunch is at noon.', vector: [1, 0] },
      ],
      writer,
    )
    const byWords = await search(writer, 'astrolabes')
    expect([ids(byWords), byWords.behind]).toEqual([[passageIds[0]], false])
    const byMeaning = await search(writer, 'something round', { meaning: true })
    expect(ids(byMeaning)[0]).toBe(passageIds[0])
    expect(byMeaning.passages[0]).toMatchObject({ withoutVector: false, cosine: expect.any(Number) })
    // The others need not see it yet: that is promise P4's two seconds.
    expect(ids(await search(reader, 'astrolabes'))).toEqual([])
    expect(ids(await search(reader, 'astrolabes', { index: near }))).toEqual([passageIds[0]])
    slow.release()
  })

  test('also the very first document, and one in another language', async () => {
    await using empty = await testDatabase()
    await using way = await slowDatabase(empty.url)
    const index = await startEmbeddedIndex(
      { ...empty.config(path.join(home, 'empty')), databaseUrl: way.url },
      log,
    )
    await using alone = await testServer(empty, { services: { index } })
    const person = await alone.person()
    const shelf = new FixtureLibrary(empty.pool, generationDigest(IDENTITY))
    const mine = await shelf.collection({ owner: person.viewer.userId })
    const { position } = await shelf.publish(await shelf.document(mine), [])
    await index.waitFor(position, 10_000)
    way.hold()
    const german = { text: 'Die Häuser am Hafen.', language: 'de' }
    const { passageIds } = await shelf.publish(await shelf.document(mine), [german], person.viewer.userId)
    const deps = { pool: empty.pool, index, embedders: testEmbedders() }
    expect(ids(await searchPassages(deps, person.viewer, { query: 'Haus Hafen' }))).toEqual(passageIds)
    way.release()
    await index.close()
  })

  test('a new version replaces the old one at once', async () => {
    const document = await library.document(collection)
    const old = await library.publish(document, [{ text: 'Compass, first edition.' }], writer.viewer.userId)
    await far.waitFor(old.position, 10_000)
    slow.hold()
    const { passageIds } = await library.publish(
      document,
      [{ text: 'Compass, second edition.' }],
      writer.viewer.userId,
    )
    expect(ids(await search(writer, 'compass edition'))).toEqual(passageIds)
    slow.release()
  })

  test('what waits for its vectors is found once when they come', async () => {
    const document = await library.document(collection)
    const words = await library.publishWords(document, [{ text: 'A barometer.', vector: [0, 1] }])
    await far.waitFor(words.position, 10_000)
    slow.hold()
    await library.publishVectors(document, words)
    const seen = { ...words.position, seq: words.position.seq + 1 }
    const found = await search(reader, 'barometer', { seen, meaning: true })
    expect(ids(found).filter((id) => id === words.passageIds[0])).toHaveLength(1)
    expect(found.passages[0]).toMatchObject({ passageId: words.passageIds[0], withoutVector: false })
    slow.release()
    // Published once more, as after a replacement that was cancelled: here it has its vectors already.
    await far.waitFor(seen, 10_000)
    slow.hold()
    const again = await library.publishVectors(document, words)
    const twice = await search(reader, 'barometer', { seen: again, meaning: true })
    expect(ids(twice).filter((id) => id === words.passageIds[0])).toHaveLength(1)
    slow.release()
  })

  describe('of documents that are read in several ways', () => {
    let reading: number
    beforeEach(async () => {
      const of = { parser: 1, splitter: 1, passageTokens: 320 }
      reading = (await findReading(db.pool, of)).id
    })

    async function goBackTo(generation: number): Promise<void> {
      slow.release()
      const back = await library.switchTo(generation)
      await far.waitFor(back, 10_000)
      await expect.poll(() => far.status().generation).toBe(generation)
    }

    test('only the passages whose words were published', async () => {
      const document = await library.document(collection)
      slow.hold()
      const words = await library.publishWords(document, [{ text: 'A hygrometer.', vector: [0, 1] }])
      await library.read(words, reading, [{ text: 'A hygrometer, and more.' }])
      const [before, seen] = [words.position, { ...words.position, seq: words.position.seq + 1 }]
      expect(ids(await search(reader, 'hygrometer', { seen: before }))).toEqual(words.passageIds)
      await library.publishVectors(document, words)
      const found = await search(reader, 'hygrometer', { seen, meaning: true })
      expect(found.passages.filter(({ text }) => text.includes('hygrometer'))).toMatchObject([
        { passageId: words.passageIds[0], withoutVector: false },
      ])
      slow.release()
      // The index has its words; of its vectors it has not heard.
      await far.waitFor(seen, 10_000)
      slow.hold()
      const again = await library.publishVectors(document, words)
      expect(ids(await search(reader, 'hygrometer', { seen: again }))).toEqual(words.passageIds)
      slow.release()
    })

    test('of words that were published twice the last, with their vectors', async () => {
      const document = await library.document(collection)
      slow.hold()
      const words = await library.publishWords(document, [{ text: 'A pedometer.' }])
      const generation = await library.buildGeneration(`other ${words.versionId}`, () => [], reading)
      const again = await library.read(
        words,
        reading,
        [{ text: 'A pedometer, and more.', vector: [0, 1] }],
        generation,
      )
      const old = await library.generation()
      await library.switchTo(generation)
      const seen = await library.publishVectors(document, words, generation)
      try {
        expect(ids(await search(reader, 'pedometer', { seen }))).toEqual(again)
        // An index that holds the new vectors already, and has yet to read that entry.
        const status = () => ({ ...far.status(), generation })
        const asked: IndexQuery[] = []
        const ahead: Index = {
          ...{ waitFor: (...of) => far.waitFor(...of), close: async () => {}, status },
          async search(query) {
            asked.push(await query)
            return { candidates: [], position: seen }
          },
        }
        const deps = { pool: db.pool, index: ahead, embedders: testEmbedders(embedder) }
        await searchPassages(deps, reader.viewer, { query: 'pedometer', seen })
        expect(asked[0]?.extra).toMatchObject([{ id: again[0], vector: unit([0, 1]) }])
      } finally {
        await goBackTo(old)
      }
    })

    test('and not those of the words before, which the index still has', async () => {
      const document = await library.document(collection)
      const words = await library.publishWords(document, [{ text: 'A manometer.' }])
      await far.waitFor(words.position, 10_000)
      slow.hold()
      const generation = await library.buildGeneration(`fourth ${words.versionId}`, () => [], reading)
      const passages = [{ text: 'A manometer, and more.', vector: [0, 1] }]
      const again = await library.read(words, reading, passages, generation)
      const old = await library.generation()
      await library.switchTo(generation)
      const seen = await library.publishVectors(document, words, generation)
      try {
        expect(ids(await search(reader, 'manometer', { seen }))).toEqual(again)
      } finally {
        await goBackTo(old)
      }
    })

    test('where its vectors came before another generation was active: those of the passages that the index has', async () => {
      const document = await library.document(collection)
      const words = await library.publishWords(document, [{ text: 'A tachymeter.', vector: [0, 1] }])
      await far.waitFor(words.position, 10_000)
      const generation = await library.buildGeneration(`third ${words.versionId}`, () => [], reading)
      slow.hold()
      await library.publishVectors(document, words)
      await library.read(words, reading, [{ text: 'A tachymeter, and more.', vector: [0, 1] }], generation)
      const old = await library.generation()
      const seen = await library.switchTo(generation)
      try {
        const found = await search(reader, 'tachymeter', { seen, meaning: true })
        expect(found.passages.filter(({ text }) => text.includes('tachymeter'))).toMatchObject([
          { passageId: words.passageIds[0], withoutVector: false },
        ])
      } finally {
        await goBackTo(old)
      }
    })
  })

  test('too much to be read at once: it is waited for, and then the answer says that it is behind', async () => {
    slow.hold()
    const many = Array.from({ length: 2_001 }, (_, i) => ({ text: `Chronometer ${i}.` }))
    const { position } = await publish(many, writer)
    expect(await search(writer, 'chronometer')).toMatchObject({ passages: [], behind: true })
    const waiting = search(writer, 'chronometer')
    setTimeout(() => slow.release(), 400)
    const found = await waiting
    await far.waitFor(position, 20_000)
    expect(found.behind || found.passages.length === 10).toBe(true)
    expect((await search(writer, 'chronometer')).passages).toHaveLength(10)
  })
})

describe('what is missing is read for one search, and', () => {
  const other: Embedder = { ...embedder, identity: { ...IDENTITY, model: 'other' } }
  const asked: IndexQuery[] = []
  let generation: number | null
  let gate: PromiseWithResolvers<void>
  beforeEach(() => {
    asked.length = 0
    generation = far.status().generation
    gate = Promise.withResolvers()
  })

  /** The far index as it says it is, whose searches are noted and wait for the gate. */
  const noted: Index = {
    ...{ waitFor: (...of) => far.waitFor(...of), close: async () => {} },
    status: () => ({ ...far.status(), generation }),
    async search(query) {
      asked.push(await query)
      await gate.promise
      return { candidates: [], position: { epoch: '', seq: 0 } }
    },
  }
  /** `onRead`: once the missing passages are there. */
  const searchNoted = (onRead = () => {}) => {
    const query = async (...of: Parameters<typeof db.pool.query>) => {
      const result = await db.pool.query(...of)
      if (String(of[0]).includes('LIMIT 2001')) onRead()
      return result
    }
    const deps = {
      pool: { query } as unknown as Pool,
      index: noted,
      embedders: testEmbedders(embedder, other),
    }
    return searchPassages(deps, writer.viewer, { query: 'planimeter' })
  }

  test('is not compared with a question of another generation', async () => {
    const { rows } = await db.pool.query<{ id: number }>(
      "INSERT INTO generations (digest, key, dimensions, state) VALUES ($1, '{}', $2, 'retired') RETURNING id",
      [generationDigest(other.identity), DIMENSIONS],
    )
    slow.hold()
    await publish([{ text: 'A planimeter.', vector: [1] }], writer)
    gate.resolve()
    await searchNoted()
    expect(asked[0]?.extra?.map(({ vector }) => vector?.length)).toEqual([DIMENSIONS])
    asked.length = 0
    await searchNoted(() => {
      generation = rows[0]?.id ?? null
    })
    expect(asked[0]).toMatchObject({ generation: rows[0]?.id, extra: [{ vector: null }] })
  })

  test('of one person only two at a time: the others wait for their place', async () => {
    slow.hold()
    await publish([{ text: 'A planimeter.', vector: [1] }], writer)
    const searches = [1, 2, 3, 4, 5].map(() => searchNoted())
    await expect.poll(() => asked.length, { timeout: 10_000 }).toBe(2)
    await sleep(500)
    expect(asked).toHaveLength(2)
    gate.resolve()
    await Promise.all(searches)
    // Two more at a time; each asks for more than the nothing it got at most once.
    expect(asked.length).toBeGreaterThanOrEqual(5)
  })
})

describe("nobody's searches go back in time (promise P3)", () => {
  test('what was seen on one server is found on another', async () => {
    slow.hold()
    const { passageIds, position } = await publish([{ text: 'A theodolite.' }])
    await near.waitFor(position, 10_000)
    const seen = near.status().position ?? undefined
    expect(ids(await search(reader, 'theodolite', { index: near }))).toEqual(passageIds)
    expect(ids(await search(reader, 'theodolite'))).toEqual([])
    expect(ids(await search(reader, 'theodolite', seen === undefined ? {} : { seen }))).toEqual(passageIds)
    slow.release()
  })

  test('a reply says how far its server had come, and a request how far its client has seen', async () => {
    const reply = await reader.fetch(
      '/trpc/search.passages?input=%7B%22json%22%3A%7B%22query%22%3A%22x%22%7D%7D',
    )
    const told = parsePosition(reply.headers.get(POSITION_HEADER))
    expect(told).toEqual(far.status().position)
    slow.hold()
    const { passageIds } = await publish([{ text: 'A planimeter.' }])
    const ask = async (headers: Record<string, string>) => {
      const input = encodeURIComponent(JSON.stringify({ json: { query: 'planimeter' } }))
      const answer = await reader.fetch(`/trpc/search.passages?input=${input}`, { headers })
      const body = (await answer.json()) as {
        result: { data: { json: { passages: { passageId: number }[] } } }
      }
      return ids(body.result.data.json)
    }
    expect(await ask({})).toEqual([])
    const ahead = `${told?.epoch}:${(told?.seq ?? 0) + 2}`
    expect(await ask({ [POSITION_HEADER]: ahead })).toEqual(passageIds)
    // Nobody has seen what is not there: no more is waited for than the log has.
    expect(await ask({ [POSITION_HEADER]: `${told?.epoch}:999999999999` })).toEqual(passageIds)
    expect(await ask({ [POSITION_HEADER]: 'nonsense' })).toEqual([])
    slow.release()
  })
})

test('rights are asked for whatever was missing, too', async () => {
  slow.hold()
  const { passageIds, position } = await publish([{ text: 'A secret gnomon.' }], writer)
  expect(ids(await search(reader, 'gnomon', { seen: position }))).toEqual(passageIds)
  await db.pool.query('DELETE FROM collection_members WHERE user_id = $1', [reader.viewer.userId])
  expect(ids(await search(reader, 'gnomon', { seen: position }))).toEqual([])
  slow.release()
})
