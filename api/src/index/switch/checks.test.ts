import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { testDatabase } from '../../../test/database.ts'
import { type Comparison, claimCheck, finishCheck, orderCheck, readCheck, renewCheck } from './checks.ts'
import { difference } from './compare.ts'
import { enoughAlike } from './say.ts'

const counts = { documents: 1, passages: 2, vectors: 2, generation: 1 }
const same: Comparison = {
  ...{ seq: 5, counts: { embedded: counts, opensearch: counts } },
  ...{ questions: 3, overlap: 1, worst: [] },
}

test('one server makes a comparison; where it is killed, another one does, and the first result counts', async () => {
  await using db = await testDatabase()
  const [a, b] = [randomUUID(), randomUUID()]
  expect(await claimCheck(db.pool, a)).toBeNull()
  const id = await orderCheck(db.pool, 7)
  expect(await readCheck(db.pool, id)).toBeNull()
  const claims = await Promise.all([claimCheck(db.pool, a), claimCheck(db.pool, b)])
  expect(claims.filter((claim) => claim !== null)).toEqual([{ id, sample: 7 }])
  const lapse = () =>
    db.pool.query("UPDATE search_engine_checks SET claimed_until = now() - interval '1 second'")
  await lapse()
  const [first, next] = claims[0] === null ? [b, a] : [a, b]
  // It was only slow.
  await renewCheck(db.pool, id, first)
  expect(await claimCheck(db.pool, next)).toBeNull()
  await lapse()
  expect(await claimCheck(db.pool, next)).toEqual({ id, sample: 7 })
  await finishCheck(db.pool, id, { result: same })
  await finishCheck(db.pool, id, { trouble: 'too late' })
  expect(await readCheck(db.pool, id)).toEqual(same)
  await lapse()
  expect(await claimCheck(db.pool, next)).toBeNull()
})

test('why there is no comparison is told to who ordered it', async () => {
  await using db = await testDatabase()
  const id = await orderCheck(db.pool, 7)
  await finishCheck(db.pool, id, { trouble: 'the cluster is away' })
  await expect(readCheck(db.pool, id)).rejects.toThrow('could not be compared: the cluster is away')
})

test('alike is what holds the same and answers nearly the same', () => {
  expect(enoughAlike(same)).toBeNull()
  expect(enoughAlike({ ...same, overlap: 0.96 })).toBeNull()
  expect(enoughAlike({ ...same, overlap: 0.94 })).toMatch(/Less than 95\.0 %/)
  for (const what of ['documents', 'passages', 'vectors', 'generation'] as const) {
    const opensearch = { ...counts, [what]: 9 }
    expect(enoughAlike({ ...same, counts: { embedded: counts, opensearch } })).toMatch(/do not hold the same/)
  }
  expect(difference('q', [1, 2, 3, 4], [1, 2, 3, 5])).toEqual({
    ...{ question: 'q', overlap: 0.75 },
    only: { embedded: [4], opensearch: [5] },
  })
  expect(difference('q', [], [])).toMatchObject({ overlap: 1 })
  expect(difference('q', [], [1])).toMatchObject({ overlap: 0 })
})
