// Who is told how far the index and the database have come: whoever has something to see there, and nobody else.
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { POSITION_HEADER } from '../../../contract/position.ts'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { PASSWORD, TOKEN } from '../../test/people.ts'
import { type Person, type TestServer, testServer } from '../../test/server.ts'
import type { Replica } from '../database/replica.ts'
import type { Index } from '../index/port.ts'

const EPOCH = '11111111-2222-3333-4444-555555555555'

let db: TestDatabase
let server: TestServer
let somebody: Person
/** What a question to the primary costs: it is asked how far it has written. */
const asked = vi.fn(async () => ({ epoch: EPOCH, wal: 9 }))
beforeAll(async () => {
  db = await testDatabase()
  const status = { ready: true, behindMs: 0, stalledMs: 0, passages: 0, vectors: 0, generation: null }
  const index = { status: () => ({ ...status, engine: 'exact', position: { epoch: EPOCH, seq: 7 } }) }
  const replica = { primaryPlace: asked, beyond: () => null, read: async () => null }
  server = await testServer(db, {
    services: { index: index as unknown as Index, replica: replica as unknown as Replica },
  })
  somebody = await server.person()
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await db[Symbol.asyncDispose]()
})
beforeEach(() => void asked.mockClear())

type Caller = Pick<Person, 'fetch'>

async function told(caller: Caller, path: string, init?: RequestInit): Promise<[number, string | null]> {
  const response = await caller.fetch(path, init)
  return [response.status, response.headers.get(POSITION_HEADER)]
}

const call = (caller: Caller, procedure: string, input: unknown) =>
  told(caller, `/trpc/${procedure}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ json: input }),
  })
const put = (caller: Caller, path: string) => told(caller, path, { method: 'PUT', body: 'x' })

test('a stranger is told nothing, and costs the primary nothing', async () => {
  const { anonymous } = server
  expect(await told(anonymous, '/trpc/people.me')).toEqual([200, null])
  expect(await told(anonymous, '/trpc/collections.list')).toEqual([401, null])
  expect(await told(anonymous, '/trpc/people.nothing')).toEqual([404, null])
  expect(await call(anonymous, 'people.updateMe', { name: 'Eve' })).toEqual([401, null])
  const guess = { token: 'a guess', name: 'Eve', email: 'eve@example.org', password: PASSWORD }
  expect(await call(anonymous, 'setup.createOwner', guess)).toEqual([403, null])
  expect(await put(anonymous, '/files?collection=x&name=y')).toEqual([401, null])
  expect(await put(anonymous, '/nowhere')).toEqual([404, null])
  expect(asked).not.toHaveBeenCalled()
})

test('who is signed in is told, whether they have read or written; an upload that failed has written nothing', async () => {
  expect(await told(somebody, '/trpc/people.me')).toEqual([200, `${EPOCH}:7:9`])
  expect(await call(somebody, 'people.updateMe', { name: 'Ada' })).toEqual([200, `${EPOCH}:7:9`])
  expect(asked).toHaveBeenCalledTimes(2)
  expect(await put(somebody, '/files?collection=x&name=y')).toEqual([400, null])
  expect(await put(somebody, '/nowhere')).toEqual([404, null])
  expect(asked).toHaveBeenCalledTimes(2)
})

test('who comes in by a link is told what was written for them', async () => {
  const owner = { token: TOKEN, name: 'Ada', email: 'ada@example.org', password: PASSWORD }
  expect(await call(server.anonymous, 'setup.createOwner', owner)).toEqual([200, `${EPOCH}:7:9`])
})
