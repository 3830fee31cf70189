// Two whole API servers whose replica is thirty seconds behind: what people see in their lists, over HTTP.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Browser, browser } from './browser.ts'
import { upload } from './library.ts'
import { type ReplicatedPostgres, replicatedPostgres } from './replica.ts'
import { type Person, type TestServer, testServer } from './server.ts'

let postgres: ReplicatedPostgres
let server: TestServer
let other: TestServer
beforeAll(async () => {
  postgres = await replicatedPostgres()
  server = await testServer(postgres.db, { whole: true })
  other = await testServer(postgres.db, { whole: true })
})
afterAll(async () => {
  await other[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
  await postgres[Symbol.asyncDispose]()
})

let someone: Person
/** Someone's browser. */
let owner: Browser
let guest: Person
/** Shared by both since long ago, with one document and nothing that was seen of it. */
let collection: string
beforeEach(async () => {
  await postgres.lag(0)
  someone = await server.person()
  owner = browser(server, someone)
  guest = await server.person()
  collection = (await owner.api.collections.create.mutate({ name: 'Shared' })).id
  await owner.api.collections.setMember.mutate({
    ...{ id: collection, userId: guest.viewer.userId, role: 'viewer' },
  })
  await upload(owner, collection, 'old.txt', 'Old.')
  await postgres.caughtUp()
  await postgres.lag(30)
})

const documents = async ({ api }: Pick<Browser, 'api'>) =>
  (await api.documents.list.query({ collectionId: collection })).items.map(({ name }) => name)
const collections = async ({ api }: Pick<Browser, 'api'>) =>
  (await api.collections.list.query()).map(({ name }) => name)
const chats = async ({ api }: Pick<Browser, 'api'>) =>
  (await api.chats.list.query({})).items.map(({ id }) => id)

/** Whether the replica gave the list that `work` asks for. */
async function by<T>(work: () => Promise<T>, of = server): Promise<['replica' | 'primary', T]> {
  const before = of.services.replica?.status().served ?? 0
  const result = await work()
  return [(of.services.replica?.status().served ?? 0) > before ? 'replica' : 'primary', result]
}

describe('with a replica that is 30 s behind', () => {
  test('an upload is all that a browser has seen, and its list has it', async () => {
    const fresh = browser(server, someone)
    expect(await by(() => documents(fresh))).toEqual(['replica', ['old.txt']])
    await upload(fresh, collection, 'new.txt', 'New.')
    expect(await by(() => documents(fresh))).toEqual(['primary', ['new.txt', 'old.txt']])
  })

  test('everybody sees their own writes at once, on every server', async () => {
    const elsewhere = owner.at(other)
    const { id: fresh } = await owner.api.collections.create.mutate({ name: 'Fresh' })
    expect(await collections(owner)).toEqual(['Fresh', 'Shared'])
    expect(await collections(elsewhere)).toEqual(['Fresh', 'Shared'])
    await owner.api.collections.update.mutate({ id: fresh, name: 'Afresh' })
    expect(await collections(elsewhere)).toEqual(['Afresh', 'Shared'])

    const uploaded = await upload(owner, collection, 'new.txt', 'New.')
    expect(await documents(owner)).toEqual(['new.txt', 'old.txt'])
    expect(await documents(elsewhere)).toEqual(['new.txt', 'old.txt'])
    await elsewhere.api.documents.rename.mutate({ id: uploaded.documentId, name: 'newer.txt' })
    expect(await documents(owner)).toEqual(['newer.txt', 'old.txt'])
    await owner.api.documents.delete.mutate({ id: uploaded.documentId })
    expect(await documents(elsewhere)).toEqual(['old.txt'])

    const { id: chat } = await elsewhere.api.chats.create.mutate({ collectionIds: [collection] })
    expect(await chats(owner)).toEqual([chat])
    await owner.api.chats.delete.mutate({ id: chat })
    expect(await chats(elsewhere)).toEqual([])
  })

  test('the others see what the replica has, never less than before, and everything once it is there', async () => {
    const looking = browser(server, guest)
    expect(await by(() => documents(looking))).toEqual(['replica', ['old.txt']])
    const { documentId } = await upload(owner, collection, 'new.txt', 'New.')
    expect(await by(() => documents(looking))).toEqual(['replica', ['old.txt']])
    // Told of it, they open it: that is on the primary, and from now on their lists have it too.
    await looking.api.documents.get.query({ id: documentId })
    expect(await by(() => documents(looking))).toEqual(['primary', ['new.txt', 'old.txt']])
    expect(await by(() => documents(looking.at(other)), other)).toEqual(['primary', ['new.txt', 'old.txt']])
    await postgres.lag(0)
    await postgres.caughtUp()
    expect(await by(() => documents(looking))).toEqual(['replica', ['new.txt', 'old.txt']])
    expect(await by(() => documents(owner))).toEqual(['replica', ['new.txt', 'old.txt']])
  })

  test('an event brings along what is needed to see what it is about', async () => {
    const looking = browser(server, guest)
    const events = guest.subscribe('events.watch', undefined)
    const next = async (type: string) => {
      for (;;) {
        const { value, done } = await events.next()
        if (done) throw new Error('the stream ended')
        if (value.event !== 'message') continue
        const { type: of, seen } = value.data as { type: string; seen?: string }
        looking.note(seen)
        if (of === type) return seen
      }
    }
    await next('collections')
    await owner.api.collections.update.mutate({ id: collection, name: 'Renamed' })
    expect(await next('collections')).toMatch(/:\d+:\d+$/)
    expect(await by(() => collections(looking))).toEqual(['primary', ['Renamed']])
    await events.return(undefined)
  })

  test('no list names what was deleted, nor anything of a collection that was closed to them', async () => {
    const looking = browser(server, guest)
    const secret = await upload(owner, collection, 'secret.txt', 'Secret.')
    await postgres.lag(0)
    await postgres.caughtUp()
    await postgres.lag(30)
    expect(await by(() => documents(looking))).toEqual(['replica', ['secret.txt', 'old.txt']])
    await owner.api.documents.delete.mutate({ id: secret.documentId })
    expect(await by(() => documents(looking))).toEqual(['replica', ['old.txt']])
    const { userId } = guest.viewer
    await owner.api.collections.removeMember.mutate({ id: collection, userId })
    await expect(documents(looking)).rejects.toMatchObject({ data: { code: 'NOT_FOUND' } })
    expect(await by(() => collections(looking))).toEqual(['replica', []])
  })
})

test('readiness tells of the replica, and does not depend on it', async () => {
  const ready = async () => {
    const response = await fetch(`${server.url}/readyz`)
    return [response.status, ((await response.json()) as { replica: string }).replica]
  }
  await expect.poll(ready).toEqual([200, 'ok'])
  await postgres.replica.kill()
  const looking = browser(server, guest)
  expect(await by(() => documents(looking))).toEqual(['primary', ['old.txt']])
  expect(await ready()).toEqual([200, 'away'])
  await postgres.replica.start()
  await expect.poll(ready).toEqual([200, 'ok'])
})

test('no statement of a request outlives it: a load balancer cuts it after two minutes', async () => {
  const { rows } = await server.services.pool.query<{ ms: number }>(
    "SELECT setting::int AS ms FROM pg_settings WHERE name = 'statement_timeout'",
  )
  expect(rows[0]?.ms).toBeGreaterThan(0)
  expect(rows[0]?.ms).toBeLessThan(120_000)
})
