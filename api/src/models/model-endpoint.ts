// The model endpoint (worker/): where it is, and the tokens that the API signs for it, one for each request and bound to
// that request (docs/decisions/0011). Asked by the API it is an OpenAI-compatible model whose key is such a token; a page is
// given one to ask by itself (docs/decisions/0012), and brings back the endpoint's receipt.
import { randomUUID } from 'node:crypto'
import {
  type CryptoKey,
  createLocalJWKSet,
  importJWK,
  type JSONWebKeySet,
  type JWK,
  jwtVerify,
  SignJWT,
} from 'jose'
import {
  type AnswerClaims,
  endpointAudience,
  type ReceiptClaims,
  TOKEN_ALGORITHM,
  TOKEN_SECONDS,
  TOKEN_TYPES,
} from '../../../contract/model-endpoint.ts'
import { type ModelRequest, requestHash, sha256 } from '../../../contract/request-hash.ts'
import type { Config } from '../config.ts'

export interface ModelEndpoint {
  /** Without a slash at its end. */
  readonly url: string
  /** A token for this request alone, to be used before it ends. */
  sign(request: BoundRequest): Promise<string>
  /** Null: pages do not ask it themselves, since NEXT_PUBLIC_LLAMMA_ENDPOINT or LLAMMA_RECEIPT_KEYS is not set. */
  readonly forPages: PageEndpoint | null
}

export interface PageEndpoint {
  /** Where a page asks. Without a slash at its end. */
  readonly url: string
  /** What the endpoint signed of an answer. Null when it signed something else, or nothing. */
  verify(receipt: string, expected: ExpectedReceipt): Promise<ReceiptClaims | null>
}

export interface ExpectedReceipt {
  /** The token's id, its person, and the name of its model. */
  readonly id: string
  readonly personId: string
  readonly model: string
  /** `requestHash` of the request. */
  readonly prompt: string
  /** The answer as it came. */
  readonly text: string
}

export interface BoundRequest {
  readonly request: ModelRequest & { readonly max_tokens: number }
  /** Opaque to the endpoint. */
  readonly personId: string
  /** Of the token, which is taken once. Default: a new one. */
  readonly id?: string
  /** The token's end, in seconds since 1970. Default: `TOKEN_SECONDS.answer` from now. */
  readonly expires?: number
}

/**
 * @returns null when LLAMMA_ENDPOINT is not set
 * @throws Error in plain words, with no value of the key
 */
export function readModelEndpoint(
  config: Pick<
    Config,
    'modelEndpoint' | 'modelEndpointKey' | 'modelEndpointReceiptKeys' | 'pageModelEndpoint' | 'publicUrl'
  >,
): ModelEndpoint | null {
  if (config.modelEndpoint === undefined) return null
  if (config.modelEndpointKey === undefined)
    throw new Error('LLAMMA_ENDPOINT is set, LLAMMA_SIGNING_KEY is not: npm run worker:keys makes it')
  const jwk = readKey(config.modelEndpointKey)
  const url = endpointAudience(config.modelEndpoint)
  // Imported once; what is wrong with it is said when it is first used, and by `readKey` as far as can be seen.
  let key: Promise<CryptoKey | Uint8Array> | undefined
  const receiptKeys = readReceiptKeys(config.modelEndpointReceiptKeys)
  const forPages =
    config.pageModelEndpoint === undefined || receiptKeys === null
      ? null
      : {
          url: endpointAudience(config.pageModelEndpoint),
          verify: receiptCheck(receiptKeys, { issuer: url, audience: config.publicUrl }),
        }
  return {
    url,
    forPages,
    async sign({ request, personId, id, expires }) {
      key ??= importJWK(jwk, TOKEN_ALGORITHM)
      const now = Math.floor(Date.now() / 1_000)
      const claims: AnswerClaims = {
        iss: config.publicUrl,
        aud: url,
        sub: personId,
        // Not the attempt's where the API asks: an attempt may ask twice, and a token is taken once.
        jti: id ?? randomUUID(),
        iat: now,
        exp: expires ?? now + TOKEN_SECONDS.answer,
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

/** @throws Error in plain words for what is no key set with public keys */
function readReceiptKeys(value: string | undefined): JSONWebKeySet | null {
  if (value === undefined) return null
  try {
    const { keys } = JSON.parse(value) as JSONWebKeySet
    const usable = keys.every(({ kty, crv, x, d }) => kty === 'OKP' && crv === 'Ed25519' && !!x && !d)
    if (usable && keys.length > 0) return { keys }
  } catch {
    // Said below: what JSON.parse says quotes what it read.
  }
  throw new Error('LLAMMA_RECEIPT_KEYS has no public keys as JSON (JWKS): npm run worker:keys makes it')
}

function receiptCheck(
  keySet: JSONWebKeySet,
  { issuer, audience }: { issuer: string; audience: string },
): PageEndpoint['verify'] {
  const keys = createLocalJWKSet(keySet)
  return async (receipt, { id, personId, model, prompt, text }) => {
    const signed = await jwtVerify<ReceiptClaims>(receipt, keys, {
      ...{ algorithms: [TOKEN_ALGORITHM], typ: TOKEN_TYPES.receipt, issuer, audience, subject: personId },
    }).catch(() => null)
    if (signed === null) return null
    const { payload } = signed
    const about = payload.jti === id && payload.model === model && payload.prompt === prompt
    return about && payload.answer === (await sha256(text)) ? payload : null
  }
}
