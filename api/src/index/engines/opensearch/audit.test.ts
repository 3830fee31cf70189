import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { testDatabase } from '../../../../test/database.ts'
import { databaseSource } from '../../database-source.ts'
import { FixtureLibrary } from '../../fixtures.ts'
import { snapshotPosition } from '../../rebuild.ts'
import { Audit, type AuditOptions } from './audit.ts'
import { type Cluster, type Request, Trouble } from './cluster.ts'
import type { Held, IndexWriter } from './writer.ts'

interface Bucket {
  readonly key: number
  readonly passages: number
  readonly ids: number
  readonly collection: number
}

/** A cluster that holds these documents, without vectors, and a writer that only notes what it is told to correct. */
async function audited(options: Partial<AuditOptions> = {}) {
  const db = await testDatabase()
  const library = new FixtureLibrary(db.pool)
  const held: Bucket[] = []
  const windows: number[] = []
  let failing: Trouble | null = null
  const send = async ({ body }: Request) => {
    if (failing !== null) throw failing
    const { query, aggs } = body as {
      query?: { range: { documentKey: { gte: number; lt: number } } }
      aggs: object
    }
    if ('last' in aggs)
      return { aggregations: { last: { value: held.reduce((max, { key }) => Math.max(max, key), 0) } } }
    const { gte = 0, lt = 0 } = query?.range.documentKey ?? {}
    windows.push(gte)
    const buckets = held
      .filter(({ key }) => key >= gte && key < lt)
      .map(({ key, passages, ids, collection }) => ({
        ...{ key, doc_count: passages, embedded: { doc_count: 0 }, ids: { value: ids } },
        ...{ first: { value: collection }, last: { value: collection } },
      }))
    return { aggregations: { documents: { buckets } } }
  }
  const corrected: [number, Held | null][] = []
  let shown = 0
  const position = () => snapshotPosition(db.pool)
  const writer = {
    ...{ index: 'docs-g1', position: await position(), generation: null },
    correct: async (key: number, wanted: Held | null) => void corrected.push([key, wanted]),
    show: async () => void shown++,
  }
  const cluster = { send } as unknown as Cluster
  const { signal } = new AbortController()
  const common = { pool: db.pool, cluster, log: pino({ enabled: false }), signal, busyMs: 0, failedMs: 0 }
  const audit = new Audit({ ...common, ...options })
  return {
    ...{ db, library, held, windows, corrected, writer, shown: () => shown },
    atTheEnd: async () => {
      writer.position = await position()
    },
    fail: (why: Trouble | null) => {
      failing = why
    },
    step: () => audit.step(writer as unknown as IndexWriter, databaseSource(db.pool)),
    [Symbol.asyncDispose]: () => db[Symbol.asyncDispose](),
  }
}

test('a document that is missing is written, one that was deleted is removed, once each', async () => {
  await using of = await audited({ everyMs: 0 })
  const collection = await of.library.collection()
  const [missing, gone, right] = [
    await of.library.document(collection),
    await of.library.document(collection),
    await of.library.document(collection),
  ]
  const { versionId } = await of.library.publish(missing, [{ text: 'pear' }])
  const { passageIds } = await of.library.publish(right, [{ text: 'apple' }, { text: 'plum' }])
  await of.library.publish(gone, [{ text: 'fig' }])
  await of.library.retract(gone)
  await of.atTheEnd()
  const ids = passageIds.reduce((sum, id) => sum + id, 0)
  of.held.push(
    { key: gone.key, passages: 1, ids: 3, collection: collection.key },
    { key: right.key, passages: 2, ids, collection: collection.key },
  )
  await of.step()
  const held = { collectionKey: collection.key, versionId, readingId: expect.any(Number) }
  expect(of.corrected.toSorted(([a], [b]) => a - b)).toEqual([
    [missing.key, expect.objectContaining(held)],
    [gone.key, null],
  ])
  expect(of.shown()).toBe(1)
  // It takes neither: what it refuses is not sent to it every hour.
  await of.step()
  expect(of.corrected).toHaveLength(2)
  expect(of.shown()).toBe(1)
})

