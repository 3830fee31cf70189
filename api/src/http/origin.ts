// No other site may act in a signed-in person's name. SameSite=Lax cookies already keep most of it away; this check
// also covers sites on the same registrable domain and sign-in itself (a stranger must not sign a person in as him).
import type { FastifyRequest } from 'fastify'
import { trustedOrigins } from '../access/origins.ts'
import type { Config } from '../config.ts'
import { AppError } from '../errors.ts'

const READS = new Set(['GET', 'HEAD', 'OPTIONS'])

/** @returns a check that throws FOREIGN_ORIGIN for a request that changes something and comes from elsewhere */
export function originCheck(config: Config): (request: FastifyRequest) => void {
  const trusted = new Set(trustedOrigins(config))
  return (request) => {
    if (READS.has(request.method)) return
    const { origin, cookie } = request.headers
    // Browsers send Origin with every such request; scripts without cookies have nothing to abuse.
    if (origin === undefined ? cookie !== undefined : !trusted.has(origin))
      throw new AppError('FOREIGN_ORIGIN')
  }
}
