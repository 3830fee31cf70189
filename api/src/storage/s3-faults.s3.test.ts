// What goes wrong between this program and S3, or at either end (`npm run test:s3`).
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import fs from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, inject, test, vi } from 'vitest'
import { s3Line } from '../../test/s3-line.ts'
import { BUCKET, startS3Server } from '../../test/s3-server.ts'
import { openS3Store } from '../../test/s3-store.ts'

const env = inject('s3')
const MB = 1024 * 1024

afterEach(() => vi.restoreAllMocks())

/** Yields `bytes` in chunks, and counts what was taken. */
function counted(bytes: Buffer): { body: Readable; taken: () => number } {
  let taken = 0
  function* chunks() {
    for (let at = 0; at < bytes.length; at += 65_536) {
      taken = at
      yield bytes.subarray(at, at + 65_536)
    }
  }
  return { body: Readable.from(chunks(), { objectMode: false }), taken: () => taken }
}

const PART = /^PUT [^\n]*partNumber=/

/** Waits until it has come to `least` and grows no more. */
async function settled(taken: () => number, least: number): Promise<void> {
  while (taken() < least) await sleep(5)
  for (let before = -1; before !== taken(); await sleep(500)) before = taken()
}

test.each([
  ['the only request', 1_000, /^PUT [^\n]*x-id=PutObject/],
  ['the last request of a large one', 9_000_000, /^POST [^\n]*uploadId=/],
])('a put whose answer got lost is still one put: %s', async (_, size, request) => {
  await using line = await s3Line(env)
  await using opened = await openS3Store(line.env)
  const bytes = randomBytes(size)
  line.next({ kind: 'lose-answer', request })
  const stored = await opened.store.put('a', counted(bytes).body)
  expect(line.happened).toBe(1)
  expect(stored.sha256).toBe(createHash('sha256').update(bytes).digest('hex'))
  expect(await opened.residue()).toHaveLength(1)
  await expect(opened.store.put('a', counted(bytes).body)).rejects.toMatchObject({ code: 'CONFLICT' })
})

test.each([
  ['the only request', 100_000, /^PUT [^\n]*x-id=PutObject/],
  ['a part of a large one', 9_000_000, /^PUT [^\n]*partNumber=1/],
])('bytes that are damaged on their way to S3 are refused there: %s', async (_, size, request) => {
  await using line = await s3Line(env)
  await using opened = await openS3Store(line.env)
  line.next({ kind: 'garble-request', request, at: 50_000 })
  await expect(opened.store.put('a', counted(randomBytes(size)).body)).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringContaining('damaged on the way'),
  })
  expect(line.happened).toBe(1)
  expect(await opened.residue()).toEqual([])
})

test('a part whose answer got lost is sent again', async () => {
  await using line = await s3Line(env)
  await using opened = await openS3Store(line.env)
  const bytes = randomBytes(9_000_000)
  line.next({ kind: 'lose-answer', request: /^PUT [^\n]*partNumber=1/ })
  await opened.store.put('a', counted(bytes).body)
  expect(line.happened).toBe(1)
  expect((await buffer(await opened.store.get('a'))).equals(bytes)).toBe(true)
})

test('while S3 stalls, no more is taken from the sender than a few parts', async () => {
  await using line = await s3Line(env)
  await using opened = await openS3Store(line.env)
  const bytes = randomBytes(70 * MB)
  const { body, taken } = counted(bytes)
  line.stall(PART)
  const put = opened.store.put('a', body)
  await settled(taken, 16 * MB)
  expect(taken()).toBeLessThan(40 * MB)
  line.go()
  expect((await put).sha256).toBe(createHash('sha256').update(bytes).digest('hex'))
})

test('many writers together have no more under way than a few parts, and one each that they fill', async () => {
  await using line = await s3Line(env)
  await using opened = await openS3Store(line.env)
  const bytes = randomBytes(40 * MB)
  const writers = Array.from({ length: 12 }, () => counted(bytes))
  const taken = () => writers.reduce((sum, writer) => sum + writer.taken(), 0)
  const stop = new AbortController()
  line.stall(PART)
  const puts = writers.map(({ body }, i) => opened.store.put(`w/${i}`, body, { signal: stop.signal }))
  const ended = Promise.allSettled(puts)
  await settled(taken, 140 * MB)
  const most = taken()
  stop.abort(new Error('enough'))
  line.go()
  expect((await ended).map(({ status }) => status)).toEqual(Array(12).fill('rejected'))
  expect(most).toBeLessThan(200 * MB)
  await expect.poll(() => opened.residue()).toEqual([])
})

test('an abort while S3 stalls ends the put and leaves nothing', async () => {
  await using line = await s3Line(env)
  await using opened = await openS3Store(line.env)
  const { body, taken } = counted(randomBytes(70 * MB))
  const controller = new AbortController()
  line.stall(PART)
  const put = opened.store.put('a', body, { signal: controller.signal })
  put.catch(() => {})
  await settled(taken, 16 * MB)
  const open = line.open()
  controller.abort(new Error('given up'))
  // Also the parts' own connections, which are still stalled.
  await expect(put).rejects.toThrow('given up')
  expect(body.destroyed).toBe(true)
  await expect.poll(() => line.open()).toBeLessThan(open)
  expect(await opened.residue()).toEqual([])
})

