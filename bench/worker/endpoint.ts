// The model endpoint as it is deployed: its bundle in workerd, before the scripted model.
import { randomUUID } from 'node:crypto'
import path from 'node:path'
import { importJWK, SignJWT } from 'jose'
import { ENDPOINT_PATHS, TOKEN_ALGORITHM, TOKEN_TYPES } from '../../contract/model-endpoint.ts'
import { type ModelRequest, requestHash } from '../../contract/request-hash.ts'
import { freePort } from '../../local/postgres.ts'
import { makeKeys } from '../../worker/local/key-pairs.ts'
import { startWorkerd } from '../../worker/local/workerd.ts'
import { bundleWorker, readConfiguration } from '../../worker/local/wrangler.ts'

/** What the endpoint offers, and how the scripted model behind it answers. Stamped tokens say when they were written. */
export const MODELS = {
  short: 'scripted?tokens=1',
  stamped: 'scripted?tokens=1&stamp',
  fast: 'scripted?tokens=200&rate=100&stamp',
  slow: 'scripted?tokens=60&rate=15&stamp',
  endless: 'scripted?tokens=100000&rate=50',
} as const
export type Model = keyof typeof MODELS

export interface Prepared {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface Endpoint extends AsyncDisposable {
  readonly url: string
  /** workerd's own. */
  readonly pid: number
  readonly bundleBytes: number
  /** LLAMMA_SIGNING_KEY of who asks it. */
  readonly signingKey: object
  /** A request as a page makes it, once it has its token. */
  prepare(model: Model, prompt: string): Promise<Prepared>
}

export async function startEndpoint(folder: string, aiPort: number): Promise<Endpoint> {
  const { file, bytes } = await bundleWorker(folder)
  const keys = await makeKeys()
  const signingKey = await importJWK(keys.LLAMMA_SIGNING_KEY, TOKEN_ALGORITHM)
  // The API signs tokens for the address by which it asks.
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const worker = await startWorkerd({
    configuration: await readConfiguration(),
    bundle: file,
    bindings: {
      AUDIENCE: url,
      TOKEN_KEYS: keys.TOKEN_KEYS,
      RECEIPT_KEY: keys.RECEIPT_KEY,
      MODELS: Object.fromEntries(Object.entries(MODELS).map(([name, scripted]) => [name, [scripted]])),
      REQUESTS_PER_MINUTE: 1_000_000,
      REQUESTS_PER_MINUTE_EACH: 1_000_000,
    },
    ...{ aiPort, port },
    storage: path.join(folder, 'ledger'),
  })
  return {
    url: worker.url,
    pid: worker.pid,
    bundleBytes: bytes,
    signingKey: keys.LLAMMA_SIGNING_KEY,
    // The token is signed here. What a page waits for before it has one (rights, search, prompt: a procedure of the API) is
    // no part of the endpoint; the time of that request is to be measured in this place.
    async prepare(model, prompt) {
      const request: ModelRequest = { model, messages: [{ role: 'user', content: prompt }] }
      const now = Math.floor(Date.now() / 1_000)
      const claims = { model, max_tokens: 100_000, prompt: await requestHash(request) }
      const issuer = 'https://terrace.example.org'
      const token = await new SignJWT({ ...claims, iss: issuer, aud: url, sub: 'bench' })
        .setProtectedHeader({
          alg: TOKEN_ALGORITHM,
          typ: TOKEN_TYPES.answer,
          kid: String(keys.LLAMMA_SIGNING_KEY.kid),
        })
        .setJti(randomUUID())
        .setIssuedAt(now)
        .setExpirationTime(now + 60)
        .sign(signingKey)
      return {
        url: worker.url + ENDPOINT_PATHS.completions,
        headers: { authorization: `Bearer ${token}` },
        body: JSON.stringify({ ...request, stream: true }),
      }
    },
    [Symbol.asyncDispose]: () => worker.close(),
  }
}

/** As the endpoint itself asks the model. */
export function bare(aiPort: number, model: Model, prompt: string): Prepared {
  const inputs = { messages: [{ role: 'user', content: prompt }], max_tokens: 100_000, stream: true }
  return {
    url: `http://127.0.0.1:${aiPort}/run`,
    headers: { 'cf-consn-model-id': MODELS[model] },
    body: JSON.stringify({ inputs, options: {} }),
  }
}
