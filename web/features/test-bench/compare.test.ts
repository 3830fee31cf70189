import { expect, test } from 'vitest'
import { compare, type Hit } from './compare.ts'

const hit = (passageId: number, score: number) => ({ passageId, score }) as Hit

test('each passage once, in the order that people get, then what one method alone found', () => {
  const rows = compare({
    fused: [hit(1, 0.9), hit(2, 0.8)],
    words: [hit(3, 1), hit(2, 0.5)],
    meaning: [hit(1, 0.7), hit(4, 0.6)],
  })
  expect(rows.map(({ hit: { passageId } }) => passageId)).toEqual([1, 2, 3, 4])
  expect(rows.map(({ by }) => by)).toEqual([
    { fused: { rank: 1, score: 0.9 }, words: null, meaning: { rank: 1, score: 0.7 } },
    { fused: { rank: 2, score: 0.8 }, words: { rank: 2, score: 0.5 }, meaning: null },
    { fused: null, words: { rank: 1, score: 1 }, meaning: null },
    { fused: null, words: null, meaning: { rank: 2, score: 0.6 } },
  ])
})

test('nothing found is an empty list', () => {
  expect(compare({ fused: [], words: [], meaning: [] })).toEqual([])
})
