// Errors in OpenAI's shape, with our codes: its clients type them by the status, and show `message`.
import { z } from 'zod'
import type { AppError } from '../errors.ts'

export interface OpenAIError {
  readonly error: {
    readonly message: string
    readonly type: string
    /** The field that it is about; null when it is about none. */
    readonly param: string | null
    /** One of contract/errors.ts, or `insufficient_quota`: then a retry is no use. */
    readonly code: string
  }
}

const TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  429: 'rate_limit_error',
}

/** What OpenAI's clients, and what is built on them, know by its own name. */
const QUOTA = 'insufficient_quota'

export function openAIError(failure: AppError): OpenAIError {
  if (failure.code === 'BUDGET_SPENT')
    return { error: { message: failure.message, type: QUOTA, param: null, code: QUOTA } }
  const type = TYPES[failure.status] ?? (failure.status < 500 ? 'invalid_request_error' : 'server_error')
  return { error: { message: failure.message, type, param: paramOf(failure), code: failure.code } }
}

function paramOf({ cause, detail }: AppError): string | null {
  if (typeof detail.param === 'string') return detail.param
  if (!(cause instanceof z.ZodError)) return null
  const path = cause.issues[0]?.path ?? []
  return path.length === 0 ? null : path.join('.')
}
