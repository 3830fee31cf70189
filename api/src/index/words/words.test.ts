// With the real engine for OpenSearch, against a cluster that is away in every way that it can be.
import { pino } from 'pino'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { type TestDatabase, testDatabase } from '../../../test/database.ts'
import { type ScriptedAnswer, type ScriptedCluster, scriptedCluster } from '../../../test/scripted-cluster.ts'
import { AppError } from '../../errors.ts'
import { startOpenSearchIndex } from '../engines/opensearch/opensearch.ts'
import { FixtureLibrary } from '../fixtures.ts'
import type { Index, IndexFilter, IndexQuery } from '../port.ts'
import { away, filledTo, ToldEngine } from './fixtures.ts'
import { withWords } from './words.ts'

let db: TestDatabase
let library: FixtureLibrary
beforeAll(async () => {
  db = await testDatabase()
  library = new FixtureLibrary(db.pool)
})
afterAll(() => db[Symbol.asyncDispose]())

const config = () => db.config('/tmp/terrace-unused')

function logged() {
  const lines: { level: number; msg: string }[] = []
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  const said = (pattern: RegExp) => lines.filter(({ msg }) => pattern.test(msg)).length
  return { log, said }
}

const AWAY = /search engine is away: searches go by words only/
const BACK = /the search engine is back/

/** A collection with some words in it, filled. */
async function collectionOf(...texts: string[]) {
  const collection = await library.collection()
  const document = await library.document(collection)
  const published = await library.publish(
    document,
    texts.map((text) => ({ text })),
  )
  const filter: IndexFilter = { kind: 'collections', keys: [collection.key] }
  return { ...published, document, filter }
}

function opened(index: Index): Index {
  onTestFinished(() => index.close())
  return index
}

const ask = (index: Index, query: Partial<IndexQuery> & { filter: IndexFilter }) =>
  index.search({ text: '', vector: null, limit: 10, ...query })

const failed = (status: number, type: string): ScriptedAnswer => ({
  status,
  body: { error: { type, reason: 'of the test' }, status },
})

test.each<[string, ScriptedCluster['script'] | null]>([
  ['can not be reached', null],
  ['is red', () => failed(503, 'no_shard_available_action_exception')],
  ['has too much to do', () => failed(429, 'rejected_execution_exception')],
  ['refuses the sign-in', () => ({ status: 401, body: 'Unauthorized' })],
])('a cluster that %s from the start: answers come from PostgreSQL, and say so', async (_, script) => {
  const { passageIds, position, filter } = await collectionOf('zebra crossing', 'nothing', 'two zebras')
  const scripted = await scriptedCluster(script ?? (() => 'silence'))
  onTestFinished(() => scripted[Symbol.asyncDispose]())
  if (script === null) await scripted[Symbol.asyncDispose]()
  const { log, said } = logged()
  const engine = startOpenSearchIndex(config(), scripted.url, log, { patienceMs: 100 })
  const index = opened(withWords(engine, config(), log))
  await filledTo(db, position)
  const answer = await ask(index, { text: 'zebra', filter })
  expect(answer.wordsOnly).toBe('engine-away')
  expect(answer.candidates.map(({ passageId }) => passageId)).toEqual([passageIds[0], passageIds[2]])
  expect(answer.position.seq).toBeGreaterThanOrEqual(position.seq)
  expect(index.status()).toMatchObject({ ready: true, behindMs: expect.any(Number) })
  expect((await ask(index, { text: 'zebra', filter })).wordsOnly).toBe('engine-away')
  expect(said(AWAY)).toBe(1)
  await expect(ask(index, { text: 'zebra', filter, method: 'meaning' })).rejects.toMatchObject({
    code: 'UNAVAILABLE',
  })
})

