// The owner's procedures, over HTTP.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Person, type TestServer, testServer } from '../../test/server.ts'
import { type GenerationsFixture, generationsFixture, texts } from './fixtures.ts'

let of: GenerationsFixture
let server: TestServer
let owner: Person
beforeAll(async () => {
  of = await generationsFixture()
  server = await testServer(of.db, { services: { embedders: of.embedders } })
  owner = await server.person({ role: 'owner' })
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await of[Symbol.asyncDispose]()
})

test('an owner builds, sees how far it is, switches, goes back and removes', async () => {
  const { generations: api } = owner.api
  await of.add(texts(20, 'first'))
  expect(await api.list.query()).toMatchObject({
    generations: [
      { id: of.oldId, embedderId: 'old', state: 'active', passages: 20, embedded: 20, ready: true },
    ],
    embedders: [
      { id: 'old', name: 'Old', dimensions: 64, generationId: of.oldId },
      { id: 'new', name: 'New', generationId: null },
      { id: 'third', name: 'Third', generationId: null },
    ],
  })
  of.ends.new.script({ error: 429, retryAfter: '1' })
  const { id } = await api.build.mutate({ embedderId: 'new' })
  const listed = async () => (await api.list.query()).generations.find((each) => each.id === id)
  of.startFill()
  await expect
    .poll(async () => (await listed())?.problem)
    .toEqual({ code: 'EMBEDDER_BUSY', detail: { seconds: 1 } })
  await expect(api.switchTo.mutate({ id })).rejects.toMatchObject({ data: { code: 'GENERATION_INCOMPLETE' } })
  of.ends.new.script({})
  await expect.poll(async () => (await listed())?.ready).toBe(true)
  await api.switchTo.mutate({ id })
  expect((await api.list.query()).generations.map(({ state }) => state).sort()).toEqual([
    'active',
    'previous',
  ])
  await api.switchTo.mutate({ id: of.oldId })
  await api.remove.mutate({ id })
  await expect.poll(listed).toBeUndefined()
})

test('what is not there, and what may not be', async () => {
  const { generations: api } = owner.api
  await expect(api.build.mutate({ embedderId: 'nothing' })).rejects.toMatchObject({
    data: { code: 'EMBEDDER_MISSING' },
  })
  await expect(api.switchTo.mutate({ id: 4_711 })).rejects.toMatchObject({ data: { code: 'NOT_FOUND' } })
  await expect(api.remove.mutate({ id: of.oldId })).rejects.toMatchObject({
    data: { code: 'GENERATION_IN_USE' },
  })
  const member = await server.person()
  await expect(member.api.generations.list.query()).rejects.toMatchObject({ data: { code: 'FORBIDDEN' } })
})
