// From a request's cookie to the Viewer that inner rooms are handed. Looked up once a request.
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Viewer } from '../access/port.ts'
import { AppError } from '../errors.ts'
import type { Sessions } from '../people/sessions.ts'

export type FindViewer = (request: FastifyRequest, reply?: FastifyReply) => Promise<Viewer | null>
export type RequireViewer = (request: FastifyRequest) => Promise<Viewer>

/** `reply` gets the cookie of a session that was just renewed, as long as its headers have not gone out. */
export function createFindViewer(sessions: Sessions): FindViewer {
  return async (request, reply) => {
    const renew = reply !== undefined && !reply.raw.headersSent
    const found = await sessions.find(request.headers.cookie, renew)
    if (found === null) return null
    if (found.setCookie !== undefined) reply?.header('set-cookie', found.setCookie)
    return found.viewer
  }
}

/** @returns a function that throws SIGN_IN_REQUIRED for requests without a session */
export function createRequireViewer(find: FindViewer): RequireViewer {
  return async (request) => {
    const viewer = await find(request)
    if (viewer === null) throw new AppError('SIGN_IN_REQUIRED')
    return viewer
  }
}
