// The model endpoint: Llama on Workers AI behind OpenAI's interface, for those whom the installation's API has given a token.
// This file is the way in: addresses, methods, origins, and that whatever goes wrong leaves as one typed error.
import { ENDPOINT_PATHS, TOKEN_SECONDS } from '../../contract/model-endpoint.ts'
import { type Context, complete } from './completions.ts'
import { configurationOf, type Env } from './configuration.ts'
import { corsHeaders, preflight } from './cors.ts'
import { asEndpointError, EndpointError, errorResponse } from './errors.ts'
import { LEDGER_NAME } from './ledger.ts'
import { logFailure } from './log.ts'
import { readToken } from './tokens.ts'

export { Ledger } from './ledger.ts'

interface Address {
  readonly method: 'GET' | 'POST'
  readonly answer: (request: Request, context: Context) => Promise<Response>
}

const ADDRESSES: Readonly<Record<string, Address>> = {
  [ENDPOINT_PATHS.completions]: {
    method: 'POST',
    answer: (request, context) => complete(request, context, false),
  },
  [ENDPOINT_PATHS.plain]: { method: 'POST', answer: (request, context) => complete(request, context, true) },
  [ENDPOINT_PATHS.models]: { method: 'GET', answer: listModels },
  [ENDPOINT_PATHS.revocations]: { method: 'POST', answer: revoke },
  [ENDPOINT_PATHS.health]: { method: 'GET', answer: health },
}

export default {
  async fetch(request, env) {
    const requestId = crypto.randomUUID()
    const headers = new Headers({ 'x-request-id': requestId })
    try {
      const configuration = await configurationOf(env)
      corsHeaders(request, configuration.origins, headers)
      const address = ADDRESSES[new URL(request.url).pathname]
      if (address === undefined) throw new EndpointError('UNKNOWN_PATH')
      const allowed = `${address.method}, OPTIONS`
      if (request.method === 'OPTIONS') return preflight(request, allowed, headers)
      if (request.method !== address.method) throw new EndpointError('METHOD_NOT_ALLOWED', { allowed })
      return await address.answer(request, { env, configuration, requestId, headers })
    } catch (thrown) {
      const error = asEndpointError(thrown)
      if (error.code === 'INTERNAL' || error.code === 'MISCONFIGURED') logFailure(requestId, error)
      return errorResponse(error, headers)
    }
  },
} satisfies ExportedHandler<Env>

async function health(_: Request, { configuration, headers }: Context): Promise<Response> {
  const { models, requestsPerMinute } = configuration
  return Response.json({ ok: true, models: [...models.keys()], requestsPerMinute }, { headers })
}

async function listModels(request: Request, { env, configuration, headers }: Context): Promise<Response> {
  const token = await readToken(request, configuration)
  if (token.kind !== 'script') throw new EndpointError('TOKEN_KIND')
  if (await env.LEDGER.getByName(LEDGER_NAME).isRevoked(token.claims.jti))
    throw new EndpointError('TOKEN_REVOKED')
  const data = [...configuration.models.keys()].map((id) => ({
    id,
    object: 'model',
    created: 0,
    owned_by: 'workers-ai',
  }))
  return Response.json({ object: 'list', data }, { headers })
}

async function revoke(request: Request, { env, configuration, headers }: Context): Promise<Response> {
  const token = await readToken(request, configuration)
  if (token.kind !== 'revocation') throw new EndpointError('TOKEN_KIND')
  const { sub } = token.claims
  // No script token lives longer, so it may be forgotten then.
  await env.LEDGER.getByName(LEDGER_NAME).revoke(sub, Date.now() + TOKEN_SECONDS.scriptMax * 1_000)
  return Response.json({ revoked: sub }, { headers })
}
