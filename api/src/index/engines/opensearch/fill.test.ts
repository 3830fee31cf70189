// Filling an index in portions, and going on with it, on a node in memory. What the log does to it afterwards, and real nodes:
// fill.distributed.test.ts.
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { testDatabase } from '../../../../test/database.ts'
import { type ScriptedRequest, scriptedCluster } from '../../../../test/scripted-cluster.ts'
import { renewEpoch } from '../../epoch.ts'
import { FixtureLibrary } from '../../fixtures.ts'
import { Analysers } from '../../lexical/analysis.ts'
import { Cluster } from './cluster.ts'
import { type FillOptions, fillIndex } from './fill.ts'
import { nextDocuments, PORTION, readPassages } from './fill-portion.ts'
import { writeFillState } from './fill-state.ts'
import { memoryNode } from './memory-node.ts'

async function place() {
  const stack = new AsyncDisposableStack()
  onTestFinished(() => stack.disposeAsync())
  const db = stack.use(await testDatabase())
  const memory = memoryNode()
  const node = stack.use(await scriptedCluster(memory.script))
  const cluster = new Cluster(`${node.url}/a`)
  stack.defer(() => cluster.close())
  const library = new FixtureLibrary(db.pool)
  const fill = (options: Partial<FillOptions> = {}) =>
    fillIndex(
      db.pool,
      { alias: 'a', shards: 1 },
      {
        ...{ cluster, analysers: new Analysers(), log: pino({ enabled: false }), settleMs: 0 },
        ...{ signal: new AbortController().signal, ...options },
      },
    )
  return { db, node, memory, cluster, library, fill }
}
type Of = Awaited<ReturnType<typeof place>>

const texts = (count: number, word = 'pear') =>
  Array.from({ length: count }, (_, i) => ({ text: `${word} ${i}`, vector: [1, i] }))

/** Documents of half a portion. */
async function shelf({ library }: Of, count = 6) {
  const collection = await library.collection()
  const made = []
  for (let d = 0; d < count; d++) {
    const document = await library.document(collection)
    made.push({ document, version: await library.publish(document, texts(PORTION / 2)) })
  }
  return { collection, made }
}

const isBulk = ({ path }: ScriptedRequest) => path.endsWith('/_bulk')
const passagesIn = ({ memory: { indexes } }: Of, name: string) =>
  [...(indexes.get(name)?.documents.keys() ?? [])].map(Number).filter((id) => !Number.isNaN(id))
const stateIn = ({ memory: { indexes } }: Of, name: string) =>
  indexes.get(name)?.documents.get('fill')?.source.state as { lastKey: number; complete: boolean } | undefined

/** Fails at the n-th bulk, which is not taken. @returns the index's name */
async function endedAt(of: Of, n: number, options: Partial<FillOptions> = {}): Promise<string> {
  let bulks = 0
  of.node.script = (request) =>
    isBulk(request) && ++bulks === n ? { status: 400, body: { error: 'no' } } : of.memory.script(request)
  await expect(of.fill(options)).rejects.toThrow()
  of.node.script = of.memory.script
  of.node.requests.splice(0)
  const [name = ''] = of.memory.indexes.keys()
  return name
}

test('a portion is noted once all of it is in the index, and what was noted is not written again', async () => {
  const of = await place()
  const { made } = await shelf(of)
  const noted: number[] = []
  of.node.script = (request) => {
    if (request.method === 'PUT' && request.path.includes('/_doc/fill')) {
      const { lastKey } = JSON.parse(request.body).state
      const [name = ''] = of.memory.indexes.keys()
      const behind = made.filter(({ document }) => document.key <= lastKey)
      expect(passagesIn(of, name)).toEqual(behind.flatMap(({ version }) => version.passageIds))
      noted.push(behind.length)
    }
    return of.memory.script(request)
  }
  const { index } = await of.fill()
  expect(noted).toEqual([0, 2, 4, 6, 6])
  expect(passagesIn(of, index)).toEqual(made.flatMap(({ version }) => version.passageIds))
})

