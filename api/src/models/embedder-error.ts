// What a failed request for vectors means. Bodies of error replies are not kept: they may quote the texts.
import type { ErrorCode } from '../../../contract/errors.ts'
import { AppError } from '../errors.ts'
import { ForbiddenAddress } from './outbound.ts'

/** Without a Retry-After, and the most that one is believed. */
const BUSY_SECONDS = { least: 1, usual: 5, most: 300 } as const

/** @param id the embedder's, for the log */
export function asEmbedderError(error: unknown, id: string): AppError {
  if (error instanceof AppError) return error
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof ForbiddenAddress)
      return fail('EMBEDDER_UNAVAILABLE', id, 'its address may not be reached (models/outbound.ts)')
    if ('code' in cause && typeof cause.code === 'string') return fail('EMBEDDER_UNAVAILABLE', id, cause.code)
  }
  return fail('EMBEDDER_UNAVAILABLE', id, error instanceof Error ? error.name : typeof error)
}

/**
 * Of a reply, so with its `status` where the code alone does not tell what it was: one that never came has none.
 * @param retryAfter the header: seconds, or a date
 */
export function embedderStatusError(id: string, status: number, retryAfter: string | undefined): AppError {
  if (status === 429 || status === 503 || status === 529) return busy(id, secondsOf(retryAfter))
  const what = `status ${status}`
  if (status === 401 || status === 403) return fail('EMBEDDER_REFUSED_KEY', id, what)
  if (status === 404 || status === 410) return fail('EMBEDDER_GONE', id, what, { status })
  if (status === 408 || status === 504) return fail('EMBEDDER_STALLED', id, what)
  if (status === 400 || status === 413 || status === 422)
    return fail('EMBEDDER_REFUSED_TEXT', id, what, { status })
  return fail('EMBEDDER_UNAVAILABLE', id, what, { status })
}

/** @param reason goes to people: what was wrong with the reply, nothing of its content */
export function brokenReply(id: string, reason: string): AppError {
  return fail('EMBEDDER_BROKEN', id, reason, { reason })
}

export function busy(id: string, seconds: number): AppError {
  return fail('EMBEDDER_BUSY', id, 'busy', { seconds: Math.ceil(seconds) })
}

function secondsOf(retryAfter: string | undefined): number {
  const { least, usual, most } = BUSY_SECONDS
  if (retryAfter === undefined) return usual
  const number = Number(retryAfter)
  const seconds = Number.isFinite(number) ? number : (Date.parse(retryAfter) - Date.now()) / 1_000
  return Number.isFinite(seconds) ? Math.min(most, Math.max(least, seconds)) : usual
}

function fail(code: ErrorCode, id: string, what: string, detail: AppError['detail'] = {}): AppError {
  return new AppError(code, detail, { internal: `embedder ${id}: ${what}` })
}
