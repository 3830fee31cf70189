import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { type Person, type TestServer, testServer } from '../../test/server.ts'

let db: TestDatabase
let server: TestServer
let owner: Person
beforeAll(async () => {
  db = await testDatabase()
  server = await testServer(db, { env: { BUDGET_TOKENS: '100000', BUDGET_USD: '0.5' } })
  owner = await server.person({ role: 'owner' })
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await db[Symbol.asyncDispose]()
})

/** @param month as PostgreSQL adds it to this one's beginning */
async function used(
  who: Person,
  model: string,
  [input, output]: readonly [number, number],
  { priced = true, counted = true, month = '1 day' } = {},
): Promise<void> {
  const { usage } = server.services
  const id = await usage.reserve({
    ...{ id: randomUUID(), personId: who.viewer.userId, purpose: 'answer' },
    model: { id: model, price: priced ? { input: 1, output: 2 } : null },
    ...{ inputTokens: input, maxOutputTokens: output },
  })
  if (counted) await usage.settle(id, { inputTokens: input, outputTokens: output }, '')
  await db.pool.query(
    "UPDATE usage_calls SET at = date_trunc('month', now(), 'UTC') + $2::interval WHERE id = $1",
    [id, month],
  )
}

it('tells a person what this month took, by model, and what is left', async () => {
  const me = await server.person()
  const other = await server.person()
  await used(me, 'small', [1_000, 100])
  await used(me, 'large', [3_000, 500])
  await used(me, 'large', [2_000, 500], { counted: false })
  await used(me, 'own', [700, 7], { priced: false })
  await used(me, 'large', [9_999, 1], { month: '-1 microsecond' })
  await used(other, 'large', [50_000, 1])
  const mine = await me.api.usage.mine.query()
  const now = new Date()
  const next = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1))
  expect(mine).toEqual({
    month: now.toISOString().slice(0, 7),
    resets: next.toISOString().slice(0, 10),
    models: [
      { model: 'large', calls: 2, inputTokens: 5_000, outputTokens: 1_000, cost: 0.007, estimated: true },
      { model: 'small', calls: 1, inputTokens: 1_000, outputTokens: 100, cost: 0.0012, estimated: false },
      { model: 'own', calls: 1, inputTokens: 700, outputTokens: 7, cost: null, estimated: false },
    ],
    total: { calls: 4, inputTokens: 6_700, outputTokens: 1_107, cost: 0.0082, estimated: true },
    budget: { tokens: 100_000, usd: 0.5 },
    left: { tokens: 92_193, usd: 0.4918 },
  })
})

it('tells who has used nothing that nothing was used', async () => {
  const me = await server.person()
  await owner.api.usage.setBudget.mutate({ userId: me.viewer.userId, tokens: 5, usd: null })
  expect(await me.api.usage.mine.query()).toMatchObject({
    models: [],
    total: { calls: 0, inputTokens: 0, outputTokens: 0, cost: null, estimated: false },
    budget: { tokens: 5, usd: 0.5 },
    left: { tokens: 5, usd: 0.5 },
  })
})

it('never says that less than nothing is left', async () => {
  const me = await server.person()
  await used(me, 'large', [400, 100])
  await owner.api.usage.setBudget.mutate({ userId: me.viewer.userId, tokens: 10, usd: 0.0001 })
  expect((await me.api.usage.mine.query()).left).toEqual({ tokens: 0, usd: 0 })
})

it('tells owners what everybody used in a month, and who has a budget of their own', async () => {
  const [a, b, c] = [await server.person(), await server.person(), await server.person()]
  await used(a, 'large', [1_000, 100], { month: '-1 month' })
  await used(a, 'small', [10, 1], { month: '-1 month' })
  await used(b, 'large', [500, 50], { month: '-1 microsecond' })
  await used(b, 'large', [5, 5])
  await owner.api.usage.setBudget.mutate({ userId: c.viewer.userId, tokens: null, usd: 2.5 })
  const now = new Date()
  const before = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1, 1))
  const month = before.toISOString().slice(0, 7)
  const usage = await owner.api.usage.people.query({ month })
  expect(usage).toMatchObject({ month, standard: { tokens: 100_000, usd: 0.5 } })
  const of = (who: Person) => usage.people.find(({ userId }) => userId === who.viewer.userId)
  expect(of(a)).toEqual({
    userId: a.viewer.userId,
    own: { tokens: null, usd: null },
    models: [
      { model: 'large', calls: 1, inputTokens: 1_000, outputTokens: 100, cost: 0.0012, estimated: false },
      { model: 'small', calls: 1, inputTokens: 10, outputTokens: 1, cost: 0.000012, estimated: false },
    ],
    total: { calls: 2, inputTokens: 1_010, outputTokens: 101, cost: 0.001212, estimated: false },
  })
  expect(of(b)?.total).toMatchObject({ calls: 1, inputTokens: 500 })
  expect(of(c)).toMatchObject({ own: { tokens: null, usd: 2.5 }, models: [] })
  const sum = usage.people.reduce((total, each) => total + each.total.inputTokens, 0)
  expect(usage.total.inputTokens).toBe(sum)
  const current = await owner.api.usage.people.query({})
  expect(current.people.find(({ userId }) => userId === b.viewer.userId)?.total).toMatchObject({
    calls: 1,
    inputTokens: 5,
  })
})

it('refuses months that are none, and budgets that are none', async () => {
  const userId = owner.viewer.userId
  for (const month of ['2026-13', '2026-1', 'now', ''])
    await expect(owner.api.usage.people.query({ month })).rejects.toMatchObject({
      data: { code: 'INVALID_INPUT' },
    })
  for (const [tokens, usd] of [
    [-1, null],
    [1.5, null],
    [1e13, null],
    [null, -0.01],
    [null, 1e7],
  ] as const)
    await expect(owner.api.usage.setBudget.mutate({ userId, tokens, usd })).rejects.toMatchObject({
      data: { code: 'INVALID_INPUT' },
    })
  await expect(
    owner.api.usage.setBudget.mutate({ userId: 'nobody', tokens: 1, usd: null }),
  ).rejects.toMatchObject({ data: { code: 'NOT_FOUND' } })
})

it('binds owners as everybody', async () => {
  const boss = await server.person({ role: 'owner' })
  await owner.api.usage.setBudget.mutate({ userId: boss.viewer.userId, tokens: 10, usd: null })
  await expect(used(boss, 'large', [10, 1])).rejects.toMatchObject({ code: 'BUDGET_SPENT' })
})