test.each([2, 3])('ended in portion %i, it is gone on with in the same index', async (n) => {
  const of = await place()
  const { made, collection } = await shelf(of)
  const begun = made.at(-1)?.version.position.seq ?? 0
  const name = await endedAt(of, n)
  const later = await of.library.publish(await of.library.document(collection), texts(3))
  const told: [number, number][] = []
  const needed: number[] = []
  const writer = await of.fill({
    progress: (...one) => told.push(one),
    needs: async (seq) => void needed.push(seq),
  })
  expect(writer.index).toBe(name)
  expect([...of.memory.indexes.keys()]).toEqual([name])
  const ids = of.node.requests
    .filter(isBulk)
    .flatMap(({ body }) => [...body.matchAll(/"_id":"(\d+)"/g)].map(([, id]) => Number(id)))
  const missing = made.slice(2 * (n - 1)).flatMap(({ version }) => version.passageIds)
  expect(ids).toEqual([...missing, ...later.passageIds])
  expect(told[0]).toEqual([(n - 1) * PORTION, 3 * PORTION])
  expect(new Set(needed)).toEqual(new Set([begun]))
  // Some of it is from after where it began: nobody may search it yet.
  expect(writer.position).toMatchObject({ seq: begun, seen: { seq: later.position.seq } })
  expect(writer.isWhole).toBe(false)
  for (const { version } of of.memory.indexes.get(name)?.documents.values() ?? [])
    expect([begun, 2 ** 31]).toContain(version)
})

test('what is gone before it was read counts as read: the entry that says so has to be applied', async () => {
  const of = await place()
  const { made } = await shelf(of, 1)
  let position = { seq: 0 }
  const needs = async () => {
    const [only] = made.splice(0)
    if (only !== undefined) position = await of.library.retract(only.document)
  }
  const writer = await of.fill({ needs })
  expect(passagesIn(of, writer.index)).toEqual([])
  expect(writer.position.seen).toMatchObject({ seq: position.seq })
  expect(writer.isWhole).toBe(false)
})

test.each([
  ['in another epoch', ({ db }: Of) => renewEpoch(db.pool)],
  ['switched', async ({ library }: Of) => library.switchTo(await library.buildGeneration('b', () => [1]))],
  [
    'switched there and back again',
    async ({ library }: Of) => {
      const before = await library.generation()
      await library.switchTo(await library.buildGeneration('b', () => [1]))
      await library.switchTo(before)
    },
  ],
  [
    'read in another way',
    async ({ db }: Of) => {
      await db.pool.query('INSERT INTO readings (id, parser, splitter, passage_tokens) VALUES (7, 1, 1, 120)')
      await db.pool.query("UPDATE generations SET reading_id = 7 WHERE state = 'active'")
    },
  ],
  ['cut', ({ db }: Of) => db.pool.query('DELETE FROM index_log')],
  [
    'another one at the same place',
    ({ db }: Of) =>
      db.pool.query('UPDATE index_log SET id = gen_random_uuid() WHERE seq = (SELECT seq FROM index_head)'),
  ],
  [
    'written by a build that keeps another state',
    async (of: Of) => {
      for (const { documents } of of.memory.indexes.values())
        documents.set('fill', { version: 0, source: { state: { page: 3 } } })
    },
  ],
])('what is %s is swept, and a fill begins anew', async (_, happens) => {
  const of = await place()
  await shelf(of, 4)
  const name = await endedAt(of, 2)
  await happens(of)
  const writer = await of.fill()
  expect(writer.index).not.toBe(name)
  expect([...of.memory.indexes.keys()]).toEqual([writer.index])
})

