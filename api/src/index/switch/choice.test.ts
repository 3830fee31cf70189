import { expect, test } from 'vitest'
import { testDatabase } from '../../../test/database.ts'
import { beginBuilding, beginDropping, endDropping, exchange, readChoice } from './choice.ts'

const nobody = { engine: 'embedded', number: 0 } as const

test('each change has a number, and whoever has not seen the last one changes nothing', async () => {
  await using db = await testDatabase()
  expect(await readChoice(db.pool)).toBeNull()
  const first = await beginBuilding(db.pool, nobody, 'opensearch', 100)
  expect(first).toEqual({
    engine: 'embedded',
    beside: { engine: 'opensearch', phase: 'building' },
    rate: 100,
    number: 1,
  })
  // A second operator who saw nothing of it.
  expect(await beginBuilding(db.pool, nobody, 'opensearch', 5)).toBeNull()
  if (first === null) return
  const faster = await beginBuilding(db.pool, first, 'opensearch', null)
  expect(faster).toMatchObject({ rate: null, number: 2 })
  expect(await exchange(db.pool, first)).toBeNull()
  expect(await beginDropping(db.pool, first)).toBeNull()
  if (faster === null) return
  const [one, other] = await Promise.all([exchange(db.pool, faster), beginDropping(db.pool, faster)])
  expect([one, other].filter((changed) => changed !== null)).toHaveLength(1)
  const now = await readChoice(db.pool)
  expect(now).toEqual(one ?? other)
})

test('from the one to the other, back, and to one engine alone', async () => {
  await using db = await testDatabase()
  const building = await beginBuilding(db.pool, nobody, 'opensearch', null)
  if (building === null) return expect.unreachable()
  const switched = await exchange(db.pool, building)
  expect(switched).toMatchObject({ engine: 'opensearch', beside: { engine: 'embedded', phase: 'way-back' } })
  if (switched === null) return
  // Nothing else is built while there is a way back.
  expect(await beginBuilding(db.pool, switched, 'embedded', null)).toBeNull()
  const returned = await exchange(db.pool, switched)
  if (returned === null) return expect.unreachable()
  const dropping = await beginDropping(db.pool, returned)
  if (dropping === null) return expect.unreachable()
  expect(dropping).toMatchObject({ engine: 'embedded', beside: { engine: 'opensearch', phase: 'dropping' } })
  expect(await exchange(db.pool, dropping)).toBeNull()
  expect(await endDropping(db.pool, dropping)).toMatchObject({ engine: 'embedded', beside: null })
  expect(await endDropping(db.pool, dropping)).toBeNull()
})
