// A removal that comes late: whoever is about to remove may have read the state long ago, and an id comes back when its
// model is built again.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { transaction } from '../database/pool.ts'
import { buildGeneration, removeGeneration, switchGeneration } from './change.ts'
import { type GenerationsFixture, generationsFixture, texts } from './fixtures.ts'
import { removeVectors } from './remove.ts'

let of: GenerationsFixture
/** Complete, and nothing works on it any more. */
let id: number
beforeEach(async () => {
  of = await generationsFixture()
  await of.add(texts(50, 'first'))
  id = await buildGeneration(of.deps, 'new')
  const fill = of.startFill()
  await expect.poll(async () => (await of.generation(id))?.ready, { interval: 50 }).toBe(true)
  await fill.stop()
})
afterEach(() => of[Symbol.asyncDispose]())

const remove = (generation: number) =>
  removeVectors(of.db.pool, generation, of.deps.log, new AbortController().signal)
const fills = async (generation: number) =>
  (await of.db.pool.query('SELECT 1 FROM generation_fills WHERE generation_id = $1', [generation])).rows
    .length

test('nothing of one that is built again, or is active, or kept', async () => {
  await remove(id)
  expect([await of.state(id), await of.vectors(id), await fills(id)]).toEqual(['building', 50, 1])
  await switchGeneration(of.deps, id)
  await remove(id)
  expect([await of.state(id), await of.vectors(id)]).toEqual(['active', 50])
  await remove(of.oldId)
  expect([await of.state(of.oldId), await of.vectors(of.oldId), await fills(of.oldId)]).toEqual([
    'retired',
    50,
    1,
  ])
})

test('one that changes in the moment of the removal is waited for, and then left alone', async () => {
  await removeGeneration(of.deps, id)
  const { promise: mayCommit, resolve: commit } = Promise.withResolvers<void>()
  const { promise: changed, resolve: hasChanged } = Promise.withResolvers<void>()
  // As if another process had removed it, and it were built again and complete.
  const change = transaction(of.db.pool, async (client) => {
    await client.query("UPDATE generations SET state = 'building' WHERE id = $1", [id])
    hasChanged()
    await mayCommit
  })
  await changed
  const removal = remove(id)
  await expect
    .poll(
      async () =>
        (
          await of.db.pool.query(
            `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
          )
        ).rows.length,
      { interval: 20 },
    )
    .toBe(1)
  commit()
  await Promise.all([change, removal])
  expect([await of.state(id), await of.vectors(id), await fills(id)]).toEqual(['building', 50, 1])
})

test('all of one that is to go', async () => {
  await removeGeneration(of.deps, id)
  await remove(id)
  expect([await of.state(id), await of.vectors(id), await fills(id)]).toEqual(['removed', 0, 0])
  expect(await of.vectors(of.oldId)).toBe(50)
})
