import { TRPCClientError } from '@trpc/client'
import { expect, it } from 'vitest'
import { failureFromBody, isMissing } from './errors.ts'

const refused = (code: string) =>
  TRPCClientError.from({ error: { code: -32004, message: '', data: { code, detail: {}, requestId: 'r' } } })

it('what is gone or forbidden is told from what only failed', () => {
  expect(isMissing(refused('NOT_FOUND'))).toBe(true)
  // An address with something in it that is no id.
  expect(isMissing(refused('INVALID_INPUT'))).toBe(true)
  expect(isMissing(refused('UNAVAILABLE'))).toBe(false)
  expect(isMissing(new TypeError('no network'))).toBe(false)
  expect(isMissing(null)).toBe(false)
})

it('a budget that is spent says its limit and its day in words', () => {
  const detail = { limit: 100_000, used: 99_000, unit: 'tokens', resets: '2026-12-01', day: '1 December' }
  expect(failureFromBody({ code: 'BUDGET_SPENT', detail })?.message).toBe(
    'Your budget for this month (100,000 tokens) has no room for another answer. It starts again on 1 December; until then “Most relevant passages” still answers, or ask an owner.',
  )
})
