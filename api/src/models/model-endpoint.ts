// The model endpoint (worker/): where it is, and the tokens that the API signs for it, one for each request and bound to
// that request (docs/decisions/0011). Asked by the API it is an OpenAI-compatible model whose key is such a token.
import { randomUUID } from 'node:crypto'
import { type CryptoKey, importJWK, type JWK, SignJWT } from 'jose'
import {
  type AnswerClaims,
  endpointAudience,
  TOKEN_ALGORITHM,
  TOKEN_SECONDS,
  TOKEN_TYPES,
} from '../../../contract/model-endpoint.ts'
import { type ModelRequest, requestHash } from '../../../contract/request-hash.ts'
import type { Config } from '../config.ts'

export interface ModelEndpoint {
  /** Without a slash at its end. */
  readonly url: string
  /** A token for this request alone, to be used within `TOKEN_SECONDS.answer` seconds. */
  sign(request: BoundRequest): Promise<string>
}

export interface BoundRequest {
  readonly request: ModelRequest & { readonly max_tokens: number }
  /** Opaque to the endpoint. */
  readonly personId: string
}

/**
 * @returns null when LLAMMA_ENDPOINT is not set
 * @throws Error in plain words, with no value of the key
 */
export function readModelEndpoint(
  config: Pick<Config, 'modelEndpoint' | 'modelEndpointKey' | 'publicUrl'>,
): ModelEndpoint | null {
  if (config.modelEndpoint === undefined) return null
  if (config.modelEndpointKey === undefined)
    throw new Error('LLAMMA_ENDPOINT is set, LLAMMA_SIGNING_KEY is not: npm run worker:keys makes it')
  const jwk = readKey(config.modelEndpointKey)
  const url = endpointAudience(config.modelEndpoint)
  // Imported once; what is wrong with it is said when it is first used, and by `readKey` as far as can be seen.
  let key: Promise<CryptoKey | Uint8Array> | undefined
  return {
    url,
    async sign({ request, personId }) {
      key ??= importJWK(jwk, TOKEN_ALGORITHM)
      const now = Math.floor(Date.now() / 1_000)
      const claims: AnswerClaims = {
        iss: config.publicUrl,
        aud: url,
        sub: personId,
        // Not the attempt's: an attempt may ask twice, and a token is taken once.
        jti: randomUUID(),
        iat: now,
        exp: now + TOKEN_SECONDS.answer,
        model: request.model,
        max_tokens: request.max_tokens,
        prompt: await requestHash(request),
      }
      return new SignJWT({ ...claims })
        .setProtectedHeader({
          ...{ alg: TOKEN_ALGORITHM, typ: TOKEN_TYPES.answer },
          ...(jwk.kid === undefined ? {} : { kid: jwk.kid }),
        })
        .sign(await key)
    },
  }
}

function readKey(value: string): JWK {
  const wrong = new Error(
    'LLAMMA_SIGNING_KEY is not a private Ed25519 key as JSON (JWK): npm run worker:keys makes it',
  )
  let jwk: unknown
  try {
    jwk = JSON.parse(value)
  } catch {
    // The message of JSON.parse quotes what it read.
    throw wrong
  }
  const { kty, crv, d, x } = Object(jwk) as Record<string, unknown>
  const bytes = (part: unknown) => (typeof part === 'string' ? Buffer.from(part, 'base64url').length : 0)
  if (kty !== 'OKP' || crv !== 'Ed25519' || bytes(d) !== 32 || bytes(x) !== 32) throw wrong
  return jwk as JWK
}
