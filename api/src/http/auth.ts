// better-auth behind Fastify. Only the endpoints that the product uses answer, others do not exist; their errors get
// our codes, and the session token, which belongs into the HttpOnly cookie alone, is taken out of their replies.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { ErrorCode } from '../../../contract/errors.ts'
import { LIMITS } from '../../../contract/limits.ts'
import { API_PATHS } from '../../../contract/ports.ts'
import { AppError } from '../errors.ts'
import { ADDRESS_HEADER } from '../people/auth.ts'
import type { Services } from '../services.ts'
import type { Limits } from './limits.ts'

const SIGN_IN = '/sign-in/email'
const CHANGE_PASSWORD = '/change-password'
const POSTS = [SIGN_IN, CHANGE_PASSWORD, '/sign-out', '/revoke-other-sessions'] as const

/** better-auth's codes that have one of ours. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  INVALID_EMAIL: 'WRONG_CREDENTIALS',
  INVALID_EMAIL_OR_PASSWORD: 'WRONG_CREDENTIALS',
  INVALID_PASSWORD: 'WRONG_CREDENTIALS',
  PASSWORD_TOO_LONG: 'WRONG_CREDENTIALS',
  PASSWORD_TOO_SHORT: 'PASSWORD_TOO_WEAK',
  BANNED_USER: 'FORBIDDEN',
  INVALID_ORIGIN: 'FOREIGN_ORIGIN',
  MISSING_OR_NULL_ORIGIN: 'FOREIGN_ORIGIN',
  CROSS_SITE_NAVIGATION_LOGIN_BLOCKED: 'FOREIGN_ORIGIN',
}

const signInBody = z.object({ email: z.string().max(320), password: z.string().max(1_024) })

export interface AuthRouteDependencies {
  readonly services: Pick<Services, 'auth' | 'config' | 'sessions'>
  readonly limits: Limits
  readonly addressOf: (request: FastifyRequest) => string
}

export function registerAuth(server: FastifyInstance, deps: AuthRouteDependencies): void {
  const { services, limits, addressOf } = deps
  /** Whose password a request shows that it knows: whoever found a session open may not try passwords at it either. */
  const guessedAt = async (path: string, body: string, request: FastifyRequest): Promise<string | null> => {
    if (path === SIGN_IN) return emailOf(body)
    if (path !== CHANGE_PASSWORD) return null
    return (await services.sessions.find(request.headers.cookie))?.viewer.email ?? null
  }
  server.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) =>
      done(null, body),
    )
    for (const path of POSTS)
      scope.post(API_PATHS.auth + path, async (request, reply) => {
        const body = typeof request.body === 'string' ? request.body : ''
        const account = await guessedAt(path, body, request)
        const attempt = account === null ? null : await limits.signIn(account, addressOf(request))
        const response = await services.auth.handler(toRequest(services, path, request, body, addressOf))
        const text = await response.text()
        if (!response.ok) throw failure(response.status, text)
        await attempt?.succeeded()
        for (const cookie of response.headers.getSetCookie()) reply.header('set-cookie', cookie)
        return send(reply, response.status, text)
      })
  })
}

function emailOf(body: string): string {
  const parsed = signInBody.safeParse(parse(body))
  if (!parsed.success)
    throw new AppError('INVALID_INPUT', { reason: 'an e-mail address and a password are needed' })
  return parsed.data.email
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** better-auth sees the public address, and the client's address from us only. */
function toRequest(
  { config }: Pick<Services, 'config'>,
  path: string,
  request: FastifyRequest,
  body: string,
  addressOf: (request: FastifyRequest) => string,
): Request {
  const headers = new Headers({ 'content-type': 'application/json', [ADDRESS_HEADER]: addressOf(request) })
  for (const name of ['cookie', 'origin', 'user-agent', 'sec-fetch-site', 'sec-fetch-mode', 'sec-fetch-dest'])
    if (typeof request.headers[name] === 'string') headers.set(name, request.headers[name])
  return new Request(`${config.publicUrl}/api/auth${path}`, { method: 'POST', headers, body: body || '{}' })
}

const failureBody = z.object({ code: z.string() })

function failure(status: number, text: string): AppError {
  const parsed = failureBody.safeParse(parse(text))
  const code = parsed.success ? CODES[parsed.data.code] : undefined
  if (code !== undefined) return new AppError(code, { min: LIMITS.passwordMinLength })
  if (status === 401) return new AppError('SIGN_IN_REQUIRED')
  if (status === 403) return new AppError('FORBIDDEN')
  if (status < 500) return new AppError('INVALID_INPUT', { reason: 'it could not be read' })
  throw new Error(`better-auth answered ${status}`)
}

function send(reply: FastifyReply, status: number, text: string): FastifyReply {
  const body = parse(text)
  if (typeof body === 'object' && body !== null && 'token' in body) delete body.token
  return reply.code(status).send(body ?? {})
}
