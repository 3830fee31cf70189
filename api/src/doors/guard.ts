// Who may come in by a door: a key that works and was made for it, under a name that is ours.
import { isIP } from 'node:net'
import type { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { KeyScope } from '../../../contract/stages.ts'
import type { Config } from '../config.ts'
import { AppError } from '../errors.ts'
import type { Limits } from '../http/limits.ts'
import { UploadBody } from '../http/upload-body.ts'
import { findKey, type KeyGrant } from '../people/keys.ts'
import type { Services } from '../services.ts'

export interface DoorDependencies {
  readonly services: Services
  readonly limits: Limits
  readonly addressOf: (request: FastifyRequest) => string
  /** Left out: `DOOR_TIMES`. */
  readonly times?: DoorTimes
}

export interface DoorTimes {
  /** For a request's body, from its head on. */
  readonly bodyMs: number
  /** For an answer that comes in one piece. */
  readonly wholeAnswerMs: number
}

/** What takes longer is ended before the connection is cut as idle (SECONDS in contract/ports.ts), and is told why. */
export const DOOR_TIMES: DoorTimes = { bodyMs: 30_000, wholeAnswerMs: 110_000 }

export interface Guard {
  /**
   * For a door's `onRequest` hook: nothing of a request is read before its key is known.
   * @throws AppError FOREIGN_ORIGIN, KEY_INVALID, KEY_NOT_ALLOWED, TOO_MANY_REQUESTS
   */
  admit(request: FastifyRequest, scope: KeyScope): Promise<void>
  /** Of a request that was admitted. */
  grantOf(request: FastifyRequest): KeyGrant
}

export function createGuard({ services, limits, addressOf }: DoorDependencies): Guard {
  const { pool, config } = services
  const grants = new WeakMap<FastifyRequest, KeyGrant>()
  return {
    async admit(request, scope) {
      if (!isOurName(config, request)) throw new AppError('FOREIGN_ORIGIN')
      const key = bearer(request.headers.authorization)
      const attempt = await limits.keyTry(addressOf(request))
      const grant = key === null ? null : await findKey(pool, key)
      if (grant === null) {
        await attempt.wrong()
        throw new AppError('KEY_INVALID')
      }
      await limits.key(grant.keyId)
      if (!grant.scopes.includes(scope)) throw new AppError('KEY_NOT_ALLOWED', { scope })
      grants.set(request, grant)
    },
    grantOf(request) {
      const grant = grants.get(request)
      if (grant === undefined) throw new AppError('KEY_INVALID')
      return grant
    },
  }
}

function bearer(header: string | undefined): string | null {
  return /^Bearer +(\S+) *$/i.exec(header ?? '')?.[1] ?? null
}

/** A `preParsing` hook: a body that trickles is given up. */
export function bodyDeadline({ times = DOOR_TIMES }: DoorDependencies) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<Readable> => {
    if (request.method !== 'POST') return request.raw
    const body = new UploadBody(request.raw, { stallMs: times.bodyMs, totalMs: times.bodyMs })
    // What nobody read to its end must not hold up what is read and thrown away (answerBeforeEnd).
    for (const event of ['finish', 'close']) reply.raw.once(event, () => body.destroy())
    return body
  }
}

/**
 * A page elsewhere can have its own name point to this machine (DNS rebinding) and so pass for the same site. Such a
 * name is neither the public one, nor this machine's, nor an address. (Its Origin, where there is one, was looked at with
 * every other request's.) The web server tells the name that it was called by; the one in Host is then its own for us. Without a
 * proxy of ours anybody could tell it, such a page too.
 */
function isOurName(config: Config, request: FastifyRequest): boolean {
  const { host, 'x-forwarded-host': forwarded } = request.headers
  const told = config.trustedProxyHops > 0 ? (forwarded ?? host) : host
  if (typeof told !== 'string' || !URL.canParse(`http://${told}`)) return false
  const { hostname } = new URL(`http://${told}`)
  const address = hostname.replace(/^\[|\]$/g, '')
  return (
    hostname === new URL(config.publicUrl).hostname ||
    hostname === 'localhost' ||
    hostname.endsWith('.localhost') ||
    isIP(address) !== 0
  )
}
