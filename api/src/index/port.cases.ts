// What every index has to do, whoever keeps it: run by engines/embedded.test.ts with FAISS and with the exact scan.
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { FixtureLibrary, type FixturePassage, unit } from './fixtures.ts'
import type { Candidate, Index, IndexFilter, IndexQuery, Position } from './port.ts'

export interface CaseIndex extends AsyncDisposable {
  readonly index: Index
}

export interface Cases {
  /** An index that follows this database. */
  start(db: TestDatabase): Promise<CaseIndex>
}

const PATIENCE_MS = 10_000

class Bench implements AsyncDisposable {
  readonly db: TestDatabase
  readonly library: FixtureLibrary
  readonly #cases: Cases
  #running: CaseIndex | undefined

  private constructor(cases: Cases, db: TestDatabase) {
    this.#cases = cases
    this.db = db
    this.library = new FixtureLibrary(db.pool)
  }

  static async open(cases: Cases): Promise<Bench> {
    const bench = new Bench(cases, await testDatabase())
    await bench.restart()
    return bench
  }

  async restart(): Promise<void> {
    await this.#running?.[Symbol.asyncDispose]()
    this.#running = await this.#cases.start(this.db)
  }

  get index(): Index {
    if (this.#running === undefined) throw new Error('not started')
    return this.#running.index
  }

  async ids(query: Partial<IndexQuery> & { filter: IndexFilter }, at?: Position): Promise<number[]> {
    return (await this.search(query, at)).map(({ passageId }) => passageId)
  }

  async search(query: Partial<IndexQuery> & { filter: IndexFilter }, at?: Position): Promise<Candidate[]> {
    if (at !== undefined) await this.index.waitFor(at, PATIENCE_MS)
    const answer = await this.index.search({ text: '', vector: null, limit: 10, ...query })
    return [...answer.candidates]
  }

  /** Passages that there are, and vectors. */
  async held(): Promise<number[]> {
    const { rows } = await this.db.pool.query<{ passages: number; vectors: number }>(
      `SELECT count(*)::int AS passages, count(v.passage_id)::int AS vectors
       FROM documents d JOIN collections c ON c.id = d.collection_id AND c.deleted_at IS NULL
       JOIN passages p ON p.version_id = d.current_version_id LEFT JOIN passage_vectors v ON v.passage_id = p.id
       WHERE d.deleted_at IS NULL`,
    )
    return rows.flatMap(({ passages, vectors }) => [passages, vectors])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running?.[Symbol.asyncDispose]()
    await this.db[Symbol.asyncDispose]()
  }
}

const east = [1, 0, 0]
const north = [0, 1, 0]
const northEast = [1, 1, 0]

/** One index and one database for all of them: each case has collections of its own. */
export function indexCases(cases: Cases): void {
  let bench: Bench
  beforeAll(async () => {
    bench = await Bench.open(cases)
  })
  afterAll(() => bench[Symbol.asyncDispose]())

  test('finds by words as soon as they are published, and says that there is no vector', async () => {
    const collection = await bench.library.collection()
    const document = await bench.library.document(collection)
    const { passageIds, position } = await bench.library.publish(document, [
      { text: 'The lazy dog sleeps.' },
      { text: 'A quick brown fox jumps over the dog.' },
    ])
    const found = await bench.search({ text: 'foxes jumping', filter: all(collection) }, position)
    expect(found.map((candidate) => candidate.passageId)).toEqual([passageIds[1]])
    expect(found[0]).toMatchObject({ cosine: null, withoutVector: true })
    expect(found[0]?.words).toBeGreaterThan(0)
  })

  test('finds by meaning what shares no word, and headings count as words', async () => {
    const collection = await bench.library.collection()
    const document = await bench.library.document(collection)
    const { passageIds, position } = await bench.library.publish(document, [
      { text: 'Felines rest.', vector: east },
      { text: 'Canines run.', heading: 'Kennel > Exercise', vector: north },
    ])
    const filter = all(collection)
    const byMeaning = await bench.search({ text: 'zzz', vector: unit(east), filter }, position)
    expect(byMeaning[0]).toMatchObject({ passageId: passageIds[0], words: 0, withoutVector: false })
    expect(byMeaning[0]?.cosine).toBeCloseTo(1, 6)
    expect(await bench.ids({ text: 'kennels', filter })).toEqual([passageIds[1]])
  })

  test('orders by cosine + 0.3 · words, ties by passage id', async () => {
    const collection = await bench.library.collection()
    const document = await bench.library.document(collection)
    const passages: FixturePassage[] = [
      { text: 'apple', vector: northEast },
      { text: 'pear', vector: east },
      { text: 'plum', vector: east },
      { text: 'cherry', vector: north },
    ]
    const { passageIds, position } = await bench.library.publish(document, passages)
    const [apple, pear, plum, cherry] = passageIds
    const found = await bench.search(
      { text: 'cherry', vector: unit(east), filter: all(collection) },
      position,
    )
    expect(found.map((candidate) => candidate.passageId)).toEqual([pear, plum, apple, cherry])
    for (const { score, cosine, words } of found) expect(score).toBeCloseTo((cosine ?? 0) + 0.3 * words, 12)
  })

  test('by words alone the vector has no say, by meaning alone the words have none', async () => {
    const collection = await bench.library.collection()
    const document = await bench.library.document(collection)
    const { passageIds } = await bench.library.publish(document, [
      { text: 'mango salad with lime and a great many other things', vector: east },
      { text: 'mango', vector: northEast },
      { text: 'a bench', vector: [2, 1, 0] },
    ])
    const fresh = await bench.library.document(collection)
    const { passageIds: unembedded, position } = await bench.library.publish(fresh, [{ text: 'mango mango' }])
    const [long, short, wordless] = passageIds
    const query = { text: 'mango', vector: unit(east), filter: all(collection) }
    const byWords = await bench.search({ ...query, method: 'words' }, position)
    expect(byWords.map(({ passageId }) => passageId)).toEqual([unembedded[0], short, long])
    for (const { score, words, cosine } of byWords) expect([score, cosine]).toEqual([words, null])
    const byMeaning = await bench.search({ ...query, method: 'meaning' })
    expect(byMeaning.map(({ passageId }) => passageId)).toEqual([long, wordless, short])
    for (const { score, cosine } of byMeaning) expect(score).toBe(cosine)
    expect(byMeaning.map(({ words }) => words > 0)).toEqual([true, false, true])
    expect(await bench.ids({ ...query, method: 'meaning', vector: null })).toEqual([])
    expect(await bench.search({ ...query, method: 'fused' })).toEqual(await bench.search(query))
  })

  test('what was asked before counts for half: its words are found, and those of the question come first', async () => {
    const collection = await bench.library.collection()
    const document = await bench.library.document(collection)
    const { passageIds, position } = await bench.library.publish(document, [
      { text: 'quokka' },
      { text: 'wombat' },
      { text: 'quokka wombat' },
      { text: 'numbat' },
    ])
    const [quokka, wombat, both] = passageIds
    const query = { text: 'wombats', filter: all(collection) }
    expect(await bench.ids(query, position)).toEqual([wombat, both])
    const found = await bench.search({ ...query, previous: 'Which quokkas?' })
    expect(found.map(({ passageId }) => passageId)).toEqual([both, wombat, quokka])
    const [, own, before] = found
    expect(before?.words).toBeCloseTo((own?.words ?? 0) / 2, 6)
    expect(await bench.ids({ ...query, previous: 'unheard of' })).toEqual([wombat, both])
  })

  test('keeps a place for passages that have no vector yet', async () => {
    const collection = await bench.library.collection()
    const embedded = await bench.library.document(collection)
    await bench.library.publish(
      embedded,
      Array.from({ length: 6 }, (_, i) => ({ text: `pear ${i}`, vector: [1, i / 10, 0] })),
    )
    const fresh = await bench.library.document(collection)
    const { passageIds, position } = await bench.library.publish(fresh, [
      { text: 'pear one' },
      { text: 'pear two' },
      { text: 'pear three' },
    ])
    const query = { text: 'pear', vector: unit(east), limit: 4, filter: all(collection) }
    const found = await bench.search(query, position)
    expect(found).toHaveLength(4)
    expect(found.filter(({ withoutVector }) => withoutVector)).toHaveLength(2)
    expect((await bench.search({ ...query, reserved: 0 })).some((one) => one.withoutVector)).toBe(false)
    const onlyFresh = await bench.ids({ ...query, filter: { kind: 'documents', keys: [fresh.key] } })
    expect(onlyFresh.toSorted((a, b) => a - b)).toEqual(passageIds)
  })

  test('filters by collections and documents, exactly', async () => {
    const [mine, theirs] = [await bench.library.collection(), await bench.library.collection()]
    const wanted = await bench.library.document(mine)
    const sibling = await bench.library.document(mine)
    const foreign = await bench.library.document(theirs)
    const same = { text: 'secret plan', vector: east }
    const a = await bench.library.publish(wanted, [same])
    const b = await bench.library.publish(sibling, [same])
    const c = await bench.library.publish(foreign, [same, same, same])
    for (const vector of [null, unit(east)]) {
      const query = { text: 'plan', vector }
      expect(await bench.ids({ ...query, filter: all(mine) }, c.position)).toEqual([
        ...a.passageIds,
        ...b.passageIds,
      ])
      expect(await bench.ids({ ...query, filter: { kind: 'documents', keys: [wanted.key] } })).toEqual(
        a.passageIds,
      )
      expect(await bench.ids({ ...query, filter: all(mine, theirs) })).toHaveLength(5)
      expect(await bench.ids({ ...query, filter: { kind: 'collections', keys: [] } })).toEqual([])
      expect(await bench.ids({ ...query, filter: { kind: 'documents', keys: [987_654] } })).toEqual([])
    }
  })

  test('a new version replaces the old one, a retracted document and collection are gone', async () => {
    const collection = await bench.library.collection()
    const filter = all(collection)
    const query = { text: 'melon', vector: unit(east), filter }
    const document = await bench.library.document(collection)
    await bench.library.publish(document, [
      { text: 'melon old', vector: east },
      { text: 'melon older', vector: east },
    ])
    const second = await bench.library.publish(document, [{ text: 'melon new', vector: north }])
    expect(await bench.ids(query, second.position)).toEqual(second.passageIds)

    const other = await bench.library.document(collection)
    const kept = await bench.library.publish(other, [{ text: 'melon kept', vector: east }])
    const gone = await bench.library.retract(document)
    await bench.library.purge(document)
    expect(await bench.ids(query, gone)).toEqual(kept.passageIds)

    expect(await bench.ids(query, await bench.library.retractCollection(collection))).toEqual([])
    // Where counting takes long, numbers come after what is found.
    const counts = () => [bench.index.status().passages, bench.index.status().vectors]
    await expect.poll(counts).toEqual(await bench.held())
  })

  test('stays the same over a restart, and catches up with what happened meanwhile', async () => {
    const collection = await bench.library.collection()
    const document = await bench.library.document(collection)
    const first = await bench.library.publish(document, [
      { text: 'grape one', vector: east },
      { text: 'grape two', vector: northEast },
    ])
    const query = { text: 'two grapes', vector: unit(north), filter: all(collection) }
    const before = await bench.search(query, first.position)
    await bench.restart()
    expect(await bench.search(query, first.position)).toEqual(before)

    const other = await bench.library.document(collection)
    const later = await bench.library.publish(other, [{ text: 'grape three', vector: north }])
    const after = await bench.search(query, later.position)
    await bench.restart()
    expect(await bench.search(query, later.position)).toEqual(after)
    expect(after.map(({ passageId }) => passageId)).toContain(later.passageIds[0])
  })

  test('a transaction that commits late is not missed', async () => {
    const collection = await bench.library.collection()
    const slow = await bench.library.document(collection)
    const quick = await bench.library.document(collection)
    let taken = () => {}
    const positionTaken = new Promise<void>((resolve) => {
      taken = resolve
    })
    let commit = () => {}
    const mayCommit = new Promise<void>((resolve) => {
      commit = resolve
    })
    // It has its position first, and everything that could overtake it gets the time to.
    const late = bench.library.publishWords(slow, [{ text: 'kiwi slow' }], () => {
      taken()
      return mayCommit
    })
    await positionTaken
    const other = bench.library.publishWords(quick, [{ text: 'kiwi quick' }])
    const overtaken = await Promise.race([other, sleep(300)])
    if (overtaken !== undefined) await bench.index.waitFor(overtaken.position, PATIENCE_MS).catch(() => {})
    commit()
    const versions = [await late, await other]
    const last = versions.toSorted((a, b) => b.position.seq - a.position.seq)[0]
    const found = await bench.ids({ text: 'kiwi', filter: all(collection) }, last?.position)
    expect(found).toHaveLength(2)
  })

  test('answers many at once, each its own question', async () => {
    const collection = await bench.library.collection()
    const document = await bench.library.document(collection)
    const words = Array.from({ length: 40 }, (_, i) => `word${i}x`)
    const { passageIds, position } = await bench.library.publish(
      document,
      words.map((text, i) => ({ text, vector: [Math.cos(i), Math.sin(i), 0.2] })),
    )
    await bench.index.waitFor(position, PATIENCE_MS)
    const answers = await Promise.all(
      words.map((text, i) => {
        const query = {
          text,
          vector: unit([Math.cos(i), Math.sin(i), 0.2]),
          limit: 1,
          filter: all(collection),
        }
        return i % 2 === 0 ? bench.index.search(query) : bench.index.search(Promise.resolve(query))
      }),
    )
    expect(answers.map(({ candidates }) => candidates[0]?.passageId)).toEqual(passageIds)
  })

  test('a vector that is none is refused, alone', async () => {
    const collection = await bench.library.collection()
    const document = await bench.library.document(collection)
    const { passageIds, position } = await bench.library.publish(document, [{ text: 'fig', vector: east }])
    const search = (vector: Float32Array) =>
      bench.ids({ text: 'fig', vector, filter: all(collection) }, position)
    const found = await Promise.allSettled([
      search(unit(east)),
      search(unit(east).fill(Number.NaN)),
      search(new Float32Array(3)),
      search(unit(north)),
    ])
    expect(found.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled'])
    expect(await search(unit(north))).toEqual(passageIds)
  })

  test('an aborted search is over at once, and an unreachable position is said to be one', async () => {
    const controller = new AbortController()
    controller.abort(new Error('gone'))
    const query = { text: 'x', vector: null, limit: 1, filter: all() }
    await expect(bench.index.search(query, controller.signal)).rejects.toThrow('gone')
    const position = bench.index.status().position ?? { epoch: '', seq: 0 }
    await expect(bench.index.waitFor({ ...position, seq: position.seq + 1 }, 20)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    })
  })
}

function all(...collections: readonly { key: number }[]): IndexFilter {
  return { kind: 'collections', keys: collections.map(({ key }) => key) }
}
