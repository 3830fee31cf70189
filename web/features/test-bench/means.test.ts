import { expect, test } from 'vitest'
import { type Checked, meanOf } from './means.ts'

const by = (value: number) => ({
  rank: 1,
  measures: { 'nDCG@10': value, 'recall@10': 1, 'MRR@10': value / 2 },
})
const checked = (words: number, meaning: number | null) =>
  ({ words: by(words), meaning: meaning === null ? null : by(meaning), fused: by(1) }) as Checked

test('the mean over questions, by method and measure', () => {
  const all = [checked(0.5, 0), checked(1, 1)]
  expect(meanOf(all, 'words', 'nDCG@10')).toBe(0.75)
  expect(meanOf(all, 'meaning', 'MRR@10')).toBe(0.25)
  expect(meanOf([], 'words', 'nDCG@10')).toBeNull()
})

test('a method that one question was not asked by has no mean', () => {
  expect(meanOf([checked(1, 1), checked(1, null)], 'meaning', 'nDCG@10')).toBeNull()
  expect(meanOf([checked(1, 1), checked(1, null)], 'words', 'nDCG@10')).toBe(1)
})
