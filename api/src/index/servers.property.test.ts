// Several servers that follow one database through everything that can happen to either: entries read in any portions
// and twice over, processes that end in the middle of an entry, checkpoints taken and passed on, a log that is cut, a
// database that is restored to an earlier state, under its old name or in a new epoch, documents that are read in several
// ways and a switch between these. Whoever has read to the end answers what the definition says of the database as it is;
// two at one position and of one generation answer alike.
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { applyEntry, DocumentWriter, type LogRow, VectorWriter } from './apply.ts'
import { readCheckpoints } from './checkpoint/read.ts'
import { writeCheckpoint } from './checkpoint/write.ts'
import type { LogReading } from './database-source.ts'
import { Analyser } from './lexical/analysis.ts'
import { expectedOrder, MemorySource, type ModelDocument, type ModelPassage } from './oracle.ts'
import type { IndexQuery } from './port.ts'
import { searchBatch } from './search.ts'
import type { Generation, PassageRow, Source } from './source.ts'
import { IndexState, type LogPosition } from './state.ts'
import { checkHistory, HistoryChanged } from './tail.ts'
import { exactEngine } from './vectors/exact.ts'

const DIMENSIONS = 4
/** By id, with their readings: two share one. */
const GENERATIONS = new Map([
  [1, 1],
  [2, 2],
  [3, 2],
])
const WORDS = ['apricot', 'banjo', 'cobalt', 'dolphin', 'ember', 'falcon']
const SERVERS = 3
const folder = mkdtempSync(path.join(tmpdir(), 'terrace-servers-property-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let analyser: Analyser
beforeAll(async () => {
  analyser = await Analyser.load('en')
})

let lastId = 0

/** Rows of a database with a log. */
class LoggedSource extends MemorySource {
  readonly #database: Database

  constructor(database: Database) {
    super({ id: 1, dimensions: DIMENSIONS })
    for (const [id, readingId] of GENERATIONS) this.readingIds.set(id, readingId)
    this.#database = database
  }

  override seen(): { seq: number; id: string } | null {
    const end = this.#database.log.at(-1)
    return end === undefined ? null : { seq: end.seq, id: end.id }
  }
}

interface Row {
  readonly key: number
  readonly versionId: string
  /** Of its words. */
  readingId: number
  embedded: boolean
}

/** What PostgreSQL holds. Ids of passages, versions and entries are never given out twice, not even after a restore. */
class Database {
  epoch = 'e0'
  seq = 0
  log: LogRow[] = []
  rows = new Map<number, Row>()
  source = new LoggedSource(this)

  copy(): Database {
    const copy = new Database()
    Object.assign(copy, { epoch: this.epoch, seq: this.seq, log: [...this.log] })
    for (const [key, row] of this.rows) copy.rows.set(key, { ...row })
    for (const [id, readings] of this.source.versions) copy.source.versions.set(id, readings)
    copy.source.generation = this.source.generation
    return copy
  }

  get generation(): Generation {
    return this.source.generation
  }

  get #reading(): number {
    return GENERATIONS.get(this.generation.id) ?? 0
  }

  /** What searches see. */
  get documents(): ModelDocument[] {
    return [...this.rows.values()].map(({ key, versionId, readingId, embedded }) => {
      const seen = embedded ? this.#reading : readingId
      const passages = this.source.versions.get(versionId)?.get(seen) ?? []
      return { ...{ key, collectionKey: 1, versionId }, passages, embedded }
    })
  }

  publish(key: number, texts: readonly string[]): void {
    const versionId = `v${++lastId}`
    this.rows.set(key, { key, versionId, readingId: this.#reading, embedded: false })
    this.#keep(versionId, this.#reading, texts)
    this.#append('publish-words', key, { versionId, readingId: this.#reading })
  }

  /** In the background, for a generation that is built or kept: the log says nothing of it. */
  readAgain(key: number, readingId: number): void {
    const row = this.rows.get(key)
    const readings = row === undefined ? undefined : this.source.versions.get(row.versionId)
    if (row === undefined || readings === undefined || readings.has(readingId)) return
    const texts = [...readings.values()].flat().map(({ text }) => text)
    // Of other passages: all of it, and once more its beginning.
    this.#keep(row.versionId, readingId, [texts.join(' '), ...texts.slice(0, 1)])
  }

  embed(key: number): void {
    const row = this.rows.get(key)
    if (row === undefined) return
    const { versionId } = row
    const [readingId, generationId] = [this.#reading, this.generation.id]
    this.readAgain(key, readingId)
    row.embedded = true
    if (row.readingId !== readingId) this.#append('publish-words', key, { versionId, readingId })
    row.readingId = readingId
    this.#append('publish-vectors', key, { versionId, generationId })
  }

  /** Found by words only again, of any reading that it has: its replacement was cancelled. */
  backToWords(key: number, readingId: number): void {
    const row = this.rows.get(key)
    if (row === undefined || !this.source.versions.get(row.versionId)?.has(readingId)) return
    Object.assign(row, { readingId, embedded: false })
    this.#append('publish-words', key, { versionId: row.versionId, readingId })
  }

  switchTo(generationId: number): void {
    if (generationId === this.generation.id) return
    this.source.generation = { id: generationId, dimensions: DIMENSIONS }
    for (const { key, embedded } of this.rows.values()) if (embedded) this.readAgain(key, this.#reading)
    this.#append('switch-generation', null, { generationId })
  }

  switchedSince(position: number): boolean {
    return this.log.some(({ seq, op }) => seq > position && op === 'switch-generation')
  }

  #keep(versionId: string, readingId: number, texts: readonly string[]): void {
    const passages = texts.map((text): ModelPassage => {
      const id = ++lastId
      return { id, text, vector: Float32Array.from([Math.cos(id), Math.sin(id), 0, 0]) }
    })
    this.source.keep(versionId, passages, readingId)
  }

  retract(key: number): void {
    const row = this.rows.get(key)
    this.rows.delete(key)
    this.#append('retract', key, {})
    // A purge comes when it comes.
    if (row !== undefined && key % 2 === 0) this.source.versions.delete(row.versionId)
  }

  /** As one statement of database-source.ts reads it. */
  read({ seq: after, seen }: LogPosition, most: number): LogReading {
    const idOf = (wanted: number | undefined) => this.log.find(({ seq }) => seq === wanted)?.id ?? null
    return {
      head: { epoch: this.epoch, seq: this.seq },
      entryId: idOf(after),
      seenId: idOf(seen?.seq),
      entries: this.log.filter(({ seq }) => seq > after).slice(0, most),
    }
  }

  /** Entries before it go; it stays. */
  cut(seq: number): void {
    this.log = this.log.filter((entry) => entry.seq >= seq)
  }

  #append(
    op: string,
    documentKey: number | null,
    of: Partial<Pick<LogRow, 'versionId' | 'readingId' | 'generationId'>>,
  ): void {
    const seq = ++this.seq
    const nothing = { versionId: null, readingId: null, generationId: null, userId: null }
    const place = { collectionKey: 1, documentKey, ...nothing, ...of }
    this.log.push({ seq, id: `entry${++lastId}`, epoch: this.epoch, op, ...place })
  }
}

/** Ends in the middle of a document, as a process does that is killed. */
class Breaking implements Source {
  readonly #source: MemorySource
  #left: number

  constructor(source: MemorySource, after: number) {
    this.#source = source
    this.#left = after
  }

  async *passages(versionId: string, readingId: number): AsyncGenerator<readonly PassageRow[]> {
    for await (const rows of this.#source.passages(versionId, readingId)) {
      if (this.#left-- <= 0) throw new Error('killed')
      yield rows
    }
  }

  seen() {
    return this.#source.seen()
  }

  async *vectors(versionId: string, generationId: number) {
    if (this.#left-- <= 0) throw new Error('killed')
    yield* this.#source.vectors(versionId, generationId)
  }

  activeGeneration() {
    return this.#source.activeGeneration()
  }
}

class Server {
  readonly dir: string
  state: IndexState | null = null
  readonly #superseded = new WeakSet<IndexState>()

  constructor(dir: string) {
    this.dir = dir
    mkdirSync(dir)
  }

  /** As service.ts obtains a state: the newest checkpoint that this log continues, else from the tables. */
  async obtain(database: Database): Promise<IndexState> {
    this.state?.close()
    for await (const { saved } of readCheckpoints(this.dir, (_, error) => expect.fail(String(error)))) {
      try {
        checkHistory(saved.position, database.read(saved.position, 1))
      } catch (error) {
        expect(error).toBeInstanceOf(HistoryChanged)
        continue
      }
      if (saved.generation?.id !== database.generation.id || database.switchedSince(saved.position.seq))
        continue
      this.state = await IndexState.restore(exactEngine(), saved)
      return this.state
    }
    this.state = await fromTables(database)
    return this.state
  }

  /** Another generation is active: it goes on following, and answering, until a new process takes over. */
  get superseded(): boolean {
    return this.state !== null && this.#superseded.has(this.state)
  }

  end(): void {
    this.state?.close()
    this.state = null
  }

  /** @returns whether everything that the log held was applied */
  async tail(database: Database, most: number, breakAfter: number | null): Promise<boolean> {
    const state = this.state ?? (await this.obtain(database))
    const reading = database.read(state.position, most)
    try {
      checkHistory(state.position, reading)
    } catch (error) {
      expect(error).toBeInstanceOf(HistoryChanged)
      await this.obtain(database)
      return false
    }
    const source = breakAfter === null ? database.source : new Breaking(database.source, breakAfter)
    try {
      for (const entry of reading.entries) {
        const { switchedTo } = await applyEntry(state, source, entry)
        await applyEntry(state, database.source, entry)
        if (switchedTo !== undefined) this.#superseded.add(state)
      }
    } catch {
      return false
    }
    state.position = { ...state.position, epoch: reading.head.epoch }
    return reading.entries.length < most || state.position.seq === database.seq
  }
}

async function fromTables(database: Database): Promise<IndexState> {
  const entryId = database.log.at(-1)?.id ?? null
  const state = IndexState.empty(
    exactEngine(),
    { epoch: database.epoch, seq: database.seq, entryId },
    database.generation,
  )
  for (const document of database.documents) {
    const writer = new DocumentWriter(state, document.collectionKey)
    for (const { id, text } of document.passages) await writer.add({ id, text, heading: '', language: 'en' })
    writer.publish(document.key, document.versionId)
    const entry = state.passages.documentAt[state.passages.documents.get(document.key) ?? -1]
    if (!document.embedded || entry === undefined) continue
    const vectors = new VectorWriter(state, entry)
    for (const { id, vector } of document.passages)
      if (vector !== null) vectors.add(id, new Uint8Array(vector.buffer))
    vectors.publish()
  }
  return state
}

const QUERIES: IndexQuery[] = ['apricot banjo', 'falcon', 'ember dolphin cobalt'].map((text, i) => ({
  ...{ text, limit: 200, filter: { kind: 'collections', keys: [1] } },
  vector: Float32Array.from([Math.cos(i), Math.sin(i), 0, 0]),
}))

function check(state: IndexState, database: Database): void {
  const found = searchBatch(state, QUERIES)
  for (const [i, query] of QUERIES.entries()) {
    const expected = expectedOrder(database.documents, query, analyser)
    const scores = new Map(expected.map(({ id, score }) => [id, score]))
    expect(found[i]?.map(({ passageId }) => passageId).sort()).toEqual(expected.map(({ id }) => id).sort())
    for (const { passageId, score } of found[i] ?? [])
      expect(score).toBeCloseTo(scores.get(passageId) ?? -1, 5)
  }
}

const server = fc.integer({ min: 0, max: SERVERS - 1 })
const key = fc.integer({ min: 1, max: 5 })
const reading = fc.integer({ min: 1, max: 2 })
const texts = fc.array(
  fc.array(fc.constantFrom(...WORDS), { minLength: 1, maxLength: 4 }).map((words) => words.join(' ')),
  { minLength: 0, maxLength: 3 },
)
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ op: fc.constant('publish' as const), key, texts }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('embed' as const), key }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('retract' as const), key }) },
  {
    weight: 3,
    arbitrary: fc.record({ op: fc.constant('read' as const), key, reading }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('back to words' as const), key, reading }) },
  {
    weight: 2,
    arbitrary: fc.record({ op: fc.constant('switch' as const), to: fc.integer({ min: 1, max: 3 }) }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      ...{ op: fc.constant('tail' as const), server, most: fc.integer({ min: 1, max: 4 }) },
      breakAfter: fc.option(fc.integer({ min: 0, max: 2 })),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('checkpoint' as const), server }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('crash' as const), server }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('pass on' as const), server, to: server }) },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('cut' as const),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('back up' as const) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('restore' as const), renamed: fc.boolean() }) },
)

