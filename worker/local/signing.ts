// Tokens that are made by hand: for scripts, and to take them back. The API makes those for answers.
import { randomUUID } from 'node:crypto'
import { importJWK, type JWK, SignJWT } from 'jose'
import {
  endpointAudience,
  TOKEN_ALGORITHM,
  TOKEN_SECONDS,
  TOKEN_TYPES,
} from '../../contract/model-endpoint.ts'

export interface Signer {
  /** LLAMMA_SIGNING_KEY. */
  readonly key: JWK
  /** The endpoint's URL. */
  readonly audience: string
  /** The installation's public URL. */
  readonly issuer: string
}

export interface SignedToken {
  readonly token: string
  readonly id: string
  readonly expires: Date
}

/** A token for a script called `name`. */
export function signScriptToken(
  signer: Signer,
  options: {
    readonly name: string
    readonly days?: number | undefined
    readonly maxTokens?: number | undefined
  },
): Promise<SignedToken> {
  const { name, days = TOKEN_SECONDS.script / 86_400, maxTokens } = options
  const claims = maxTokens === undefined ? {} : { max_tokens: maxTokens }
  return sign(signer, TOKEN_TYPES.script, name, days * 86_400, claims)
}

/** What takes back the script token with this id. */
export function signRevocation(signer: Signer, id: string): Promise<SignedToken> {
  return sign(signer, TOKEN_TYPES.revocation, id, TOKEN_SECONDS.revocation, {})
}

async function sign(
  { key, audience, issuer }: Signer,
  typ: string,
  subject: string,
  seconds: number,
  claims: Record<string, number>,
): Promise<SignedToken> {
  const id = randomUUID()
  const now = Math.floor(Date.now() / 1_000)
  const { kid } = key
  const token = await new SignJWT(claims)
    .setProtectedHeader({ alg: TOKEN_ALGORITHM, typ, ...(kid === undefined ? {} : { kid }) })
    .setIssuer(issuer)
    .setAudience(endpointAudience(audience))
    .setSubject(subject)
    .setJti(id)
    .setIssuedAt(now)
    .setExpirationTime(now + seconds)
    .sign(await importJWK(key, TOKEN_ALGORITHM))
  return { token, id, expires: new Date((now + seconds) * 1_000) }
}
