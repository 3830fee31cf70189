// What leaves the server when something failed: always an AppError. What nobody foresaw becomes INTERNAL with the
// request's id and nothing else; a database that is away becomes UNAVAILABLE, so that clients try again.
import pg from 'pg'
import type { z } from 'zod'
import { AppError } from '../errors.ts'

const CONNECTION = /^(ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|57P0[1-3]|08\w{3}|53300)$/

/** pg-pool and pg say these two without a code. */
const CONNECTION_TEXT = /^(timeout exceeded when trying to connect|Connection terminated)/

/** PostgreSQL's text holds every character but U+0000; that came from outside, whichever field it was in. */
const NOT_STORABLE = '22021'

function isDatabaseAway(error: Error): boolean {
  if (CONNECTION_TEXT.test(error.message)) return true
  if (!('code' in error) || typeof error.code !== 'string' || !CONNECTION.test(error.code)) return false
  // A refused connection may also be a model's: only what pg threw itself is the database.
  return error instanceof pg.DatabaseError || /node_modules\/pg(-pool|-protocol)?\//.test(error.stack ?? '')
}

/** The reason in an INVALID_INPUT: fields and what is wrong with them, never what was sent. */
export function invalidInput(error: z.ZodError): AppError {
  const reason = error.issues
    .slice(0, 3)
    .map((issue) => (issue.path.length === 0 ? issue.message : `${issue.path.join('.')}: ${issue.message}`))
    .join('; ')
  return new AppError('INVALID_INPUT', { reason }, { cause: error })
}

/** Turns anything thrown into what may be answered. `requestId` is how the log's line is found again. */
export function toAppError(thrown: unknown, requestId: string): AppError {
  if (thrown instanceof AppError) return thrown
  if (thrown instanceof Error && isDatabaseAway(thrown))
    return new AppError('UNAVAILABLE', { reason: 'the database can not be reached' }, { cause: thrown })
  if (thrown instanceof pg.DatabaseError && thrown.code === NOT_STORABLE)
    return new AppError(
      'INVALID_INPUT',
      { reason: 'it has characters that no text can have' },
      { cause: thrown },
    )
  return new AppError('INTERNAL', { requestId }, { cause: thrown })
}

/** Fastify's own refusals: a body of more than `maxBytes`, no JSON, of a strange type, a Host that is none. */
export function refusalOf(thrown: unknown, maxBytes: number): AppError | undefined {
  // Ours; Fastify writes a `statusCode` on whatever ended a body.
  if (thrown instanceof AppError) return
  if (!(thrown instanceof Error) || !('statusCode' in thrown) || typeof thrown.statusCode !== 'number') return
  if (thrown.statusCode === 413) return new AppError('TOO_LARGE', { limit: `${maxBytes / 1024} kB` })
  if (thrown.statusCode === 404) return new AppError('NOT_FOUND')
  if (thrown.statusCode >= 400 && thrown.statusCode < 500)
    return new AppError('INVALID_INPUT', { reason: 'it could not be read' })
}
