// Caps and patience, made small: the same routes on a server of their own.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify, { type FastifyInstance } from 'fastify'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type TestLibrary, testLibrary } from '../../test/library.ts'
import type { Person } from '../../test/server.ts'
import { PersonSlots } from '../access/person-slots.ts'
import { AppError } from '../errors.ts'
import { type FileLimits, registerFiles } from './files.ts'

let library: TestLibrary
let owner: Person
let collection: string

beforeAll(async () => {
  library = await testLibrary()
  owner = await library.server.person()
  collection = await library.collection(owner)
})
afterAll(() => library[Symbol.asyncDispose]())

/** The file routes with limits of the test's own. */
async function server(limits: Partial<FileLimits>): Promise<FastifyInstance & AsyncDisposable> {
  const fastify = Fastify({ forceCloseConnections: true })
  fastify.setErrorHandler((error, _request, reply) => {
    const failure = error instanceof AppError ? error : new AppError('INTERNAL', { requestId: '' })
    return reply.code(failure.status).send(failure.toJSON())
  })
  registerFiles(fastify, library.server.services, async () => owner.viewer, limits)
  await fastify.listen({ host: '127.0.0.1', port: 0 })
  return Object.assign(fastify, { [Symbol.asyncDispose]: () => fastify.close().then(() => {}) })
}

function put(fastify: FastifyInstance, name: string, headers: Record<string, string> = {}) {
  const request = httpRequest({
    method: 'PUT',
    hostname: '127.0.0.1',
    port: (fastify.server.address() as AddressInfo).port,
    path: `/files?${new URLSearchParams({ collection, name, duplicate: 'keep' })}`,
    headers,
    agent: false,
  })
  request.on('error', () => {})
  return request
}

async function answerOf(request: ReturnType<typeof put>): Promise<{ status: number; code?: string }> {
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  let body = ''
  for await (const chunk of response.setEncoding('utf8')) body += chunk
  return { status: response.statusCode ?? 0, ...(JSON.parse(body) as { code?: string }) }
}

async function leftovers(): Promise<string[]> {
  const { rows } = await library.pool.query<{ storage_key: string }>(
    'SELECT storage_key FROM document_versions',
  )
  const named = new Set(rows.map((row) => `blobs/${row.storage_key}`))
  return (await library.stored()).filter((file) => !named.has(file))
}

test('more than the cap, announced by nobody: refused while it streams, and nothing kept', async () => {
  await using fastify = await server({ maxBytes: 100_000, lingerMs: 100 })
  const request = put(fastify, 'endless.txt', { 'transfer-encoding': 'chunked' })
  const closed = new Promise((resolve) => request.once('close', resolve))
  const answer = answerOf(request)
  let refused = false
  void answer.then(() => {
    refused = true
  })
  // Keeps sending, as a sender that never looks does, until it hears the answer.
  while (!refused) {
    request.write(randomBytes(20_000))
    await sleep(1)
  }
  expect(await answer).toMatchObject({ status: 413, code: 'TOO_LARGE' })
  expect(await leftovers()).toEqual([])
  // And its connection ends, though it goes on sending.
  const more = setInterval(() => request.write(randomBytes(1_000)), 5)
  await closed
  clearInterval(more)
})

test('exactly the cap is accepted', async () => {
  await using fastify = await server({ maxBytes: 100_000 })
  const request = put(fastify, 'exact.txt')
  request.end(randomBytes(100_000))
  expect((await answerOf(request)).status).toBe(201)
})

test('a sender that stands still is given up with UPLOAD_STALLED', async () => {
  await using fastify = await server({ stallMs: 50, lingerMs: 50 })
  const request = put(fastify, 'stalled.txt', { 'content-length': '1000' })
  request.write('begin')
  expect(await answerOf(request)).toMatchObject({ status: 408, code: 'UPLOAD_STALLED' })
  expect(await leftovers()).toEqual([])
})

test('one that only drips is given up too', async () => {
  await using fastify = await server({ stallMs: 10_000, totalMs: 100, lingerMs: 50 })
  const request = put(fastify, 'dripping.txt', { 'transfer-encoding': 'chunked' })
  const drip = setInterval(() => request.write('.'), 5)
  expect(await answerOf(request)).toMatchObject({ status: 408 })
  clearInterval(drip)
  expect(await leftovers()).toEqual([])
})

test('a full disk: STORAGE_FULL, nothing kept, and the next upload goes on', async () => {
  await using fastify = await server({})
  const probe = await open('/dev/null')
  const handles: { write: (...args: unknown[]) => Promise<unknown> } = Object.getPrototypeOf(probe)
  await probe.close()
  const write = vi
    .spyOn(handles, 'write')
    .mockRejectedValueOnce(Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' }))
  const refused = put(fastify, 'full.txt')
  refused.end(randomBytes(10_000))
  expect(await answerOf(refused)).toMatchObject({ status: 507, code: 'STORAGE_FULL' })
  write.mockRestore()
  expect(await leftovers()).toEqual([])
  const next = put(fastify, 'full.txt')
  next.end(randomBytes(10_000))
  expect((await answerOf(next)).status).toBe(201)
})

test('a person’s uploads beyond the cap wait, unread, and go on as others end', async () => {
  await using fastify = await server({ atOnce: 2, waiting: 2 })
  const before = (await library.stored()).length
  const requests = Array.from({ length: 5 }, (_, i) => {
    const request = put(fastify, `slot-${i}.txt`, { 'transfer-encoding': 'chunked' })
    request.write(randomBytes(1_000))
    return request
  })
  const answers = requests.map(answerOf)
  // Two are written, two wait, and whichever came last is refused: the only one that is answered so far.
  expect(await Promise.race(answers)).toMatchObject({ status: 429, code: 'TOO_MANY_REQUESTS' })
  while ((await library.stored()).length < before + 2) await sleep(5)
  await sleep(30)
  expect(await library.stored()).toHaveLength(before + 2)
  for (const request of requests) request.end()
  const statuses = (await Promise.all(answers)).map((answer) => answer.status)
  expect(statuses.sort()).toEqual([201, 201, 201, 201, 429])
})

test('slots go from hand to hand, are given back once, and waiting ends', async () => {
  const slots = new PersonSlots({ atOnce: 1, waiting: 5, waitMs: 30 })
  const release = await slots.take('a')
  await slots.take('b')
  for (const late of await Promise.allSettled([slots.take('a'), slots.take('a')]))
    expect(late).toMatchObject({ status: 'rejected', reason: { code: 'TOO_MANY_REQUESTS' } })
  const third = slots.take('a')
  release()
  release()
  const held = await third
  await expect(slots.take('a')).rejects.toMatchObject({ code: 'TOO_MANY_REQUESTS' })
  held()
  await slots.take('a')
})