test('what was read after a purge is not believed by a database that was restored to before it', async () => {
  const here = new Server(path.join(folder, 'purged'))
  const database = new Database()
  await here.tail(database, 4, null)
  database.publish(2, ['apricot'])
  const backup = database.copy()
  database.retract(2)
  await here.tail(database, 1, null)
  // Of a checkpoint too: it has the same position.
  if (here.state !== null) await writeCheckpoint(here.state, here.dir, new Map())
  here.end()
  for (let tries = 0; !(await here.tail(backup, 4, null)); tries++) expect(tries).toBeLessThan(10)
  if (here.state === null) expect.fail('no state')
  else check(here.state, backup)
})

test('whoever has read to the end answers what the database says, whatever happened on the way', async () => {
  let run = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 80 }), async (steps) => {
      const home = path.join(folder, String(run++))
      mkdirSync(home)
      const servers = Array.from({ length: SERVERS }, (_, i) => new Server(path.join(home, String(i))))
      let database = new Database()
      let backup = database.copy()
      for (const one of steps) {
        if (one.op === 'publish') database.publish(one.key, one.texts)
        else if (one.op === 'embed') database.embed(one.key)
        else if (one.op === 'retract') database.retract(one.key)
        else if (one.op === 'read') database.readAgain(one.key, one.reading)
        else if (one.op === 'back to words') database.backToWords(one.key, one.reading)
        else if (one.op === 'switch') database.switchTo(one.to)
        else if (one.op === 'cut') database.cut(Math.ceil(database.seq * one.share))
        else if (one.op === 'back up') backup = database.copy()
        else if (one.op === 'restore') {
          database = backup.copy()
          if (one.renamed) database.epoch = `e${++lastId}`
        } else {
          const here = servers[one.server]
          if (here === undefined) continue
          if (one.op === 'crash') here.end()
          else if (one.op === 'checkpoint') {
            if (here.state !== null && !here.superseded)
              await writeCheckpoint(here.state, here.dir, new Map())
          } else if (one.op === 'pass on') {
            const there = servers[one.to]
            // A new server with what another one built.
            if (there === undefined || there === here) continue
            there.end()
            rmSync(there.dir, { recursive: true })
            cpSync(here.dir, there.dir, { recursive: true })
          } else if (await here.tail(database, one.most, one.breakAfter)) {
            if (here.superseded) continue
            if (here.state !== null && here.state.position.seq === database.seq) check(here.state, database)
          }
        }
      }
      for (const here of servers)
        for (let tries = 0; !(await here.tail(database, 4, null)) || here.superseded; tries++) {
          expect(tries).toBeLessThan(100)
          if (here.superseded) here.end()
        }
      const answers = servers.map(({ state }) => {
        if (state === null) return expect.fail('no state')
        expect(state.position.seq).toBe(database.seq)
        check(state, database)
        return searchBatch(state, QUERIES)
      })
      for (const answer of answers) expect(answer).toEqual(answers[0])
      for (const { state } of servers) state?.close()
      rmSync(home, { recursive: true })
    }),
    { numRuns: 60 },
  )
}, 180_000)
