import { TRPCClientError } from '@trpc/client'
import { expect, it } from 'vitest'
import { isMissing } from './errors.ts'

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
