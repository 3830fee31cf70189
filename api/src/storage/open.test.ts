import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { parseConfig } from '../config.ts'
import { openBlobStore } from './open.ts'

let home: string

beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'terrace-open-'))
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) vi.stubEnv(name, undefined)
  // Nor what this person's own files say.
  vi.stubEnv('AWS_CONFIG_FILE', path.join(home, 'none'))
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', path.join(home, 'none'))
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(home, { recursive: true })
})

const config = (STORAGE: string) =>
  parseConfig({ DATABASE_URL: 'x://x', AUTH_SECRET: 'x'.repeat(32), TERRACE_HOME: home, STORAGE })

test.each([
  ['file:/a/b', { kind: 'files', dir: '/a/b' }],
  ['file:a', { kind: 'files', dir: path.resolve('a') }],
  ['s3://bucket', { kind: 's3', bucket: 'bucket', prefix: '' }],
  ['s3://bucket/', { kind: 's3', bucket: 'bucket', prefix: '' }],
  ['s3://my.bucket-1/one/Two_3', { kind: 's3', bucket: 'my.bucket-1', prefix: 'one/Two_3' }],
  ['s3://bucket/one/', { kind: 's3', bucket: 'bucket', prefix: 'one' }],
])('STORAGE=%s', (value, storage) => {
  expect(config(value).storage).toEqual(storage)
})

test.each([
  'file:',
  's3://',
  's3://B',
  's3://bucket//x',
  's3://bucket/../x',
  's3://bucket/a b',
  's3:bucket',
  '/a',
])('STORAGE=%j is refused by name', (value) => {
  expect(() => config(value)).toThrow(/STORAGE: must be file:PATH or s3:\/\/BUCKET\/PREFIX/)
})

test('a folder is opened as one', async () => {
  const store = await openBlobStore(config(`file:${home}/storage`))
  await store.put('a', Readable.from([Buffer.from('a')]))
  expect(await store.size('a')).toBe(1)
  expect(await store.presignPut('b', { bytes: 1, seconds: 1 })).toBeNull()
})

test('a bucket is opened without a word to it, and without a region not at all', async () => {
  await expect(openBlobStore(config('s3://bucket/x'))).rejects.toThrow(/Region is missing/)
  vi.stubEnv('AWS_REGION', 'eu-central-1')
  await openBlobStore(config('s3://bucket/x'))
})

test.each([
  [undefined, 's3://bucket/pre', 'https://bucket.s3.eu-central-1.amazonaws.com/pre/a/b'],
  [undefined, 's3://bucket', 'https://bucket.s3.eu-central-1.amazonaws.com/a/b'],
  [
    'https://s3.eu-central-1.amazonaws.com',
    's3://bucket',
    'https://bucket.s3.eu-central-1.amazonaws.com/a/b',
  ],
  ['https://store.example.org:9000', 's3://bucket/pre', 'https://store.example.org:9000/bucket/pre/a/b'],
  ['http://127.0.0.1:9000', 's3://bucket', 'http://127.0.0.1:9000/bucket/a/b'],
])('with the endpoint %s, %s/a/b is %s', async (endpoint, storage, address) => {
  vi.stubEnv('AWS_REGION', 'eu-central-1')
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'key')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret')
  vi.stubEnv('AWS_ENDPOINT_URL_S3', endpoint)
  const store = await openBlobStore(config(storage))
  const signed = await store.presignPut('a/b', { bytes: 7, seconds: 100_000 })
  const url = new URL(signed?.url ?? '')
  expect(url.origin + url.pathname).toBe(address)
  const query = Object.fromEntries(url.searchParams)
  expect(query).toMatchObject({
    'X-Amz-Expires': '3600',
    'X-Amz-SignedHeaders': 'content-length;host;if-none-match',
  })
  expect(Object.keys(query).filter((name) => /checksum/i.test(name))).toEqual([])
})
