// No other site may act in a signed-in person's name. SameSite=Lax cookies already keep most of it away; this check
// also covers sites on the same registrable domain and sign-in itself (a stranger must not sign a person in as him).
import type { FastifyRequest } from 'fastify'
import { API_PATHS } from '../../../contract/ports.ts'
import { trustedOrigins } from '../access/origins.ts'
import type { Config } from '../config.ts'
import { AppError } from '../errors.ts'

/** Where no cookie is looked at: a key is all that counts. */
const BY_KEY = [API_PATHS.v1, API_PATHS.mcp]

const READS = new Set(['GET', 'HEAD', 'OPTIONS'])

/** @returns a check that throws FOREIGN_ORIGIN for a request that changes something and comes from elsewhere */
export function originCheck(config: Config): (request: FastifyRequest) => void {
  const trusted = new Set(trustedOrigins(config))
  return (request) => {
    if (READS.has(request.method)) return
    const { origin, cookie } = request.headers
    // Programs keep cookies too, as a load balancer's, and send no Origin.
    if (origin === undefined && isByKey(request)) return
    // Browsers send Origin with every such request; scripts without cookies have nothing to abuse.
    if (origin === undefined ? cookie !== undefined : !trusted.has(origin))
      throw new AppError('FOREIGN_ORIGIN')
  }
}

/** By the route that will answer, and not by how its path was spelled. */
function isByKey(request: FastifyRequest): boolean {
  const { url } = request.routeOptions
  return url !== undefined && BY_KEY.some((prefix) => url === prefix || url.startsWith(`${prefix}/`))
}
