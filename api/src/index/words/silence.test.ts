// An engine that takes questions and says nothing, and one that is only slow.
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../../test/database.ts'
import { scriptedCluster } from '../../../test/scripted-cluster.ts'
import { startOpenSearchIndex } from '../engines/opensearch/opensearch.ts'
import { FixtureLibrary } from '../fixtures.ts'
import type { IndexAnswer, IndexFilter, IndexQuery } from '../port.ts'
import { away, filledTo, ToldEngine } from './fixtures.ts'
import { type WordsOptions, withWords } from './words.ts'

let db: TestDatabase
let filter: IndexFilter
let filled: Awaited<ReturnType<FixtureLibrary['publish']>>
beforeAll(async () => {
  db = await testDatabase()
  const library = new FixtureLibrary(db.pool)
  const collection = await library.collection()
  filter = { kind: 'collections', keys: [collection.key] }
  filled = await library.publish(await library.document(collection), [{ text: 'okapi' }])
})
afterAll(() => db[Symbol.asyncDispose]())

/** Answers when the test says so. */
class Slow extends ToldEngine {
  silence = () => 60_000
  readonly #over = Promise.withResolvers<IndexAnswer>()

  override search(): Promise<IndexAnswer> {
    this.asked.push('')
    return this.#over.promise
  }
  override status() {
    return { ...super.status(), silentMs: this.silence() }
  }
  answers() {
    this.#over.resolve({ candidates: [], position: this.at })
  }
  fails() {
    this.#over.reject(away())
  }
}

const config = () => db.config('/tmp/terrace-unused')
const question = (more: Partial<IndexQuery> = {}): IndexQuery => ({
  ...{ text: 'okapi', vector: null, limit: 10, filter, ...more },
})

async function started(options: WordsOptions = {}) {
  const engine = new Slow()
  engine.at = filled.position
  let text = ''
  const log = pino({ level: 'info' }, { write: (line: string) => (text += line) })
  const index = withWords(engine, config(), log, { silentMs: 20, lookMs: 600_000, ...options })
  onTestFinished(() => index.close())
  await filledTo(db, filled.position)
  return { engine, index, saysAway: () => text.includes('search engine is away') }
}

test('who asks an engine that says nothing is answered by words, and it is away once it has said so or was given up', async () => {
  const { engine, index, saysAway } = await started()
  const answer = await index.search(question())
  expect(answer).toMatchObject({ wordsOnly: 'engine-away', position: filled.position })
  expect(answer.candidates.map(({ passageId }) => passageId)).toEqual(filled.passageIds)
  expect(saysAway()).toBe(false)
  engine.fails()
  await expect.poll(saysAway).toBe(true)
  expect((await index.search(question())).wordsOnly).toBe('engine-away')
  expect(engine.asked).toHaveLength(1)
})

test.each<[string, (engine: Slow) => void, Partial<IndexQuery>]>([
  [
    'one that answers others is slow and not away',
    (engine) => {
      engine.silence = () => 0
    },
    {},
  ],
  [
    'it was this process that stood still, and answers have come in since',
    (engine) => {
      let looks = 0
      engine.silence = () => (looks++ % 2 === 0 ? 60_000 : 0)
    },
    {},
  ],
  [
    'words are behind what it has answered others with',
    (engine) => {
      engine.at = { ...filled.position, seq: filled.position.seq + 1 }
    },
    {},
  ],
  [
    'they are of another history',
    (engine) => {
      engine.at = { ...filled.position, epoch: 'another' }
    },
    {},
  ],
  ['no words say what is meant', () => {}, { method: 'meaning' }],
])('it is waited for where %s', async (_, set, more) => {
  const { engine, index } = await started()
  set(engine)
  const asking = index.search(question(more))
  // For words there would be time enough.
  await sleep(700)
  engine.answers()
  expect(await asking).toEqual({ candidates: [], position: engine.at })
})

test('it is waited for where words take longer, and comes first', async () => {
  const { engine, index } = await started()
  const client = await db.pool.connect()
  await client.query('BEGIN; LOCK TABLE passage_words IN ACCESS EXCLUSIVE MODE')
  try {
    const asking = index.search(question())
    const waits = async () =>
      (
        await client.query(
          "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'passage_words'::regclass",
        )
      ).rowCount
    await expect.poll(waits).toBe(1)
    let answered = false
    const over = asking.then(() => {
      answered = true
    })
    engine.answers()
    // At once, and not when words were given up.
    await sleep(0)
    expect(answered).toBe(true)
    await over
    expect((await asking).wordsOnly).toBeUndefined()
  } finally {
    await client.query('ROLLBACK')
    client.release()
  }
})

test('a cluster that takes requests and says nothing is such an engine', async () => {
  const scripted = await scriptedCluster(() => 'silence')
  onTestFinished(() => scripted[Symbol.asyncDispose]())
  const log = pino({ enabled: false })
  // It would be given up after ten minutes.
  const engine = startOpenSearchIndex(config(), scripted.url, log, { patienceMs: 600_000 })
  const index = withWords(engine, config(), log)
  onTestFinished(() => index.close())
  await filledTo(db, filled.position)
  expect((await index.search(question())).wordsOnly).toBe('engine-away')
  // Who closes it is not to wait for it.
  await scripted[Symbol.asyncDispose]()
})
