// Who may ask: bearer tokens signed by the installation's API. The Worker has only public keys for them.
import { type CryptoKey, decodeProtectedHeader, errors, type JWTPayload, jwtVerify, SignJWT } from 'jose'
import {
  type AnswerClaims,
  ENDPOINT_LIMITS,
  type ReceiptClaims,
  type RevocationClaims,
  type ScriptClaims,
  TOKEN_ALGORITHM,
  TOKEN_SECONDS,
  TOKEN_TYPES,
} from '../../contract/model-endpoint.ts'
import type { Configuration, SigningKey } from './configuration.ts'
import { EndpointError } from './errors.ts'

export type Token =
  | { readonly kind: 'answer'; readonly claims: AnswerClaims }
  | { readonly kind: 'script'; readonly claims: ScriptClaims }
  | { readonly kind: 'revocation'; readonly claims: RevocationClaims }

/** Checks everything but what only the ledger knows (used, revoked) and what the request must be (model, prompt).
 * @throws EndpointError TOKEN_…, each reason with its own code */
export async function readToken(request: Request, configuration: Configuration): Promise<Token> {
  const [, token] = /^Bearer +(\S+)$/i.exec(request.headers.get('authorization') ?? '') ?? []
  if (token === undefined) throw new EndpointError('TOKEN_MISSING')
  if (token.length > ENDPOINT_LIMITS.tokenLength) throw new EndpointError('TOKEN_INVALID')
  try {
    const { typ } = decodeProtectedHeader(token)
    const { payload } = await jwtVerify(token, ({ kid }) => keyOf(configuration.tokenKeys, kid), {
      algorithms: [TOKEN_ALGORITHM],
      audience: configuration.audience,
      clockTolerance: TOKEN_SECONDS.clockTolerance,
      requiredClaims: ['iss', 'sub', 'iat', 'exp'],
    })
    return asToken(typ, payload)
  } catch (error) {
    throw tokenError(error)
  }
}

function keyOf(keys: ReadonlyMap<string, CryptoKey>, kid: string | undefined): CryptoKey {
  const key = keys.get(kid ?? '')
  if (key === undefined) throw new EndpointError('TOKEN_INVALID')
  return key
}

function tokenError(error: unknown): EndpointError {
  if (error instanceof EndpointError) return error
  if (error instanceof errors.JWTExpired) return new EndpointError('TOKEN_EXPIRED')
  if (error instanceof errors.JWTClaimValidationFailed && error.claim === 'aud')
    return new EndpointError('TOKEN_FOREIGN_AUDIENCE')
  return new EndpointError('TOKEN_INVALID')
}

function asToken(typ: string | undefined, payload: JWTPayload): Token {
  const { iss, sub, jti, iat = 0, exp = 0, model, max_tokens, prompt } = payload
  const invalid = new EndpointError('TOKEN_INVALID')
  const lasts = exp - iat
  if (typeof iss !== 'string' || !isText(sub) || lasts <= 0) throw invalid
  if (iat > Date.now() / 1_000 + TOKEN_SECONDS.clockAhead) throw new EndpointError('TOKEN_EARLY')
  // Checked by jwtVerify: one of the audiences, if there are several, is this endpoint.
  const base = { iss, aud: String(payload.aud), sub, iat, exp }
  switch (typ) {
    case TOKEN_TYPES.answer:
      if (lasts > TOKEN_SECONDS.answerMax || !isText(jti) || !isCount(max_tokens)) throw invalid
      if (!isText(model) || !isText(prompt)) throw invalid
      return { kind: 'answer', claims: { ...base, jti, model, max_tokens, prompt } }
    case TOKEN_TYPES.script:
      if (lasts > TOKEN_SECONDS.scriptMax || !isText(jti)) throw invalid
      if (max_tokens === undefined) return { kind: 'script', claims: { ...base, jti } }
      if (!isCount(max_tokens)) throw invalid
      return { kind: 'script', claims: { ...base, jti, max_tokens } }
    case TOKEN_TYPES.revocation:
      if (lasts > TOKEN_SECONDS.revocation) throw invalid
      return { kind: 'revocation', claims: base }
    default:
      throw invalid
  }
}

/** Ids and names are kept by the ledger: they have a limit. */
function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= 200
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0
}

/** The receipt of an answer, as a compact JWS. */
export function signReceipt(claims: ReceiptClaims, { kid, key }: SigningKey): Promise<string> {
  const header = { alg: TOKEN_ALGORITHM, typ: TOKEN_TYPES.receipt, kid }
  return new SignJWT({ ...claims, usage: { ...claims.usage } }).setProtectedHeader(header).sign(key)
}
