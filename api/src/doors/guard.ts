// Who may come in by a door: a key that works and was made for it, under a name that is ours.
import { isIP } from 'node:net'
import type { FastifyRequest } from 'fastify'
import type { KeyScope } from '../../../contract/stages.ts'
import type { Config } from '../config.ts'
import { AppError } from '../errors.ts'
import type { Limits } from '../http/limits.ts'
import { findKey, type KeyGrant } from '../people/keys.ts'
import type { Services } from '../services.ts'

export interface DoorDependencies {
  readonly services: Services
  readonly limits: Limits
  readonly addressOf: (request: FastifyRequest) => string
}

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

/**
 * A page elsewhere can have its own name point to this machine (DNS rebinding) and so pass for the same site. Such a
 * name is neither the public one, nor this machine's, nor an address. (Its Origin, where there is one, was looked at with
 * every other request's.) The web server tells the name that it was called by; the one in Host is then its own for us.
 */
function isOurName(config: Config, request: FastifyRequest): boolean {
  const told = request.headers['x-forwarded-host'] ?? request.headers.host
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