test('one question finds out that it is away, those after it ask it nothing, and it is used again once it answers', async () => {
  const { passageIds, position, filter } = await collectionOf('okapi')
  const engine = new ToldEngine()
  const { log, said } = logged()
  const index = opened(withWords(engine, config(), log, { lookMs: 50 }))
  await filledTo(db, position)
  const query = { text: 'okapi', filter }
  expect((await ask(index, query)).wordsOnly).toBeUndefined()
  engine.error = away()
  for (let i = 0; i < 3; i++) {
    const { wordsOnly, candidates } = await ask(index, query)
    expect([wordsOnly, candidates.map(({ passageId }) => passageId)]).toEqual(['engine-away', passageIds])
  }
  expect(engine.asked.filter((text) => text === 'okapi')).toHaveLength(2)
  await expect.poll(() => engine.asked.filter((text) => text.startsWith('probe')).length).toBeGreaterThan(2)
  expect([said(AWAY), said(BACK)]).toEqual([1, 0])
  engine.error = null
  await expect.poll(() => said(BACK)).toBe(1)
  expect((await ask(index, query)).wordsOnly).toBeUndefined()
  expect(index.status().position).toEqual(engine.at)
})

test('an engine that stands still is asked even when nobody searches, so that readiness goes by what answers', async () => {
  const { position } = await collectionOf('tapir')
  const engine = new ToldEngine()
  const { log, said } = logged()
  const index = opened(withWords(engine, config(), log, { lookMs: 50 }))
  await filledTo(db, position)
  engine.behindMs = 60_000
  await expect.poll(() => engine.asked.length).toBeGreaterThan(1)
  // It answers, so it is behind and not away.
  expect(index.status()).toMatchObject({ stalledMs: 60_000, position: engine.at })
  engine.error = away()
  await expect.poll(() => said(AWAY)).toBe(1)
  expect(index.status().position?.seq).toBeGreaterThanOrEqual(position.seq)
  expect(index.status().stalledMs).toBeLessThan(5_000)
})