test('where nothing was noted, there is nothing to go on with', async () => {
  const of = await place()
  await shelf(of, 2)
  const name = await endedAt(of, 1)
  const writer = await of.fill({ settleMs: 100_000_000 })
  expect(writer.index).not.toBe(name)
  expect([...of.memory.indexes.keys()]).toEqual([writer.index])
})

test('one that began before an entry that can not be applied to it is swept', async () => {
  const of = await place()
  await shelf(of, 4)
  const name = await endedAt(of, 2)
  const { seq } = await of.library.session('somebody')
  expect((await of.fill({ from: seq })).index).not.toBe(name)
})

test('a switch in the middle ends it at the next portion', async () => {
  const of = await place()
  await shelf(of)
  const next = await of.library.buildGeneration('b', () => [1])
  let bulks = 0
  of.node.script = async (request) => {
    if (isBulk(request) && ++bulks === 2) await of.library.switchTo(next)
    return of.memory.script(request) as undefined
  }
  await expect(of.fill()).rejects.toThrow('another search model was switched to')
  expect(bulks).toBe(2)
})

test('two half-made ones: the one that is further is gone on with, the other one and strays are swept', async () => {
  const of = await place()
  await shelf(of)
  const far = await endedAt(of, 3)
  const kept = of.memory.indexes.get(far)
  of.memory.indexes.clear()
  await endedAt(of, 2)
  of.memory.indexes.set(far, kept ?? expect.unreachable())
  of.memory.indexes.set('a-g1-0a0a0a0a', { meta: kept?.meta, documents: new Map() })
  of.memory.indexes.set('a-guide', { meta: undefined, documents: new Map() })
  expect((await of.fill()).index).toBe(far)
  expect([...of.memory.indexes.keys()].toSorted()).toEqual([far, 'a-guide'].toSorted())
})

test('the last words of a writer that was replaced set nothing back', async () => {
  const of = await place()
  await shelf(of)
  const name = await endedAt(of, 3)
  const before = stateIn(of, name)
  const position = { epoch: '', seq: 1, entryId: null }
  const stale = { position, reading: 1, lastKey: 1, complete: false, done: 0, total: 0 }
  await writeFillState(of.cluster, name, stale)
  expect(stateIn(of, name)).toEqual(before)
  expect(before?.lastKey).toBeGreaterThan(1)
})

test('it is not complete before what the writer before has sent is there or nowhere', async () => {
  const of = await place()
  const { made } = await shelf(of)
  const name = await endedAt(of, 3)
  const stop = new AbortController()
  const filling = of.fill({ settleMs: 100_000_000, signal: stop.signal })
  const all = made.at(-1)?.document.key
  await expect.poll(() => stateIn(of, name)?.lastKey).toBe(all)
  stop.abort(new Error('killed'))
  await expect(filling).rejects.toThrow()
  expect(stateIn(of, name)).toMatchObject({ lastKey: all, complete: false })
  of.memory.indexes.clear()
  // Nobody was before this one.
  expect(stateIn(of, (await of.fill({ settleMs: 100_000_000 })).index)).toMatchObject({ complete: true })
})

test('a document longer than a portion is read by several statements, and each passage once', async () => {
  const of = await place()
  const collection = await of.library.collection()
  const before = await of.library.publish(await of.library.document(collection), texts(3))
  const long = await of.library.publish(await of.library.document(collection), texts(2 * PORTION + 10))
  await of.library.publish(await of.library.document(collection), texts(3))
  let statements = 0
  const documents = await nextDocuments(of.db.pool, 0, 1, () => {})
  expect(documents.map(({ passages }) => passages)).toEqual([3, 2 * PORTION + 10])
  const ids: number[] = []
  const counted = () => {
    statements++
  }
  for await (const { id, vector } of readPassages(
    of.db.pool,
    documents,
    await of.library.generation(),
    counted,
  )) {
    ids.push(id)
    expect(vector).toHaveLength(32)
  }
  expect(ids).toEqual([...before.passageIds, ...long.passageIds])
  expect(statements).toBe(3)
})