test.each([
  ['of another version', { ids: -1 }],
  ['in another collection', { collection: 1_000 }],
  ['one too many', { passages: 2 }],
])('%s counts as different', async (_, difference) => {
  await using of = await audited()
  const collection = await of.library.collection()
  const document = await of.library.document(collection)
  const { passageIds } = await of.library.publish(document, [{ text: 'pear' }])
  await of.atTheEnd()
  const right = { key: document.key, passages: 1, ids: passageIds[0] ?? 0, collection: collection.key }
  of.held.push({ ...right, ...difference })
  await of.step()
  expect(of.corrected.map(([key]) => key)).toEqual([document.key])
})

test('where the log goes on meanwhile the same documents are looked at again', async () => {
  await using of = await audited()
  const document = await of.library.document(await of.library.collection())
  await of.library.publish(document, [{ text: 'pear' }])
  // The index is a place behind: the document is on its way.
  await of.step()
  expect(of.corrected).toEqual([])
  await of.atTheEnd()
  await of.step()
  expect(of.corrected.map(([key]) => key)).toEqual([document.key])
  expect(of.windows).toEqual([0, 0])
})

test('all keys are looked at, those that only the cluster has too, and then not before it is time again', async () => {
  await using of = await audited({ portion: 10 })
  await of.atTheEnd()
  of.held.push({ key: 25, passages: 1, ids: 1, collection: 1 })
  for (let n = 0; n < 5; n++) await of.step()
  expect(of.windows).toEqual([0, 10, 20])
  expect(of.corrected).toEqual([[25, null]])
})

test('the last document of all is looked at, where a portion ends before it too', async () => {
  await using of = await audited({ portion: 1 })
  const document = await of.library.document(await of.library.collection())
  await of.library.publish(document, [{ text: 'pear' }])
  await of.atTheEnd()
  for (let n = 0; n <= document.key; n++) await of.step()
  expect(of.corrected.map(([key]) => key)).toEqual([document.key])
})

test('what fails is told of once, in words of its own, and the same documents are looked at later', async () => {
  let told = ''
  await using of = await audited({ log: pino({}, { write: (line) => (told += line) }) })
  const document = await of.library.document(await of.library.collection())
  await of.library.publish(document, [{ text: 'pear' }])
  await of.atTheEnd()
  of.fail(new Trouble('red', 'a shard is missing'))
  expect([await of.step(), await of.step(), await of.step()]).toEqual([false, false, false])
  expect(told.match(/can not be compared with the database: a shard is missing/g)).toHaveLength(1)
  of.fail(null)
  for (let n = 0; n < 3; n++) expect(await of.step()).toBe(true)
  expect(of.corrected.map(([key]) => key)).toEqual([document.key])
})

test('where much is to be written again, the log is looked at in between', async () => {
  await using of = await audited()
  const collection = await of.library.collection()
  for (let n = 0; n < 3; n++)
    await of.library.publish(await of.library.document(collection), [{ text: 'pear' }])
  await of.atTheEnd()
  const { correct } = of.writer
  of.writer.correct = async (...of) => {
    await sleep(1_100)
    await correct(...of)
  }
  await of.step()
  expect(of.corrected).toHaveLength(1)
  await of.step()
  await of.step()
  expect(of.corrected).toHaveLength(3)
  expect(of.shown()).toBe(3)
})

test('that the index is gone is for its writer', async () => {
  await using of = await audited()
  of.fail(new Trouble('missing', 'no such index'))
  await expect(of.step()).rejects.toMatchObject({ kind: 'missing' })
})

test('so many documents that there is not the time for them are looked at in smaller portions, which grow again', async () => {
  await using of = await audited({ portion: 8 })
  await of.atTheEnd()
  of.held.push({ key: 20, passages: 1, ids: 1, collection: 1 })
  const late = new Trouble('away', 'late', { cause: new DOMException('late', 'TimeoutError') })
  await of.step()
  for (const why of [late, late, new Trouble('away', 'not there')]) {
    of.fail(why)
    await of.step()
  }
  of.fail(null)
  for (let n = 0; n < 3; n++) await of.step()
  expect(of.windows).toEqual([0, 8, 10, 14])
})
