// The store in a bucket, against a real S3 server (`npm run test:s3`).
import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, inject, test } from 'vitest'
import { openS3Store } from '../../test/s3-store.ts'
import { blobStoreCases } from './port.cases.ts'
import type { BlobStore } from './port.ts'

const env = inject('s3')

/**
 * Two parts. S3 lets exactly one of many completions of a key through (If-None-Match on CompleteMultipartUpload);
 * SeaweedFS 4.48 does so one after the other, but measured with 20 at once up to all of them. Single puts, which
 * numbered manifests are, it arbitrates truly.
 */
blobStoreCases('S3', { large: 9_000_000, largeRace: false }, () => openS3Store(env))

const small = () => Readable.from([Buffer.from('small')], { objectMode: false })

async function list(store: BlobStore): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of store.list('')) keys.push(key)
  return keys
}

test('two stores under different prefixes know nothing of each other, nor of what others keep there', async () => {
  await using one = await openS3Store(env)
  await using below = await openS3Store(env, { prefix: `${one.prefix}/Below` })
  await below.store.put('a', small())
  await one.store.put('a', small())
  expect(await list(one.store)).toEqual(['a'])
  await one.store.delete('a')
  expect(await below.store.size('a')).toBe(5)
})

test('more blobs than S3 lists at once are all listed, in order', async () => {
  await using opened = await openS3Store(env)
  const keys = Array.from({ length: 1_100 }, (_, i) => `m/${String(i).padStart(6, '0')}`)
  const left = [...keys]
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (let key = left.pop(); key !== undefined; key = left.pop()) await opened.store.put(key, small())
    }),
  )
  expect(await list(opened.store)).toEqual(keys)
})

test.each([
  ['a wrong secret', { ...env, AWS_SECRET_ACCESS_KEY: 'wrong' }, {}],
  ['an unknown key', { ...env, AWS_ACCESS_KEY_ID: 'nobody' }, {}],
  ['a bucket that is not there', env, { bucket: 'not-there' }],
])('%s: refused as unavailable, never taken for a blob that is missing', async (_, wrong, where) => {
  await using right = await openS3Store(env)
  await right.store.put('a', small())
  await using opened = await openS3Store(wrong, { prefix: right.prefix, ...where })
  const { store } = opened
  const refused = { code: 'UNAVAILABLE', message: expect.stringContaining('refuses this server') }
  await expect(store.get('a')).rejects.toMatchObject(refused)
  await expect(store.localPath('a')).rejects.toMatchObject(refused)
  await expect(store.put('b', small())).rejects.toMatchObject(refused)
  await expect(store.put('b', Readable.from([randomBytes(9_000_000)]))).rejects.toMatchObject(refused)
  const calls = [() => store.size('a'), () => store.check(), () => list(store), () => store.sweep()]
  for (const call of calls) await expect(call()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  expect(await right.residue()).toHaveLength(1)
})

test('a presigned address takes exactly what it was signed for, once', async () => {
  await using opened = await openS3Store(env)
  const { store } = opened
  const bytes = randomBytes(100_000)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const signed = await store.presignPut('one', { bytes: bytes.length, sha256, seconds: 60 })
  if (signed === null) throw new Error('no address')
  const { url, method, headers } = signed
  const put = async (body: Buffer, to = url, given: Record<string, string> = { ...headers }) =>
    (await fetch(to, { method, body: new Uint8Array(body), headers: given })).status
  expect(await put(bytes.subarray(1))).toBe(403)
  expect(await put(Buffer.concat([bytes, bytes]))).toBe(403)
  expect(await put(randomBytes(bytes.length))).toBe(400)
  expect(await put(bytes, url, {})).toBe(403)
  expect(await put(bytes, url.replace('/one?', '/two?'))).toBe(403)
  expect((await fetch(url)).status).toBe(403)
  expect(await opened.residue()).toEqual([])
  expect(await put(bytes)).toBe(200)
  expect(await put(bytes)).toBe(412)
  expect((await buffer(await store.get('one'))).equals(bytes)).toBe(true)
  await expect(store.put('one', small())).rejects.toMatchObject({ code: 'CONFLICT' })
  // Of a length alone.
  const length = await store.presignPut('three', { bytes: 5, seconds: 60 })
  expect(await put(Buffer.from('123456'), length?.url, { ...length?.headers })).toBe(403)
  expect(await put(Buffer.from('12345'), length?.url, {})).toBe(403)
  expect(await put(Buffer.from('12345'), length?.url, { ...length?.headers })).toBe(200)
  const short = await store.presignPut('late', { bytes: 5, seconds: 1 })
  await sleep(2_500)
  expect(await put(Buffer.from('12345'), short?.url, { ...short?.headers })).toBe(403)
  expect(await list(store)).toEqual(['one', 'three'])
})

test('what a killed process fetched is gone at the next start', async () => {
  await using opened = await openS3Store(env)
  const { writeFile } = await import('node:fs/promises')
  await writeFile(`${opened.fetched}/${process.pid}.another-life.${randomUUID()}`, 'x')
  await opened.store.sweep()
  expect(await opened.residue()).toEqual([])
})
