import fc from 'fast-check'
import { expect, test } from 'vitest'
import { K1, type WeighedTerm, weigh } from '../lexical/question.ts'
import { boundOf, stepsOf } from './steps.ts'

const PASSAGES = 1_000_000

const terms = (...live: number[]): WeighedTerm[] =>
  weigh(
    live.toSorted((a, b) => a - b).map((live, i) => ({ term: `t${i}`, languages: 1n, live, weight: 1 })),
    PASSAGES,
  )
const scope = (passages: number) => ({ passages, documents: Math.ceil(passages / 100), ids: null })
const kinds = (live: number[], of = PASSAGES) =>
  stepsOf(terms(...live), scope(of), PASSAGES, 20_000).map(({ kind }) => kind)

test('what is done depends on how many passages have the words, and on how many there are', () => {
  expect(kinds([30])).toEqual(['sure'])
  expect(kinds([30, 9_000])).toEqual(['sure', 'sure'])
  expect(kinds([900_000])).toEqual(['glance', 'sample', 'rest'])
  expect(kinds([30, 30_000, 90_000])).toEqual(['sure', 'glance', 'together', 'sample', 'rest'])
  // A sample of everything has few of these.
  expect(kinds([60_000])).toEqual(['glance', 'rest', 'sample'])
  // So many have all of them that a sample has some.
  expect(kinds([900_000, 800_000])).toEqual(['glance', 'sample', 'rest'])
  expect(kinds([900_000, 800_000], 15_000)).toEqual(['whole'])
  expect(kinds([30, 30_000, 50_000], 100_000)).toEqual(['sure', 'glance', 'together', 'shared'])
})

test('the rarest words are looked for in all passages and before anything that may stop at a limit, whatever the others are', () => {
  const count = fc.oneof(fc.nat(500), fc.nat(30_000), fc.nat(PASSAGES))
  fc.assert(
    fc.property(fc.array(count, { minLength: 1, maxLength: 64 }), fc.nat(PASSAGES), (counts, passages) => {
      const asked = terms(...counts)
      const steps = stepsOf(asked, scope(passages), PASSAGES, 20_000)
      if (steps[0]?.kind === 'whole') return
      const sure = steps.filter(({ kind }) => kind === 'sure')
      // By the numbers of everything: in a part of it there can't be more.
      let room = 16_000
      const rare = asked.filter(({ live }) => {
        room -= live
        return room >= 0
      })
      expect(sure.at(-1)?.covers ?? 0).toBe(rare.length)
      const limited = steps.findIndex(({ kind }) => kind !== 'sure' && kind !== 'glance')
      expect(steps.slice(Math.max(0, limited)).some(({ kind }) => limited >= 0 && kind === 'sure')).toBe(
        false,
      )
      for (const { sample, most } of steps) {
        expect(most).toBeLessThanOrEqual(20_000)
        if (sample !== null)
          expect(sample.documents * Math.min(sample.each, 100)).toBeLessThan(2 * most + 200)
      }
    }),
  )
})

test('no passage is worth more than the bound of the words that it can have', () => {
  const asked = terms(10, 1_000, 500_000)
  const maximum = asked.reduce((sum, { idf }) => sum + idf * (K1 + 1), 0)
  expect(boundOf(asked, [maximum])).toBeCloseTo(1, 9)
  expect(boundOf(asked.slice(1), [maximum])).toBeLessThan(1)
  expect(boundOf([], [maximum])).toBe(0)
  // Each language has words and a maximum of its own: the greatest counts.
  const [rare, ...others] = asked
  if (rare === undefined) throw new Error('no terms')
  const mixed = [{ ...rare, languages: 2n }, ...others]
  expect(boundOf(mixed, [maximum, rare.idf * (K1 + 1)])).toBeCloseTo(1, 9)
})
