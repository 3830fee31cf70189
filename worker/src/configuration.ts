// The endpoint's settings, parsed once per isolate: variables and secrets in, checked values out.
import { type CryptoKey, importJWK, type JWK } from 'jose'
import { endpointAudience, TOKEN_ALGORITHM } from '../../contract/model-endpoint.ts'
import { EndpointError } from './errors.ts'
import type { Ledger } from './ledger.ts'
import type { ModelBinding } from './model-stream.ts'

/** What the Worker is given (wrangler.jsonc, and the installation's own variables and secrets). */
export interface Env {
  readonly AI: ModelBinding
  readonly LEDGER: DurableObjectNamespace<Ledger>
  readonly AUDIENCE?: unknown
  readonly ALLOWED_ORIGINS?: unknown
  readonly TOKEN_KEYS?: unknown
  readonly RECEIPT_KEY?: unknown
  readonly MODELS?: unknown
  readonly MAX_TOKENS?: unknown
  readonly REQUESTS_PER_MINUTE?: unknown
  readonly REQUESTS_PER_MINUTE_EACH?: unknown
  readonly FIRST_TOKEN_SECONDS?: unknown
  readonly STALL_SECONDS?: unknown
}

export interface SigningKey {
  readonly kid: string
  readonly key: CryptoKey
}

export interface Configuration {
  /** The endpoint's own URL, which tokens must be made for. */
  readonly audience: string
  readonly origins: ReadonlySet<string>
  /** Public keys by their id. */
  readonly tokenKeys: ReadonlyMap<string, CryptoKey>
  readonly receiptKey: SigningKey
  /** Logical name → the provider's names; the first one is the default. */
  readonly models: ReadonlyMap<string, readonly string[]>
  readonly maxTokens: number
  readonly requestsPerMinute: number
  /** Of one person or script. */
  readonly requestsPerHolder: number
  readonly firstTokenMs: number
  readonly stallMs: number
}

// The value, never the promise: in workerd what one request waits for can't be waited for by another.
const parsed = new WeakMap<Env, Configuration>()

/** @throws EndpointError MISCONFIGURED with the names of all that is missing or wrong, without their values */
export async function configurationOf(env: Env): Promise<Configuration> {
  const known = parsed.get(env)
  if (known !== undefined) return known
  const configuration = await parse(env)
  parsed.set(env, configuration)
  return configuration
}

async function parse(env: Env): Promise<Configuration> {
  const wrong: string[] = []
  const read = async <T>(name: keyof Env, parser: (value: unknown) => T | Promise<T>, otherwise: T) => {
    try {
      return await parser(env[name])
    } catch {
      wrong.push(name)
      return otherwise
    }
  }
  const configuration = {
    audience: await read('AUDIENCE', (value) => endpointAudience(text(value)), ''),
    origins: await read('ALLOWED_ORIGINS', origins, new Set<string>()),
    tokenKeys: await read('TOKEN_KEYS', publicKeys, new Map<string, CryptoKey>()),
    receiptKey: await read<SigningKey | null>('RECEIPT_KEY', privateKey, null),
    models: await read('MODELS', models, new Map<string, string[]>()),
    maxTokens: await read('MAX_TOKENS', whole, 0),
    requestsPerMinute: await read('REQUESTS_PER_MINUTE', whole, 0),
    requestsPerHolder: await read('REQUESTS_PER_MINUTE_EACH', whole, 0),
    firstTokenMs: (await read('FIRST_TOKEN_SECONDS', positive, 0)) * 1_000,
    stallMs: (await read('STALL_SECONDS', positive, 0)) * 1_000,
  }
  const { receiptKey } = configuration
  if (wrong.length > 0 || receiptKey === null)
    throw new EndpointError('MISCONFIGURED', { names: wrong.join(', ') })
  return { ...configuration, receiptKey }
}

function text(value: unknown): string {
  if (typeof value !== 'string' || value === '') throw new Error('no text')
  return value
}

function positive(value: unknown): number {
  const number = Number(value)
  if (!(number > 0) || !Number.isFinite(number)) throw new Error('no positive number')
  return number
}

function whole(value: unknown): number {
  const number = positive(value)
  if (!Number.isSafeInteger(number)) throw new Error('no whole number')
  return number
}

/** Variables of wrangler.jsonc arrive as values, those of the dashboard may be text. */
function json(value: unknown): unknown {
  return typeof value === 'string' ? JSON.parse(value) : value
}

/** Separated by commas; none at all is allowed: then no page may use the endpoint, only servers. */
function origins(value: unknown): Set<string> {
  const list = value === undefined ? [] : String(value).split(',')
  const named = list.map((origin) => origin.trim()).filter((origin) => origin !== '')
  return new Set(
    named.map((name) => {
      const { origin } = new URL(name)
      if (origin === 'null') throw new Error('no origin')
      return origin
    }),
  )
}

function models(value: unknown): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const [name, ids] of Object.entries(Object(json(value)))) {
    if (!Array.isArray(ids) || ids.length === 0) throw new Error('no list')
    found.set(name, ids.map(text))
  }
  if (found.size === 0) throw new Error('no models')
  return found
}

async function publicKeys(value: unknown): Promise<Map<string, CryptoKey>> {
  const { keys } = Object(json(value)) as { keys?: unknown }
  const found = new Map<string, CryptoKey>()
  for (const jwk of Array.isArray(keys) ? (keys as JWK[]) : []) {
    // A private key has no business here: refused, so that it is noticed.
    if (jwk.d !== undefined) throw new Error('a private key')
    found.set(text(jwk.kid), await imported(jwk))
  }
  if (found.size === 0) throw new Error('no keys')
  return found
}

async function privateKey(value: unknown): Promise<SigningKey> {
  const jwk = Object(json(value)) as JWK
  if (jwk.d === undefined) throw new Error('no private key')
  return { kid: text(jwk.kid), key: await imported(jwk) }
}

async function imported(jwk: JWK): Promise<CryptoKey> {
  if (jwk.kty !== 'OKP' || jwk.crv !== 'Ed25519') throw new Error('no Ed25519 key')
  const key = await importJWK(jwk, TOKEN_ALGORITHM)
  if (key instanceof Uint8Array) throw new Error('no key')
  return key
}
