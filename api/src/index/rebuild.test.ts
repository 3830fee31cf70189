import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { testDatabase } from '../../test/database.ts'
import { type Pool, transaction } from '../database/pool.ts'
import { FIRST_READING, findReading, SEEN_READING } from '../ingest/reading.ts'
import { applyEntry } from './apply.ts'
import { databaseSource, readLog } from './database-source.ts'
import { type FixtureDocument, FixtureLibrary, type FixtureVersion, unit } from './fixtures.ts'
import { append } from './log.ts'
import { NO_VECTOR } from './passages.ts'
import { rebuild } from './rebuild.ts'
import type { IndexState } from './state.ts'
import { exactEngine } from './vectors/exact.ts'

const dir = mkdtempSync(path.join(tmpdir(), 'terrace-rebuild-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const files = () =>
  readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())

test('one that fails leaves none of the vectors that it has put on the disk', async () => {
  await using db = await testDatabase()
  const library = new FixtureLibrary(db.pool)
  // Somewhat more than go to the disk at once.
  const passages = Array.from({ length: 17_000 }, (_, i) => ({ text: 'sloe', vector: [1, i] }))
  await library.publish(await library.document(await library.collection()), passages)
  const stop = new AbortController()
  const exact = exactEngine()
  let sealed = 0
  const engine = {
    ...exact,
    open(file: string, dimensions: number) {
      const segment = exact.open(file, dimensions)
      sealed = files().length
      stop.abort(new Error('the server is stopping'))
      return segment
    },
  }
  await expect(rebuild(db.pool, engine, dir, stop.signal)).rejects.toThrow('stopping')
  expect(sealed).toBe(1)
  expect(files()).toEqual([])
})

const rebuilt = (pool: Pool) => rebuild(pool, exactEngine(), dir, new AbortController().signal)

/** All that the log has, as the tail applies it. */
async function follow(pool: Pool, state: IndexState): Promise<void> {
  const source = databaseSource(pool)
  for (;;) {
    const { entries } = await readLog(pool, state.position)
    if (entries.length === 0) return
    for (const entry of entries) await applyEntry(state, source, entry)
  }
}

/** Passages by id, with what searches go by. Numbers inside differ with the way that a state came to be. */
function held(state: IndexState) {
  const { passages, vectors } = state
  const probe = unit([3, 1, 4, 1, 5])
  const found = [...passages.documents].flatMap(([key, slot]) => {
    const { first, count, versionId } = passages.documentAt[slot] ?? expect.fail('no document')
    return Array.from({ length: count }, (_, i) => {
      const vector = passages.vector.values[first + i] ?? NO_VECTOR
      const cosine = vector === NO_VECTOR ? null : vectors?.score(probe, vector)
      const [id, words] = [passages.ids.values[first + i] ?? 0, passages.lengths.values[first + i]]
      return { id, key, versionId, words, cosine }
    })
  })
  return found.sort((a, b) => a.id - b.id)
}

describe('of documents that are read in several ways', () => {
  const WAYS = [FIRST_READING, 2] as const
  type Way = (typeof WAYS)[number]
  const [KEYS, PASSAGES] = [4, 3]

  interface Row {
    readonly document: FixtureDocument
    readonly version: FixtureVersion
    readonly texts: readonly string[]
    readonly read: Set<Way>
    searchable: boolean
  }

  /** A generation for each reading, of which the first one is active in the beginning. */
  class Shelf {
    readonly pool: Pool
    readonly #libraries: Record<Way, FixtureLibrary>
    readonly #generations: Record<Way, number>
    readonly #collection: { id: string; key: number }
    readonly #rows = new Map<number, Row>()
    #way: Way = FIRST_READING

    private constructor(
      pool: Pool,
      libraries: Record<Way, FixtureLibrary>,
      generations: Record<Way, number>,
      collection: { id: string; key: number },
    ) {
      this.pool = pool
      this.#libraries = libraries
      this.#generations = generations
      this.#collection = collection
    }

    static async make(pool: Pool): Promise<Shelf> {
      const library = new FixtureLibrary(pool)
      const { id } = await findReading(pool, { parser: 1, splitter: 1, passageTokens: 320 })
      expect(id).toBe(2)
      const first = await library.generation()
      const second = await library.buildGeneration('second', () => [], 2)
      const libraries = { 1: library, 2: new FixtureLibrary(pool, 'second') }
      return new Shelf(pool, libraries, { 1: first, 2: second }, await library.collection())
    }

    /** As it was made; what the log has stays. */
    async empty(): Promise<void> {
      await this.pool.query('DELETE FROM documents')
      this.#rows.clear()
      await this.switchTo(FIRST_READING)
    }

    /** Other passages of the same text: of the second reading as many again. */
    #passages(texts: readonly string[], way: Way) {
      return Array.from({ length: texts.length * way }, (_, i) => ({
        text: texts[Math.floor(i / way)] ?? '',
        vector: [way, i + 1, texts.length],
      }))
    }

    async words(key: number, texts: readonly string[]): Promise<void> {
      const [way, library] = [this.#way, this.#libraries[this.#way]]
      const document = this.#rows.get(key)?.document ?? (await library.document(this.#collection))
      const passages = this.#passages(texts, way)
      const version = await library.publishWords(document, passages, undefined, undefined, way)
      this.#rows.set(key, { document, version, texts, read: new Set([way]), searchable: false })
    }

    /** In the background: nothing is said in the log. */
    async read(key: number, way: Way): Promise<void> {
      const row = this.#rows.get(key)
      if (row === undefined || row.read.has(way)) return
      const passages = this.#passages(row.texts, way)
      await this.#libraries[way].read(row.version, way, passages, this.#generations[way])
      row.read.add(way)
    }

    async vectors(key: number): Promise<void> {
      const row = this.#rows.get(key)
      if (row === undefined) return
      await this.read(key, this.#way)
      await this.#libraries[this.#way].publishVectors(row.document, row.version, this.#generations[this.#way])
      row.searchable = true
    }

    /** The version after it was cancelled, and this one has no vectors of the active generation. */
    async backToWords(key: number, way: Way): Promise<void> {
      const row = this.#rows.get(key)
      if (!row?.read.has(way)) return
      row.searchable = false
      const { versionId } = row.version
      await transaction(this.pool, async (client) => {
        await client.query("UPDATE document_versions SET stage = 'words', reading_id = $2 WHERE id = $1", [
          ...[versionId, way],
        ])
        const place = { collectionKey: row.document.collectionKey, documentKey: row.document.key }
        await append(client, { op: 'publish-words', ...place, versionId, readingId: way })
      })
    }

    async switchTo(way: Way): Promise<void> {
      if (way === this.#way) return
      for (const [key, { searchable }] of this.#rows) if (searchable) await this.read(key, way)
      await this.#libraries[way].switchTo(this.#generations[way])
      this.#way = way
    }

    async retract(key: number): Promise<void> {
      const row = this.#rows.get(key)
      if (row !== undefined) await this.#libraries[this.#way].retract(row.document)
      this.#rows.delete(key)
    }

    /** By the definition. */
    async seen(): Promise<number[]> {
      const { rows } = await this.pool.query<{ id: string }>(
        `SELECT p.id FROM documents d JOIN document_versions v ON v.id = d.current_version_id
         JOIN passages p ON p.version_id = v.id AND p.reading_id = ${SEEN_READING}
         WHERE d.deleted_at IS NULL ORDER BY p.id`,
      )
      return rows.map(({ id }) => Number(id))
    }
  }

  const key = fc.integer({ min: 1, max: KEYS })
  const way = fc.constantFrom(...WAYS)
  const texts = fc.array(fc.constantFrom('sloe', 'damson plum', 'the greengage'), { maxLength: PASSAGES })
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ op: fc.constant('words' as const), key, texts }) },
    { weight: 3, arbitrary: fc.record({ op: fc.constant('read' as const), key, way }) },
    { weight: 4, arbitrary: fc.record({ op: fc.constant('vectors' as const), key }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant('back to words' as const), key, way }) },
    { weight: 2, arbitrary: fc.record({ op: fc.constant('switch' as const), way }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant('retract' as const), key }) },
    { weight: 3, arbitrary: fc.record({ op: fc.constant('compare' as const) }) },
  )

  test('one holds what one that followed the log does, and that is what searches see (promise P6)', async () => {
    await using db = await testDatabase()
    const shelf = await Shelf.make(db.pool)
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 30 }), async (steps) => {
        await shelf.empty()
        let followed = await rebuilt(db.pool)
        for (const one of [...steps, { op: 'compare' as const }])
          if (one.op === 'words') await shelf.words(one.key, one.texts)
          else if (one.op === 'read') await shelf.read(one.key, one.way)
          else if (one.op === 'vectors') await shelf.vectors(one.key)
          else if (one.op === 'back to words') await shelf.backToWords(one.key, one.way)
          else if (one.op === 'retract') await shelf.retract(one.key)
          else if (one.op === 'switch') {
            await shelf.switchTo(one.way)
            // By a process that takes over.
            const next = await rebuilt(db.pool)
            if (next.generation?.id === followed.generation?.id) next.close()
            else {
              followed.close()
              followed = next
            }
          } else {
            await follow(db.pool, followed)
            const now = await rebuilt(db.pool)
            expect(now.position.seq).toBe(followed.position.seq)
            expect(held(followed)).toEqual(held(now))
            expect(held(now).map(({ id }) => id)).toEqual(await shelf.seen())
            now.close()
          }
        followed.close()
      }),
      { numRuns: 15 },
    )
  }, 120_000)

  test('one of the generation before takes the reading that an entry names, and goes on with its own of others', async () => {
    await using db = await testDatabase()
    const shelf = await Shelf.make(db.pool)
    await shelf.words(1, ['sloe', 'damson'])
    await shelf.vectors(1)
    const old = await rebuilt(db.pool)
    const before = held(old)
    await shelf.switchTo(2)
    await shelf.words(2, ['greengage'])
    await shelf.read(2, FIRST_READING)
    await shelf.vectors(2)
    await follow(db.pool, old)
    const { rows } = await db.pool.query<{ id: string }>(
      'SELECT max(id) AS id FROM passages WHERE reading_id = 2 GROUP BY version_id',
    )
    const [last] = held(old).slice(-1)
    expect(held(old).slice(0, 2)).toEqual(before)
    expect(held(old)).toHaveLength(4)
    expect(rows.map(({ id }) => Number(id))).toContain(last?.id)
    expect(last?.cosine).toBeNull()
    old.close()
  })

  test('an entry that names none, from an older build, is of the first', async () => {
    await using db = await testDatabase()
    const shelf = await Shelf.make(db.pool)
    const state = await rebuilt(db.pool)
    await shelf.words(1, ['sloe', 'damson'])
    await shelf.read(1, 2)
    await db.pool.query('UPDATE index_log SET reading_id = NULL')
    await follow(db.pool, state)
    expect(held(state).map(({ id }) => id)).toEqual(await shelf.seen())
    expect(held(state)).toHaveLength(2)
    state.close()
  })

  test("vectors are read of their generation's reading alone, portion by portion", async () => {
    await using db = await testDatabase()
    const library = new FixtureLibrary(db.pool)
    const { id: other } = await findReading(db.pool, { parser: 1, splitter: 1, passageTokens: 320 })
    const passages = Array.from({ length: 700 }, (_, i) => ({ text: 'sloe', vector: [1, i] }))
    const document = await library.document(await library.collection())
    const { versionId, passageIds } = await library.publishWords(document, passages)
    const generation = await library.generation()
    const others = await library.read({ versionId }, other, passages)
    // Of a generation that was another one's once.
    await db.pool.query(
      "INSERT INTO passage_vectors SELECT id, $1, '\\x00' FROM unnest($2::bigint[]) id WHERE id % 3 = 0",
      [generation, others],
    )
    const source = databaseSource(db.pool)
    const read: number[] = []
    for await (const rows of source.vectors(versionId, generation))
      read.push(...rows.map(({ passageId }) => passageId))
    expect(read).toEqual(passageIds)
    const words: number[] = []
    for await (const rows of source.passages(versionId, other)) words.push(...rows.map(({ id }) => id))
    expect(words).toEqual(others)
  })
})
