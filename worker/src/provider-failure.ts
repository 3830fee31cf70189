// Workers AI's errors in the contract's codes. Its numbers are read, its words never: they can quote a prompt or an account.
import type { EndpointErrorCode } from '../../contract/endpoint-errors.ts'
import { EndpointError } from './errors.ts'

/** By the provider's internal number; 5028 is known from reports, the others are documented. */
const BY_NUMBER: Readonly<Record<number, EndpointErrorCode>> = {
  3006: 'PROMPT_TOO_LARGE',
  3007: 'MODEL_STALLED',
  3036: 'MODEL_ALLOWANCE_USED',
  3040: 'MODEL_BUSY',
  5007: 'MODEL_RETIRED',
  5028: 'MODEL_RETIRED',
  5035: 'MODEL_NEEDS_PLAN',
}
/** By the HTTP status, where no known number is given. */
const BY_STATUS: Readonly<Record<number, EndpointErrorCode>> = {
  404: 'MODEL_RETIRED',
  408: 'MODEL_STALLED',
  410: 'MODEL_RETIRED',
  413: 'PROMPT_TOO_LARGE',
  429: 'MODEL_BUSY',
  503: 'MODEL_BUSY',
  504: 'MODEL_STALLED',
}

/** @param status the reply's, or null inside a stream
 * @param reply the reply's or the event's JSON: `{internalCode}`, `{errors: [{code}]}` or `{error: {code}}` */
export function providerFailure(status: number | null, reply: unknown): EndpointError {
  const { internalCode, errors, error } = Object(reply) as Record<string, unknown>
  const [first] = Array.isArray(errors) ? errors : []
  const number = [internalCode, codeOf(first), codeOf(error)].map(Number).find((found) => found > 0)
  const code =
    BY_NUMBER[number ?? 0] ?? BY_STATUS[status ?? 0] ?? BY_STATUS[number ?? 0] ?? ('MODEL_FAILED' as const)
  return new EndpointError(code, {}, `provider ${status ?? 'event'}/${number ?? '-'}`)
}

function codeOf(value: unknown): unknown {
  return (Object(value) as Record<string, unknown>).code
}

/** What the binding throws instead of replying: `3040: …` when it speaks of the provider's error, else the line is down. */
export function thrownFailure(error: unknown): EndpointError {
  const [, number] = /^(\d{4}): /.exec(error instanceof Error ? error.message : '') ?? []
  return providerFailure(null, { internalCode: number })
}

/** Another model may do better. Not after a prompt that is too long, nor when the account has nothing left; and not after
 * this endpoint's own patience has ended: its caller has waited long enough. */
export function worthAnotherModel({ code, internal }: EndpointError): boolean {
  return (
    code === 'MODEL_RETIRED' ||
    code === 'MODEL_BUSY' ||
    code === 'MODEL_NEEDS_PLAN' ||
    code === 'MODEL_FAILED' ||
    code === 'MODEL_INTERRUPTED' ||
    code === 'MODEL_BROKEN' ||
    (code === 'MODEL_STALLED' && internal.startsWith('provider'))
  )
}
