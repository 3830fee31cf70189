import { expect, test } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { addSentences } from '../../lib/t.ts'
import { usage } from '../../locales/en/usage.ts'
import {
  amountText,
  budgetOf,
  budgetText,
  costText,
  dayText,
  formatDollars,
  lastMonths,
  readDollars,
  readTokens,
} from './wording.ts'

addSentences(usage)

const amount = (cost: number | null, inputTokens = 1_200) => ({
  ...{ calls: 1, inputTokens, outputTokens: 34, cost, estimated: false },
})

test('dollars show parts of a cent where there are no more', () => {
  expect([0, 0.000001, 0.00123, 0.5, 12.345, 1_234].map(formatDollars)).toEqual([
    ...['$0.00', '$0.0001', '$0.0012', '$0.50', '$12.35', '$1,234.00'],
  ])
  expect(costText(null)).toBe('not known')
})

test('an amount is its tokens, with what they cost where that is known', () => {
  expect(amountText(amount(0.02))).toBe('1,234 tokens · $0.02')
  expect(amountText(amount(null))).toBe('1,234 tokens')
  expect(amountText({ ...amount(null), calls: 0 })).toBe('nothing')
})

test('a budget is said as what holds', () => {
  const standard = { tokens: 100_000, usd: 5 }
  const own = [{ tokens: null, usd: null }, { tokens: 5, usd: null }, { tokens: 0, usd: 9 }, undefined]
  expect(own.map((each) => budgetText(budgetOf(each, standard)))).toEqual([
    ...['100,000 tokens and $5.00', '5 tokens and $5.00', 'no language model', '100,000 tokens and $5.00'],
  ])
  expect(budgetText({ tokens: null, usd: null })).toBe('no limit')
  expect(budgetText({ tokens: 1, usd: null })).toBe('1 token')
  expect(budgetText({ tokens: null, usd: 0.5 })).toBe('$0.50')
})

test('days and months are those of UTC', () => {
  expect(dayText('2026-12-01')).toBe('December 1')
  const months = lastMonths(new Date('2026-03-01T00:00:00Z'))
  expect(months).toHaveLength(12)
  expect([months[0], months[3], months[11]]).toEqual([
    { value: '2026-03', label: 'March 2026' },
    { value: '2025-12', label: 'December 2025' },
    { value: '2025-04', label: 'April 2025' },
  ])
})

test('what is typed is a number, nothing, or refused', () => {
  expect(['', ' ', '0', '100,000', '100 000', String(LIMITS.budgetTokens)].map(readTokens)).toEqual([
    ...[null, null, 0, 100_000, 100_000, LIMITS.budgetTokens],
  ])
  expect(['-1', '1.5', '1e3', 'much', String(LIMITS.budgetTokens + 1)].map(readTokens)).toEqual(
    Array.from({ length: 5 }),
  )
  expect(['', '$2.50', '1,000', '0'].map(readDollars)).toEqual([null, 2.5, 1_000, 0])
  expect(['-1', '2.', '.5', 'free', String(LIMITS.budgetUsd + 1)].map(readDollars)).toEqual(
    Array.from({ length: 5 }),
  )
})
