// From whatever was thrown to a code of contract/errors.ts and a sentence in the person's language.
import { TRPCClientError } from '@trpc/client'
import type { ErrorCode, ErrorDetail } from '../../contract/errors.ts'
import { errorSentence, isErrorCode } from './t.ts'

/** What a page can say about a failure. NETWORK: no answer arrived at all. */
export interface Failure {
  code: ErrorCode | 'NETWORK'
  detail: ErrorDetail
  message: string
  requestId: string | null
}

const isDetail = (value: unknown): value is ErrorDetail =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Reads `{ code, detail, requestId }`, the shape of every error body of the API. */
export function failureFromBody(body: unknown): Failure | null {
  if (typeof body !== 'object' || body === null || !('code' in body) || !isErrorCode(body.code)) return null
  const requestId = 'requestId' in body && typeof body.requestId === 'string' ? body.requestId : null
  const given = 'detail' in body && isDetail(body.detail) ? body.detail : {}
  const detail = requestId === null ? given : { requestId, ...given }
  return { code: body.code, detail, requestId, message: errorSentence(body.code, detail) }
}

export const networkFailure = (): Failure => ({
  code: 'NETWORK',
  detail: {},
  requestId: null,
  message: errorSentence('NETWORK', {}),
})

export const internalFailure = (requestId: string | null = null): Failure => ({
  code: 'INTERNAL',
  detail: { requestId },
  requestId,
  message: errorSentence('INTERNAL', { requestId }),
})

/** Not there (any more), or not for this person: then what was fetched before may not be shown either. */
export function isMissing(error: unknown): boolean {
  if (error === null) return false
  const { code } = toFailure(error)
  return code === 'NOT_FOUND' || code === 'INVALID_INPUT'
}

/** Any error of a query, mutation or subscription. */
export function toFailure(error: unknown): Failure {
  if (error instanceof TRPCClientError) {
    const known = failureFromBody(error.data)
    if (known !== null) return known
    // The API answered, but not in tRPC's words: the pipe's own 502, or a proxy's page.
    const body = failureFromBody(error.meta?.responseJSON)
    if (body !== null) return body
    if (error.cause instanceof TypeError || error.meta?.response === undefined) return networkFailure()
  }
  return internalFailure()
}
