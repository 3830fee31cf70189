import { expect, test } from 'vitest'
import { Counting } from './statistics.ts'

function counting(tookMs: number) {
  const clock = { ms: 0, counts: 0 }
  const of = new Counting(
    async () => {
      clock.ms += tookMs
      const passages = ++clock.counts
      return { passages, vectors: passages, length: passages, languages: { en: passages } }
    },
    () => clock.ms,
  )
  return { of, clock }
}

test('while counting is quick it is done every time', async () => {
  const { of } = counting(10)
  for (const passages of [1, 2, 3])
    expect(await of.statistics()).toEqual({
      ...{ passages, vectors: passages, length: passages },
      ...{ languages: { en: passages }, counted: true },
    })
  expect(of.due).toBe(false)
})

test('what takes long is counted in a twentieth of the time, and what came since is known by its language', async () => {
  const { of, clock } = counting(1_000)
  expect(await of.statistics()).toMatchObject({ passages: 1, counted: true })
  of.wrote('en')
  of.wrote('de')
  clock.ms += 19_999
  expect(await of.statistics()).toMatchObject({ passages: 1, languages: { en: 1, de: 1 }, counted: false })
  expect(of.due).toBe(false)
  clock.ms += 1
  expect(of.due).toBe(true)
  expect(await of.statistics()).toMatchObject({ passages: 2, languages: { en: 2 }, counted: true })
  expect(of.due).toBe(false)
})

test('nothing that was counted serves for nothing', async () => {
  const clock = { ms: 0, passages: 0 }
  const of = new Counting(
    async () => {
      clock.ms += 1_000
      const { passages } = clock
      return { passages, vectors: 0, length: passages, languages: {} }
    },
    () => clock.ms,
  )
  await of.statistics()
  clock.passages = 1
  expect(await of.statistics()).toMatchObject({ passages: 1, counted: true })
})

test('a count that fails changes nothing', async () => {
  let fails = false
  const of = new Counting(async () => {
    if (fails) throw new Error('away')
    return { passages: 1, vectors: 0, length: 1, languages: {} }
  })
  await of.statistics()
  of.wrote('fr')
  fails = true
  await expect(of.statistics()).rejects.toThrow('away')
  fails = false
  expect(await of.statistics()).toMatchObject({ passages: 1, counted: true })
})
