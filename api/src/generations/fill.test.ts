// What one generation's trouble may not do to the others, and not cost.
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { buildGeneration, removeGeneration, switchGeneration } from './change.ts'
import { type GenerationsFixture, generationsFixture, texts } from './fixtures.ts'

let of: GenerationsFixture
beforeEach(async () => {
  of = await generationsFixture()
})
afterEach(() => of[Symbol.asyncDispose]())

const ready = (id: number) =>
  expect.poll(async () => (await of.generation(id))?.ready, { interval: 50 }).toBe(true)

test('a build that takes for ever keeps neither the one before from staying complete nor one from being removed', async () => {
  await of.add(texts(20, 'first'))
  const id = await buildGeneration(of.deps, 'new')
  of.startFill()
  await ready(id)
  await switchGeneration(of.deps, id)
  of.ends.new.script({ hang: true })
  const third = await buildGeneration(of.deps, 'third')
  await expect.poll(() => of.ends.new.open, { interval: 20 }).toBeGreaterThan(0)
  // What hangs goes on hanging; what comes after is answered.
  of.ends.new.script({})
  await of.add(texts(5, 'since'))
  await expect.poll(() => of.missing(of.oldId)).toBe(0)
  await switchGeneration(of.deps, of.oldId)
  await removeGeneration(of.deps, id)
  await expect.poll(() => of.state(id)).toBe('removed')
  expect(await of.vectors(id)).toBe(0)
  expect(of.ends.new.open).toBeGreaterThan(0)
  expect(await of.generation(third)).toMatchObject({ state: 'building', ready: false })
})

test('a later document’s text that is refused is said, and not asked for again and again', async () => {
  await of.add(texts(20, 'first'))
  const id = await buildGeneration(of.deps, 'new')
  of.startFill()
  await ready(id)
  of.ends.new.script({ refuse: 'unwelcome' })
  await of.add([...texts(5, 'later'), 'unwelcome words'])
  await expect.poll(async () => (await of.generation(id))?.problem?.code).toBe('EMBEDDER_REFUSED_TEXT')
  const asked = of.ends.new.requests.length
  // Longer than from one look to the next.
  await sleep(1_500)
  expect(of.ends.new.requests.length).toBe(asked)
  expect(await of.missing(id)).toBe(1)
  expect(await of.generation(id)).toMatchObject({
    ready: false,
    problem: { code: 'EMBEDDER_REFUSED_TEXT' },
  })
})