test.each(['cut-answer', 'garble-answer'] as const)(
  'a download that the network damages is an error, never another blob: %s',
  async (kind) => {
    await using line = await s3Line(env)
    await using opened = await openS3Store(line.env)
    const bytes = randomBytes(2_000_000)
    await opened.store.put('a', counted(bytes).body)
    const request = /^GET [^\n]*x-id=GetObject/
    const accident = () =>
      line.next(kind === 'cut-answer' ? { kind, request, after: 500_000 } : { kind, request, at: 500_000 })
    accident()
    await expect(buffer(await opened.store.get('a'))).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    accident()
    await expect(opened.store.localPath('a')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(line.happened).toBe(2)
    expect(await opened.residue()).toHaveLength(1)
    await using file = await opened.store.localPath('a')
    expect((await readFile(file.path)).equals(bytes)).toBe(true)
  },
)

test('a reader who leaves ends the request at the other end too', async () => {
  await using line = await s3Line(env)
  await using opened = await openS3Store(line.env)
  await opened.store.put('a', counted(randomBytes(60 * MB)).body)
  const idle = line.open()
  const bodies = await Promise.all(Array.from({ length: idle + 3 }, () => opened.store.get('a')))
  for (const body of bodies) await once(body, 'readable')
  expect(line.open()).toBe(bodies.length)
  for (const body of bodies) body.destroy()
  await expect.poll(() => line.open()).toBe(0)
})

test('a local file that does not fit on the disk: STORAGE_FULL, and nothing is left of it', async () => {
  await using opened = await openS3Store(env)
  await opened.store.put('a', counted(randomBytes(2_000_000)).body)
  const full = (...args: unknown[]) => {
    const done = args.at(-1)
    if (typeof done === 'function') done(Object.assign(new Error('no space'), { code: 'ENOSPC' }), 0)
  }
  vi.spyOn(fs, 'write').mockImplementation(full as typeof fs.write)
  vi.spyOn(fs, 'writev').mockImplementation(full as typeof fs.writev)
  await expect(opened.store.localPath('a')).rejects.toMatchObject({ code: 'STORAGE_FULL' })
  vi.restoreAllMocks()
  expect(await opened.residue()).toHaveLength(1)
})

test('an aborted fetch leaves no file', async () => {
  await using opened = await openS3Store(env)
  await opened.store.put('a', counted(randomBytes(30 * MB)).body)
  const controller = new AbortController()
  const fetching = opened.store.localPath('a', { signal: controller.signal })
  fetching.catch(() => {})
  while ((await opened.residue()).length < 2) await sleep(1)
  controller.abort(new Error('given up'))
  await expect(fetching).rejects.toThrow('given up')
  expect(await opened.residue()).toHaveLength(1)
})

test('a killed writer leaves no blob; its parts go with a sweep, once they are old enough', async () => {
  await using opened = await openS3Store(env)
  const script = `
    import { Readable } from 'node:stream'
    import { createS3BlobStore } from ${JSON.stringify(path.join(import.meta.dirname, 's3.ts'))}
    const [bucket, prefix, fetched] = process.argv.slice(1)
    const store = await createS3BlobStore({ bucket, prefix, fetched })
    async function* body() {
      yield Buffer.alloc(20_000_000)
      console.log('writing')
      await new Promise((resolve) => setTimeout(resolve, 600_000))
    }
    await store.put('never', Readable.from(body(), { objectMode: false }))`
  const child = spawn(
    process.execPath,
    ['--input-type=module', '-e', script, BUCKET, opened.prefix, opened.fetched],
    { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } },
  )
  try {
    await once(child.stdout, 'data')
    await expect.poll(async () => (await opened.residue()).length).toBe(1)
  } finally {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  expect(await opened.store.size('never')).toBeNull()
  await opened.store.sweep()
  expect(await opened.residue()).toEqual([`unfinished: ${opened.prefix}/never`])
  await using later = await openS3Store(env, { prefix: opened.prefix, abandonedMs: 0 })
  await later.store.sweep()
  expect(await opened.residue()).toEqual([])
})

test('a server that dies in the middle of an upload: a clear error, nothing visible afterwards, and on it goes', async () => {
  await using server = await startS3Server()
  await using opened = await openS3Store(server.env)
  const { store } = opened
  const bytes = randomBytes(40 * MB)
  async function* body() {
    yield* counted(bytes.subarray(0, 20 * MB)).body
    await server.kill()
    yield* counted(bytes.subarray(20 * MB)).body
  }
  const away = { code: 'UNAVAILABLE', message: expect.stringContaining('does not answer') }
  await expect(store.put('a', Readable.from(body(), { objectMode: false }))).rejects.toMatchObject(away)
  await expect(store.put('b', Readable.from([randomBytes(10)]))).rejects.toMatchObject(away)
  await expect(store.size('a')).rejects.toMatchObject(away)
  await expect(store.get('a')).rejects.toMatchObject(away)
  await expect(store.check()).rejects.toMatchObject(away)
  await server.restart()
  await store.check()
  expect(await store.size('a')).toBeNull()
  await using later = await openS3Store(server.env, { prefix: opened.prefix, abandonedMs: 0 })
  await later.store.sweep()
  expect(await opened.residue()).toEqual([])
  await store.put('a', counted(bytes).body)
  expect((await buffer(await store.get('a'))).equals(bytes)).toBe(true)
})
