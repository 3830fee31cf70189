// What every server knows of an index in a cluster that says what the test wants.
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../../../test/database.ts'
import { type ScriptedAnswer, scriptedCluster } from '../../../../test/scripted-cluster.ts'
import { FixtureLibrary } from '../../fixtures.ts'
import { Cluster } from './cluster.ts'
import type { IndexFacts } from './documents.ts'
import { lines } from './fixtures.ts'
import { Watch } from './watch.ts'

let db: TestDatabase
let library: FixtureLibrary
beforeAll(async () => {
  db = await testDatabase()
  library = new FixtureLibrary(db.pool)
})
afterAll(() => db[Symbol.asyncDispose]())

const missing: ScriptedAnswer = { status: 404, body: { error: { type: 'index_not_found_exception' } } }

async function watching() {
  const { rows } = await db.pool.query<{ epoch: string; seq: string }>('SELECT epoch, seq FROM index_head')
  const head = { epoch: rows[0]?.epoch ?? '', seq: Number(rows[0]?.seq), entryId: null }
  const holding = (position: IndexFacts['position']): ScriptedAnswer => {
    const counts = { passages: 1, vectors: 0, length: 1, languages: { en: 1 }, counted: true }
    return {
      status: 200,
      body: { _index: 'terrace-g1-a', _source: { state: { position, generation: null, ...counts } } },
    }
  }
  const of = { answer: holding(head) }
  const scripted = await scriptedCluster(() => of.answer)
  onTestFinished(() => scripted[Symbol.asyncDispose]())
  const cluster = new Cluster(scripted.url)
  onTestFinished(() => cluster.close())
  const { log, text } = lines()
  const sessions: string[] = []
  let moved = 0
  const watch = new Watch({
    ...{ config: db.config('/tmp/terrace-unused'), pool: db.pool, cluster, alias: 'terrace', log },
    session: (userId) => sessions.push(userId),
    moved: () => moved++,
    appended: () => {},
  })
  watch.start()
  onTestFinished(() => watch.close())
  return { ...{ of, head, holding, watch, sessions, text, scripted }, moved: () => moved }
}

test('an index that searches are kept from is not known any more: its history may be one that the database has lost', async () => {
  const { of, head, holding, watch, moved } = await watching()
  await expect.poll(() => watch.known?.facts.position.seq).toBe(head.seq)
  expect([watch.known?.index, watch.caughtUpAt === null]).toEqual(['terrace-g1-a', false])
  of.answer = missing
  await expect.poll(() => watch.known).toBeNull()
  expect([watch.caughtUpAt, moved()]).toEqual([null, 2])
  // Another one in its place, at the same number of another history.
  of.answer = holding({ ...head, epoch: 'another' })
  await expect.poll(() => watch.known?.facts.position.epoch).toBe('another')
  expect(watch.caughtUpAt).toBeNull()
  of.answer = holding(head)
  await expect.poll(() => watch.caughtUpAt).not.toBeNull()
  expect(moved()).toBe(4)
})

test('one that can not be looked at for now stays known, which is said once, and when it is over', async () => {
  const { of, holding, head, watch, text, scripted } = await watching()
  await expect.poll(() => watch.known).not.toBeNull()
  of.answer = { status: 401, body: 'Unauthorized' }
  const before = scripted.requests.length
  await expect.poll(() => watch.trouble).toMatch(/refuses the sign-in/)
  await expect.poll(() => scripted.requests.length).toBeGreaterThan(before + 2)
  expect(watch.known?.index).toBe('terrace-g1-a')
  of.answer = holding(head)
  await expect.poll(() => watch.trouble).toBeNull()
  expect(text().match(/can not be seen/g)).toHaveLength(1)
  expect(text().match(/is seen again/g)).toHaveLength(1)
})

test('whose rights or sessions have changed is told of, once; who uploads something is not', async () => {
  const { watch, sessions } = await watching()
  await expect.poll(() => watch.known).not.toBeNull()
  await db.pool.query("INSERT INTO users (id, name, email) VALUES ('writer', 'W', 'w@example.org')")
  await library.publish(await library.document(await library.collection()), [{ text: 'pear' }], 'writer')
  await library.session('one')
  await expect.poll(() => sessions).toEqual(['one'])
  await library.session('two')
  await expect.poll(() => sessions).toEqual(['one', 'two'])
})
