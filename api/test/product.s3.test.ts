// The product with its originals in a bucket: API and ingest as they really run (`npm run test:s3`).
import { randomBytes, randomUUID } from 'node:crypto'
import { get } from 'node:http'
import { paginateListObjectsV2 } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { upload } from './library.ts'
import { type Product, startProduct } from './product.ts'
import { type Line, s3Line } from './s3-line.ts'
import { BUCKET, s3Client } from './s3-server.ts'
import { docx } from './sample-files.ts'
import type { Person } from './server.ts'

const prefix = `product/${randomUUID()}`
let line: Line
let product: Product
let owner: Person
let collection: string

beforeAll(async () => {
  line = await s3Line(inject('s3'))
  product = await startProduct({ env: { ...line.env, STORAGE: `s3://${BUCKET}/${prefix}` } })
  owner = await product.person({ role: 'owner' })
  collection = (await owner.api.collections.create.mutate({ name: 'Things' })).id
})
afterAll(async () => {
  await product[Symbol.asyncDispose]()
  await line[Symbol.asyncDispose]()
})

async function objects(): Promise<string[]> {
  const client = s3Client(inject('s3'))
  const keys: string[] = []
  for await (const page of paginateListObjectsV2({ client }, { Bucket: BUCKET, Prefix: `${prefix}/` }))
    keys.push(...(page.Contents ?? []).map(({ Key = '' }) => Key))
  client.destroy()
  return keys
}

test('a file is uploaded, read, found, downloaded whole and by range, and gone when it is deleted', async () => {
  const bytes = docx(['The wombat keeps its originals in a bucket.'])
  const { status, documentId, versionId } = await upload(owner, collection, 'wombat.docx', bytes)
  expect(status).toBe(201)
  const search = async () =>
    (await owner.api.search.passages.query({ query: 'wombat', collectionIds: [collection] })).passages
  await expect.poll(async () => (await search()).length).toBe(1)
  const whole = await owner.fetch(`/files/${versionId}`)
  expect(whole.status).toBe(200)
  expect(Buffer.from(await whole.arrayBuffer()).equals(bytes)).toBe(true)
  const part = await owner.fetch(`/files/${versionId}`, { headers: { range: 'bytes=100-299' } })
  expect([part.status, part.headers.get('content-range')]).toEqual([206, `bytes 100-299/${bytes.length}`])
  expect(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(100, 300))).toBe(true)
  expect(await objects()).toEqual([expect.stringMatching(/\/originals\/[0-9a-f]{2}\/[0-9a-f-]{36}$/)])
  const health = await product.anonymous.fetch('/readyz')
  expect(await health.json()).toMatchObject({ ready: true, storage: 'ok' })
  await owner.api.documents.delete.mutate({ id: documentId })
  await expect.poll(objects).toEqual([])
})

test('a large file goes through in parts; a client that leaves a download ends the request to S3', async () => {
  const bytes = randomBytes(40_000_000)
  const { status, versionId } = await upload(owner, collection, 'large.bin', bytes)
  expect(status).toBe(201)
  const whole = await owner.fetch(`/files/${versionId}`)
  expect(Buffer.from(await whole.arrayBuffer()).equals(bytes)).toBe(true)
  const idle = line.open()
  const leaving = Array.from({ length: idle + 3 }, async () => {
    const request = get(`${product.url}/files/${versionId}`, { headers: { cookie: owner.cookie } })
    await new Promise((resolve, reject) => request.once('response', resolve).once('error', reject))
    return () => request.on('error', () => {}).destroy()
  })
  const leave = await Promise.all(leaving)
  expect(line.open()).toBeGreaterThanOrEqual(leave.length)
  for (const each of leave) each()
  await expect.poll(() => line.open()).toBeLessThanOrEqual(idle)
})

test('a storage that is away is said to be, and nothing counts as lost', async () => {
  const { versionId, documentId } = await upload(owner, collection, 'notes.txt', 'The quokka waits.')
  line.cut()
  const refused = await owner.fetch(`/files/${versionId}`)
  expect([refused.status, await refused.json()]).toEqual([
    503,
    expect.objectContaining({ code: 'UNAVAILABLE' }),
  ])
  const during = await upload(owner, collection, 'other.txt', 'Nothing of this is kept.')
  expect(during).toMatchObject({ status: 503, code: 'UNAVAILABLE' })
  const health = await product.anonymous.fetch('/readyz')
  expect(await health.json()).toMatchObject({ ready: true, storage: 'unreachable' })
  line.mend()
  expect(await (await owner.fetch(`/files/${versionId}`)).text()).toBe('The quokka waits.')
  const stage = async () => (await owner.api.documents.get.query({ id: documentId })).version.stage
  await expect.poll(stage).toMatch(/^(?:words|searchable)$/)
})
