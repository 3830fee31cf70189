// What a failed call of a language model means to the person who asked.
// Bodies of error replies are read for their codes and not kept: they may quote the prompt.
import { APICallError } from '@ai-sdk/provider'
import { ENDPOINT_ERRORS, type EndpointErrorCode } from '../../../contract/endpoint-errors.ts'
import type { ErrorCode, ErrorDetail } from '../../../contract/errors.ts'
import { AppError } from '../errors.ts'
import { ForbiddenAddress } from './outbound.ts'

/** An error event inside a stream, or an event that could not be read. */
export class UpstreamError extends Error {
  readonly event: unknown
  constructor(event: unknown) {
    super('the stream carried an error')
    this.event = event
  }
}

/** @param id the model's, for the log */
export function asModelError(error: unknown, id: string): AppError {
  if (error instanceof AppError) return error
  if (error instanceof UpstreamError) {
    const status = statusOf(error.event)
    if (status === null) return fail(id, 'MODEL_BROKEN', 'an event that can not be read')
    return byEndpoint(id, codeOf(error.event)) ?? byStatus(id, status, '', undefined)
  }
  if (APICallError.isInstance(error) && error.statusCode !== undefined) {
    // A reply that was fine and could not be read as what it should be.
    if (error.statusCode < 300) return fail(id, 'MODEL_BROKEN', 'a reply that can not be read')
    const body = error.responseBody ?? ''
    const code = codeOf(bodyError(body))
    // Of our own model endpoint: it is one person's limit, and no failure of the model's.
    if (code === 'OWN_RATE_LIMITED')
      return fail(id, 'TOO_MANY_REQUESTS', code, {
        seconds: 60,
        ...tryAgain(error.responseHeaders?.['retry-after']),
      })
    return (
      byEndpoint(id, code) ??
      byStatus(id, error.statusCode, body, error.responseHeaders?.['retry-after'], code)
    )
  }
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof ForbiddenAddress)
      return fail(id, 'MODEL_UNAVAILABLE', 'its address may not be reached (models/outbound.ts)')
    if ('code' in cause && typeof cause.code === 'string') return fail(id, 'MODEL_UNAVAILABLE', cause.code)
  }
  return fail(id, 'MODEL_UNAVAILABLE', error instanceof Error ? error.name : typeof error)
}

export function fail(id: string, code: ErrorCode, what: string, detail: ErrorDetail = {}): AppError {
  return new AppError(code, detail, { internal: `model ${id}: ${what}` })
}

/** Codes of our own model endpoint (worker/) that say more than their status; what it calls by other codes, that tells. */
const ENDPOINT_CODES = {
  MODEL_ALLOWANCE_USED: 'MODEL_ALLOWANCE_USED',
  MODEL_NEEDS_PLAN: 'MODEL_UNAVAILABLE',
  MISCONFIGURED: 'MODEL_UNAVAILABLE',
  // LLAMMA_ENDPOINT leads past it: nothing was retired.
  UNKNOWN_PATH: 'MODEL_UNAVAILABLE',
  MODEL_INTERRUPTED: 'MODEL_STALLED',
  MODEL_BROKEN: 'MODEL_BROKEN',
} as const satisfies Partial<Record<EndpointErrorCode, ErrorCode>>

function byEndpoint(id: string, code: string): AppError | null {
  const own = Object.hasOwn(ENDPOINT_CODES, code)
    ? ENDPOINT_CODES[code as keyof typeof ENDPOINT_CODES]
    : undefined
  return own === undefined ? null : fail(id, own, code)
}

/** Of our own model endpoint, for a token that somebody else may have used first. */
export function isTokenTaken(error: unknown): boolean {
  if (!APICallError.isInstance(error) || error.statusCode !== 401) return false
  const code = codeOf(bodyError(error.responseBody ?? ''))
  return code === 'TOKEN_REPLAYED' || code === 'TOKEN_EXPIRED'
}

function bodyError(body: string): unknown {
  try {
    return (Object(JSON.parse(body)) as { error?: unknown }).error
  } catch {
    return null
  }
}

function codeOf(error: unknown): string {
  const { code } = Object(error) as { code?: unknown }
  return typeof code === 'string' ? code : ''
}

/** Said by Groq, OpenAI, Workers AI (5007) and others with status 400 when a model is gone. */
const GONE = /model_not_found|model_decommissioned|no such model|"code":\s*"?5007\b/i

export function byStatus(
  id: string,
  status: number,
  body: string,
  retryAfter: string | undefined,
  code = '',
): AppError {
  // Of others it may be anything, a quoted prompt too.
  const known = Object.hasOwn(ENDPOINT_ERRORS, code) ? `, ${code}` : ''
  const what = `status ${status}${known}`
  if (status === 404 || status === 410 || (status === 400 && GONE.test(body)))
    return fail(id, 'MODEL_RETIRED', what)
  if (status === 401 || status === 403) return fail(id, 'MODEL_REFUSED_KEY', what)
  if (status === 429 || status === 503 || status === 529)
    return fail(id, 'MODEL_BUSY', what, tryAgain(retryAfter))
  if (status === 408 || status === 504) return fail(id, 'MODEL_STALLED', what)
  if (status === 400 || status === 413 || status === 422)
    return fail(id, 'MODEL_REFUSED_REQUEST', what, { status })
  return fail(id, 'MODEL_UNAVAILABLE', what)
}

/** What a `Retry-After` says, in seconds. */
export function tryAgain(retryAfter: string | undefined): ErrorDetail {
  const seconds = Number(retryAfter)
  return Number.isFinite(seconds) && seconds > 0 ? { seconds } : {}
}

/** The status that an error event names, as a number or by its usual words. */
function statusOf(event: unknown): number | null {
  if (typeof event !== 'object' || event === null || event instanceof Error) return null
  const { code, type, status } = event as { code?: unknown; type?: unknown; status?: unknown }
  // Of our own model endpoint.
  if (typeof code === 'string' && Object.hasOwn(ENDPOINT_ERRORS, code))
    return ENDPOINT_ERRORS[code as EndpointErrorCode].status
  for (const value of [status, code]) {
    const number = Number(value)
    if (Number.isInteger(number) && number >= 400 && number < 600) return number
  }
  const words = `${String(code)} ${String(type)}`
  if (/rate_limit|too_many|overloaded|quota|capacity/i.test(words)) return 429
  if (/auth|api_key|permission/i.test(words)) return 401
  if (GONE.test(words)) return 404
  return 500
}
