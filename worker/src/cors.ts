// Which pages may use the endpoint, and what their browsers must be told. Requests without an origin come from servers
// and scripts: those need a token like all others, and no permission of this kind.
import { PROVIDER_MODEL_HEADER } from '../../contract/model-endpoint.ts'
import { EndpointError } from './errors.ts'

const ALLOWED_HEADERS = ['authorization', 'content-type']
/** OpenAI's client adds some of these to what it sends. */
const CLIENT_HEADERS = /^x-stainless-[a-z-]+$/
/** Chrome keeps no preflight for longer. */
const MAX_AGE_SECONDS = 7_200

/** The headers of every reply to this request, errors and streams included.
 * @throws EndpointError FOREIGN_ORIGIN for a page that is not on the list; the reply then allows nothing */
export function corsHeaders(request: Request, origins: ReadonlySet<string>, headers: Headers): void {
  // Also where there is no origin: a cache must not give one page's reply to another.
  headers.set('vary', 'Origin')
  const origin = request.headers.get('origin')
  if (origin === null) return
  if (!origins.has(origin)) throw new EndpointError('FOREIGN_ORIGIN')
  headers.set('access-control-allow-origin', origin)
  headers.set(
    'access-control-expose-headers',
    `retry-after, x-request-id, x-should-retry, ${PROVIDER_MODEL_HEADER}`,
  )
}

/** The reply to a preflight; `headers` are those of `corsHeaders`. */
export function preflight(request: Request, methods: string, headers: Headers): Response {
  const asked = (request.headers.get('access-control-request-headers') ?? '')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => CLIENT_HEADERS.test(name))
  headers.set(
    'vary',
    'Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network',
  )
  if (request.headers.has('origin')) {
    headers.set('access-control-allow-methods', methods)
    headers.set('access-control-allow-headers', [...ALLOWED_HEADERS, ...asked].join(', '))
    headers.set('access-control-max-age', String(MAX_AGE_SECONDS))
    // A page on the internet, an endpoint on this machine or in the house: how it is developed.
    if (request.headers.get('access-control-request-private-network') === 'true')
      headers.set('access-control-allow-private-network', 'true')
  }
  return new Response(null, { status: 204, headers })
}
