import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { afterEach, expect, test, vi } from 'vitest'
import { S3Body } from './s3-body.ts'

afterEach(() => vi.useRealTimers())

const silent = () => new Readable({ read() {} })
const damaged = { code: 'UNAVAILABLE' }

test('what came whole comes out whole', async () => {
  const source = Readable.from([Buffer.from('ab'), Buffer.from('c')], { objectMode: false })
  expect((await buffer(new S3Body(source, 3, 'x'))).toString()).toBe('abc')
})

test.each([
  ['ends early', (source: Readable) => source.push(null)],
  ['brings too much', (source: Readable) => source.push(Buffer.from('abcdef')) && source.push(null)],
  ['fails', (source: Readable) => source.destroy(new Error('aborted'))],
  ['is closed without a word', (source: Readable) => source.destroy()],
])('a connection that %s is an error', async (_, then) => {
  const source = silent()
  source.push(Buffer.from('ab'))
  const read = buffer(new S3Body(source, 3, 's3://bucket/key'))
  setImmediate(() => then(source))
  await expect(read).rejects.toMatchObject(damaged)
  expect(source.destroyed).toBe(true)
})

test('destroying it destroys the connection, also while that is silent', async () => {
  const source = silent()
  const body = new S3Body(source, 3, 'x')
  body.read()
  body.destroy()
  expect(source.destroyed).toBe(true)
})

test('a silent connection is given up while somebody waits for it, not while the reader takes its time', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const source = silent()
  const body = new S3Body(source, 2_000_000, 'x')
  body.on('error', () => {})
  body.once('readable', () => {})
  await new Promise((resolve) => setImmediate(resolve))
  source.push(Buffer.alloc(1_000_000))
  await new Promise((resolve) => setImmediate(resolve))
  vi.advanceTimersByTime(600_000)
  expect(body.destroyed).toBe(false)
  body.resume()
  await new Promise((resolve) => setImmediate(resolve))
  vi.advanceTimersByTime(29_000)
  expect(body.destroyed).toBe(false)
  vi.advanceTimersByTime(2_000)
  expect(body.errored).toMatchObject(damaged)
})
