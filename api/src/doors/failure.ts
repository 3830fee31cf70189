// What both doors do with a failure before each says it in its own shape.
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ErrorCode } from '../../../contract/errors.ts'
import type { AppError } from '../errors.ts'
import { refusalOf, toAppError } from '../http/failure.ts'
import { answerBeforeEnd } from '../http/upload-body.ts'
import type { DoorDependencies } from './guard.ts'

const LINGER_MS = 5_000
const LATER: readonly ErrorCode[] = ['TOO_MANY_REQUESTS', 'MODEL_BUSY']

/**
 * The failure behind what was thrown: logged where it is ours, its headers on the reply, which may leave before the
 * request has come to its end.
 * @param maxBytes of a body at this door
 */
export function failureOf(
  { services: { log } }: DoorDependencies,
  request: FastifyRequest,
  reply: FastifyReply,
  thrown: unknown,
  maxBytes: number,
): AppError {
  answerBeforeEnd(request.raw, reply.raw, LINGER_MS)
  const failure = refusalOf(thrown, maxBytes) ?? toAppError(thrown, request.id)
  // Nobody is there any more to hear that they went.
  if (failure.status >= 500 && !reply.raw.destroyed)
    log.error({ requestId: request.id, code: failure.code, err: failure.cause ?? failure }, 'failed')
  if (LATER.includes(failure.code)) reply.header('retry-after', String(failure.detail.seconds ?? 1))
  if (failure.status === 401) reply.header('www-authenticate', 'Bearer')
  return failure
}
