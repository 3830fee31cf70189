// Addresses as the SDK signs them: nothing is asked for that, so no account is needed.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { presigner } from './presign.ts'

const AT = { bucket: 'terrace-state-222233334444-eu-west-1', key: 'bakes/1/a b.json' }
beforeEach(() => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIAEXAMPLE')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret')
  vi.stubEnv('AWS_SESSION_TOKEN', 'session')
  vi.stubEnv('AWS_CREDENTIAL_EXPIRATION', '2026-11-28T13:00:00Z')
  vi.stubEnv('AWS_ENDPOINT_URL', undefined)
  vi.stubEnv('AWS_ENDPOINT_URL_S3', undefined)
})
afterEach(() => vi.unstubAllEnvs())

test('one object, of this region, for so long', async () => {
  const url = new URL(await presigner({ region: 'eu-west-1' }).get(AT, 7_200))
  expect(url.protocol).toBe('https:')
  expect(url.hostname).toBe(`${AT.bucket}.s3.eu-west-1.amazonaws.com`)
  expect(url.pathname).toBe('/bakes/1/a%20b.json')
  expect(url.searchParams.get('X-Amz-Expires')).toBe('7200')
  expect(url.searchParams.get('X-Amz-Security-Token')).toBe('session')
})

test('what is put there may be anything: no checksum of nothing is signed with it', async () => {
  const url = new URL(await presigner({ region: 'eu-west-1' }).put(AT, 60))
  expect([...url.searchParams.keys()].filter((name) => /checksum/i.test(name))).toEqual([])
  expect(url.searchParams.get('X-Amz-SignedHeaders')).toBe('host')
})

test('elsewhere the bucket stands in the path', async () => {
  vi.stubEnv('AWS_ENDPOINT_URL', 'http://127.0.0.1:9000')
  const url = new URL(await presigner({ region: 'eu-west-1' }).get(AT, 60))
  expect(url.host).toBe('127.0.0.1:9000')
  expect(url.pathname).toBe(`/${AT.bucket}/bakes/1/a%20b.json`)
})

test('it says when its credentials end', async () => {
  expect(await presigner({ region: 'eu-west-1' }).validUntil()).toEqual(new Date('2026-11-28T13:00:00Z'))
})

test('without credentials it says so in words', async () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', undefined)
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', undefined)
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true')
  vi.stubEnv('AWS_CONFIG_FILE', '/nowhere/config')
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/nowhere/credentials')
  await expect(presigner({ region: 'eu-west-1' }).get(AT, 60)).rejects.toThrow(
    'There are no credentials for AWS',
  )
})
