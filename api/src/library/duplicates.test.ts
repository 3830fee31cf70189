import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestLibrary, testLibrary, upload } from '../../test/library.ts'
import type { Person } from '../../test/server.ts'

let library: TestLibrary
let owner: Person
let collection: string

beforeAll(async () => {
  library = await testLibrary()
  owner = await library.server.person()
  collection = await library.collection(owner)
})
afterAll(() => library[Symbol.asyncDispose]())

const failure = (code: string) => expect.objectContaining({ data: expect.objectContaining({ code }) })
const resolve = (id: string, choice: 'skip' | 'version' | 'keep') =>
  owner.api.documents.resolveDuplicate.mutate({ id, choice })
const names = async () =>
  (await owner.api.documents.list.query({ collectionId: collection, limit: 100 })).items.map(
    (item) => item.name,
  )

async function jobsOf(versionId: string): Promise<number> {
  const jobs = (await library.waitingJobs('ingest')) as { versionId: string }[]
  return jobs.filter((job) => job.versionId === versionId).length
}

async function blobsAndNames(): Promise<{ stored: number; named: number }> {
  const { rows } = await library.pool.query('SELECT DISTINCT storage_key FROM document_versions')
  const stored = await library.stored()
  return { stored: stored.length, named: rows.length }
}

test('ask: kept and set aside with the name of what is there, until somebody decides', async () => {
  const bytes = randomBytes(100)
  const first = await upload(owner, collection, 'one.txt', bytes)
  const again = await upload(owner, collection, 'two.txt', bytes)
  expect(again).toMatchObject({
    status: 201,
    stage: 'attention',
    duplicateOf: { documentId: first.documentId, name: 'one.txt' },
  })
  expect((await owner.api.documents.get.query({ id: again.documentId })).version.error).toEqual({
    code: 'DUPLICATE',
    message: 'The same file is already here.',
    detail: { documentId: first.documentId, name: 'one.txt' },
  })
  expect(await jobsOf(again.versionId)).toBe(0)
  await expect(owner.api.documents.retry.mutate({ id: again.documentId })).rejects.toEqual(
    failure('CONFLICT'),
  )
  await expect(resolve(first.documentId, 'keep')).rejects.toEqual(failure('CONFLICT'))
  // A third one points to the file, not to the question about it.
  const third = await upload(owner, collection, 'three.txt', bytes)
  expect(third.duplicateOf?.documentId).toBe(first.documentId)
})

test('the same bytes in another collection, after a cancel, or of an old version are no duplicate', async () => {
  const bytes = randomBytes(100)
  const first = await upload(owner, collection, 'x.txt', bytes)
  const elsewhere = await upload(owner, await library.collection(owner), 'x.txt', bytes)
  expect(elsewhere.stage).toBe('received')
  await owner.api.documents.cancel.mutate({ id: first.documentId })
  const after = await upload(owner, collection, 'x.txt', bytes)
  expect(after).toMatchObject({ stage: 'received' })
  expect(after.duplicateOf).toBeUndefined()
  await upload(owner, collection, 'x.txt', randomBytes(10), { document: after.documentId })
  expect((await upload(owner, collection, 'x.txt', bytes)).stage).toBe('received')
})

test('keep: both are there, sharing the bytes', async () => {
  const bytes = randomBytes(100)
  const first = await upload(owner, collection, 'k.txt', bytes)
  const again = await upload(owner, collection, 'k2.txt', bytes)
  expect(await resolve(again.documentId, 'keep')).toEqual({ documentId: again.documentId })
  expect((await owner.api.documents.get.query({ id: again.documentId })).version).toMatchObject({
    stage: 'received',
    error: null,
  })
  expect(await jobsOf(again.versionId)).toBe(1)
  const direct = await upload(owner, collection, 'k3.txt', bytes, { duplicate: 'keep' })
  expect(direct).toMatchObject({
    status: 201,
    stage: 'received',
    duplicateOf: { documentId: first.documentId },
  })
  expect(await names()).toEqual(expect.arrayContaining(['k.txt', 'k2.txt', 'k3.txt']))
  const { stored, named } = await blobsAndNames()
  expect(stored).toBe(named)
})