test('while it is away, who waits for a place of the log waits for the words', async () => {
  const { position, filter, document } = await collectionOf('ibis')
  const engine = new ToldEngine()
  const index = opened(withWords(engine, config(), logged().log))
  await filledTo(db, position)
  engine.error = away()
  await ask(index, { text: 'ibis', filter })
  const next = await library.publish(document, [{ text: 'ibis nests' }])
  await index.waitFor(next.position, 10_000)
  const { candidates } = await ask(index, { text: 'nest', filter })
  expect(candidates.map(({ passageId }) => passageId)).toEqual(next.passageIds)
  const never = { ...next.position, seq: next.position.seq + 1_000 }
  await expect(index.waitFor(never, 50)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
})

test('nothing stands in before the words of everything were there once, and what is no matter of being away stays an error', async () => {
  await using own = await testDatabase()
  const engine = new ToldEngine()
  const { log, said } = logged()
  const filter: IndexFilter = { kind: 'collections', keys: [1] }
  // Somebody else fills, and has not begun.
  await using holder = await holdLock(own)
  const index = opened(withWords(engine, own.config('/tmp/terrace-unused'), log, { lookMs: 50 }))
  engine.error = away()
  await expect(ask(index, { text: 'emu', filter })).rejects.toBe(engine.error)
  expect(index.status().position).toEqual(engine.at)
  expect(said(AWAY)).toBe(0)
  await holder[Symbol.asyncDispose]()
  await vi.waitFor(async () => expect((await ask(index, { text: 'emu', filter })).wordsOnly).toBeDefined(), {
    timeout: 30_000,
  })
  engine.error = null
  await expect.poll(() => said(BACK)).toBe(1)
  engine.error = new AppError('INTERNAL')
  await expect(ask(index, { text: 'emu', filter })).rejects.toBe(engine.error)
})

test('an engine that answers, if only that something is wrong with it, is not away any more', async () => {
  const { position, filter } = await collectionOf('kudu')
  const engine = new ToldEngine()
  const { log, said } = logged()
  const index = opened(withWords(engine, config(), log, { lookMs: 50 }))
  await filledTo(db, position)
  engine.error = away()
  expect((await ask(index, { text: 'kudu', filter })).wordsOnly).toBe('engine-away')
  engine.error = new AppError('INTERNAL')
  await expect.poll(() => said(BACK)).toBe(1)
  await expect(ask(index, { text: 'kudu', filter })).rejects.toBe(engine.error)
})

test('what a cluster was asked before it went away does not make it seem to be there', async () => {
  const { position, filter } = await collectionOf('gnu')
  const { rows } = await db.pool.query<{ epoch: string }>('SELECT epoch FROM index_head')
  const at = { epoch: rows[0]?.epoch, seq: position.seq, entryId: null }
  const counts = { passages: 1, vectors: 0, length: 1, languages: { en: 1 } }
  const state = { position: at, generation: null, ...counts }
  let there = false
  const scripted = await scriptedCluster(({ path, body }) => {
    if (path.includes('/_doc/state'))
      return { status: 200, body: { _index: 'terrace-g0-a', _source: { state } } }
    if (!path.includes('_msearch') || !there) return failed(503, 'no_shard_available_action_exception')
    const none = { status: 200, hits: { total: { value: 0 }, hits: [] } }
    return { status: 200, body: { responses: body.match(/"size":/g)?.map(() => none) } }
  })
  onTestFinished(() => scripted[Symbol.asyncDispose]())
  const { log, said } = logged()
  const engine = startOpenSearchIndex(config(), scripted.url, log, { patienceMs: 100 })
  const index = opened(withWords(engine, config(), log, { lookMs: 50 }))
  await filledTo(db, position)
  await expect.poll(() => engine.status().position).not.toBeNull()
  const query = { text: 'gnu', filter }
  expect((await ask(index, query)).wordsOnly).toBe('engine-away')
  there = true
  await expect.poll(() => said(BACK)).toBe(1)
  there = false
  expect((await ask(index, { ...query, text: 'gnus and others' })).wordsOnly).toBe('engine-away')
  const probes = () => scripted.requests.filter(({ body }) => body.includes('probe')).length
  const before = probes()
  await expect.poll(probes).toBeGreaterThan(before + 3)
  expect([said(AWAY), said(BACK)]).toEqual([2, 1])
})

test('an answer by words says a place of the log that it has everything of', async () => {
  const { position, filter } = await collectionOf('lynx')
  const engine = new ToldEngine()
  engine.error = away()
  const index = opened(withWords(engine, config(), logged().log, { statementMs: 100_000 }))
  await filledTo(db, position)
  const query = { text: 'lynx', filter }
  await ask(index, query)
  const before = index.status().position
  const client = await db.pool.connect()
  await client.query('BEGIN; LOCK TABLE passage_words IN ACCESS EXCLUSIVE MODE')
  const asking = ask(index, query)
  const waiting = async () =>
    (await client.query("SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'passage_words'::regclass"))
      .rowCount
  await expect.poll(waiting).toBe(1)
  // Words go on while it looks at them as they were.
  await library.session('somebody')
  await expect.poll(() => index.status().position).not.toEqual(before)
  await client.query('ROLLBACK')
  client.release()
  expect((await asking).position).toEqual(before)
})

async function holdLock(on: TestDatabase): Promise<AsyncDisposable> {
  const client = await on.pool.connect()
  await client.query("SELECT pg_advisory_lock(hashtextextended('terrace words', 0))")
  let held = true
  return {
    async [Symbol.asyncDispose]() {
      if (held) client.release(true)
      held = false
    },
  }
}

test('a search by words that takes too long is said to be unavailable, and the next one is none the worse', async () => {
  const { position, filter, passageIds } = await collectionOf('stork')
  const engine = new ToldEngine()
  const { log, said } = logged()
  const index = opened(withWords(engine, config(), log, { statementMs: 300 }))
  await filledTo(db, position)
  engine.error = away()
  const query = { text: 'stork', filter }
  const client = await db.pool.connect()
  await client.query('BEGIN; LOCK TABLE passage_words IN ACCESS EXCLUSIVE MODE')
  const refused = await Promise.allSettled(Array.from({ length: 3 }, () => ask(index, query)))
  await client.query('ROLLBACK')
  client.release()
  for (const one of refused)
    expect(one).toMatchObject({ reason: { code: 'UNAVAILABLE', detail: engine.error.detail } })
  expect(said(/a search by words failed/)).toBe(3)
  const { candidates } = await ask(index, query)
  expect(candidates.map(({ passageId }) => passageId)).toEqual(passageIds)
})

test('a closed index has no connection left: it answers nothing more, and fills nothing more', async () => {
  const { position } = await collectionOf('heron')
  const index = withWords(new ToldEngine(), config(), logged().log)
  await filledTo(db, position)
  await Promise.all([index.close(), index.close()])
  const connections = async () => {
    const { rows } = await db.pool.query(
      "SELECT application_name FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'terrace-words%'",
    )
    return rows
  }
  await expect.poll(connections).toEqual([])
})