test('skip: what was there stays, the other is gone', async () => {
  const bytes = randomBytes(100)
  const first = await upload(owner, collection, 's.txt', bytes)
  const again = await upload(owner, collection, 's2.txt', bytes)
  expect(await resolve(again.documentId, 'skip')).toEqual({ documentId: first.documentId })
  expect(await names()).not.toContain('s2.txt')
  const skipped = await upload(owner, collection, 's3.txt', bytes, { duplicate: 'skip' })
  expect(skipped).toMatchObject({
    status: 200,
    documentId: first.documentId,
    versionId: first.versionId,
    stage: 'received',
  })
  expect(await names()).not.toContain('s3.txt')
  const { stored, named } = await blobsAndNames()
  expect(stored).toBe(named)
})

test('version: the file becomes the newest version of what was there', async () => {
  const bytes = randomBytes(100)
  const first = await upload(owner, collection, 'v.txt', bytes)
  const again = await upload(owner, collection, 'v2.txt', bytes)
  expect(await resolve(again.documentId, 'version')).toEqual({ documentId: first.documentId })
  const item = await owner.api.documents.get.query({ id: first.documentId })
  expect(item.versions.map((version) => [version.number, version.filename, version.stage])).toEqual([
    [2, 'v2.txt', 'received'],
    [1, 'v.txt', 'received'],
  ])
  expect(await jobsOf(again.versionId)).toBe(1)
  await expect(owner.api.documents.get.query({ id: again.documentId })).rejects.toEqual(failure('NOT_FOUND'))
  const direct = await upload(owner, collection, 'v3.txt', bytes, { duplicate: 'version' })
  expect(direct).toMatchObject({ status: 201, documentId: first.documentId, stage: 'received' })
})

test('a new version with bytes that are there: skipping drops the version only', async () => {
  const bytes = randomBytes(100)
  const first = await upload(owner, collection, 'd1.txt', bytes)
  const second = await upload(owner, collection, 'd2.txt', randomBytes(100))
  const version = await upload(owner, collection, 'd2-new.txt', bytes, { document: second.documentId })
  expect(version).toMatchObject({
    documentId: second.documentId,
    stage: 'attention',
    duplicateOf: { documentId: first.documentId },
  })
  expect(await resolve(second.documentId, 'skip')).toEqual({ documentId: first.documentId })
  const item = await owner.api.documents.get.query({ id: second.documentId })
  expect(item.versions.map((each) => each.id)).toEqual([second.versionId])
  const again = await upload(owner, collection, 'd2-new.txt', bytes, { document: second.documentId })
  expect(await resolve(second.documentId, 'version')).toEqual({ documentId: second.documentId })
  expect((await owner.api.documents.get.query({ id: second.documentId })).version).toMatchObject({
    id: again.versionId,
    stage: 'received',
  })
})

test('a new version that is sent again arrives, whoever else has its bytes, and arrives once', async () => {
  const bytes = randomBytes(100)
  const other = await upload(owner, collection, 'r1.txt', bytes)
  const target = await upload(owner, collection, 'r2.txt', randomBytes(100))
  const retry = { document: target.documentId, duplicate: 'skip' } as const
  const version = await upload(owner, collection, 'r2-new.txt', bytes, retry)
  expect(version).toMatchObject({ status: 201, documentId: target.documentId, stage: 'received' })
  expect(await jobsOf(version.versionId)).toBe(1)
  const again = await upload(owner, collection, 'r2-new.txt', bytes, retry)
  expect(again).toMatchObject({ status: 200, documentId: target.documentId, versionId: version.versionId })
  expect((await owner.api.documents.get.query({ id: other.documentId })).versions).toHaveLength(1)
  expect((await owner.api.documents.get.query({ id: target.documentId })).versions).toHaveLength(2)
})

test('when the file that was there first has gone, only keeping or skipping is left', async () => {
  const bytes = randomBytes(100)
  const first = await upload(owner, collection, 'g.txt', bytes)
  const again = await upload(owner, collection, 'g2.txt', bytes)
  await owner.api.documents.delete.mutate({ id: first.documentId })
  await expect(resolve(again.documentId, 'version')).rejects.toEqual(failure('CONFLICT'))
  await resolve(again.documentId, 'keep')
  expect(await jobsOf(again.versionId)).toBe(1)
})
