// An endpoint for tests: the deployed bundle in the real runtime, with the scripted model behind the AI binding.
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { importJWK, type JWK, SignJWT } from 'jose'
import { inject } from 'vitest'
import { ENDPOINT_PATHS, TOKEN_ALGORITHM, TOKEN_TYPES } from '../../contract/model-endpoint.ts'
import { type ModelRequest, requestHash } from '../../contract/request-hash.ts'
import { type Keys, makeKeys } from '../local/key-pairs.ts'
import { answerScripted } from '../local/scripted.ts'
import { signScriptToken } from '../local/signing.ts'
import { startWorkerd } from '../local/workerd.ts'
import { type AiRequest, type Answerer, startWorkersAi } from '../local/workers-ai.ts'

/** Not the address that tests reach it by: the audience comes from the configuration, never from a request. */
export const AUDIENCE = 'https://models.example.org'
export const ISSUER = 'https://terrace.example.org'
export const ORIGIN = 'https://terrace.example.org'

export interface Endpoint extends AsyncDisposable {
  readonly url: string
  readonly pid: number
  readonly keys: Keys
  /** What the model was asked. */
  readonly requests: readonly AiRequest[]
  /** Everything that the Worker has written to its log. */
  log(): string
  script(options?: { maxTokens?: number }): Promise<{ token: string; id: string }>
  /** POSTs JSON, or a text as it is. */
  post(body: unknown, options?: Posting): Promise<Response>
}

interface Posting {
  readonly token?: string | null
  readonly path?: string
  readonly headers?: Record<string, string>
  readonly signal?: AbortSignal
}

export async function startEndpoint(
  options: {
    /** Logical name → what the scripted model is told, as `scripted?…`. */
    readonly models?: Readonly<Record<string, readonly string[]>>
    readonly bindings?: Readonly<Record<string, unknown>>
    readonly keys?: Keys
    readonly storage?: string
    readonly answer?: Answerer
    /** Default: any free one. */
    readonly port?: number
  } = {},
): Promise<Endpoint> {
  const keys = options.keys ?? (await makeKeys())
  const storage = options.storage ?? mkdtempSync(path.join(tmpdir(), 'terrace-ledger-'))
  const ai = await startWorkersAi(options.answer ?? answerScripted)
  let log = ''
  const worker = await startWorkerd({
    configuration: inject('workerConfiguration'),
    bundle: inject('workerBundle').file,
    bindings: {
      AUDIENCE,
      ALLOWED_ORIGINS: `${ORIGIN}, http://localhost:3000`,
      TOKEN_KEYS: keys.TOKEN_KEYS,
      RECEIPT_KEY: keys.RECEIPT_KEY,
      MODELS: options.models ?? { 'llama-3-8b': ['scripted'] },
      ...options.bindings,
    },
    aiPort: ai.port,
    storage,
    ...(options.port === undefined ? {} : { port: options.port }),
    log: (text) => {
      log += text
    },
  })
  const script: Endpoint['script'] = ({ maxTokens } = {}) =>
    signScriptToken(
      { key: keys.LLAMMA_SIGNING_KEY, audience: AUDIENCE, issuer: ISSUER },
      { name: 'tests', maxTokens },
    )
  return {
    url: worker.url,
    pid: worker.pid,
    keys,
    requests: ai.requests,
    log: () => log,
    script,
    async post(body, { token, path = ENDPOINT_PATHS.completions, headers = {}, signal } = {}) {
      const bearer = token === undefined ? (await script()).token : token
      return fetch(worker.url + path, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
          ...headers,
        },
        body: typeof body === 'string' ? body : JSON.stringify(body),
        ...(signal === undefined ? {} : { signal }),
      })
    },
    async [Symbol.asyncDispose]() {
      await worker.close()
      await ai.close()
      if (options.storage === undefined) rmSync(storage, { recursive: true, force: true })
    },
  }
}

export const REQUEST = {
  model: 'llama-3-8b',
  messages: [{ role: 'user', content: 'What is a terrace?' }],
  max_tokens: 200,
} as const satisfies ModelRequest

/** A token for one answer, as the API makes it; `claims` and `header` say what is otherwise. */
export async function signAnswer(
  key: JWK,
  request: ModelRequest = REQUEST,
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
): Promise<string> {
  const now = Math.floor(Date.now() / 1_000)
  return new SignJWT({
    iss: ISSUER,
    aud: AUDIENCE,
    sub: 'person-1',
    jti: randomUUID(),
    iat: now,
    exp: now + 60,
    model: request.model,
    max_tokens: 100,
    prompt: await requestHash(request),
    ...claims,
  })
    .setProtectedHeader({ alg: TOKEN_ALGORITHM, typ: TOKEN_TYPES.answer, kid: String(key.kid), ...header })
    .sign(await importJWK(key, TOKEN_ALGORITHM))
}

/** The data of a stream's events; `[DONE]` stays text. */
export async function streamed(response: Response): Promise<unknown[]> {
  const events = (await response.text()).split('\n\n').filter((event) => event !== '')
  return events.map((event) => {
    const data = event.replace(/^data: /, '')
    return data === '[DONE]' ? data : (JSON.parse(data) as unknown)
  })
}

/** The text of a stream's events, in either form. */
export function textOf(events: readonly unknown[]): string {
  return events
    .map((event) => {
      const { response, choices } = Object(event) as {
        response?: string
        choices?: { delta?: { content?: string } }[]
      }
      return response ?? choices?.[0]?.delta?.content ?? ''
    })
    .join('')
}

/** Status and code of an error; fails when it is not in OpenAI's shape, or says what only the provider knew. */
export async function refusal(response: Response): Promise<[number, string]> {
  const { error } = (await response.json()) as { error: Record<string, unknown> }
  if (typeof error.message !== 'string' || typeof error.type !== 'string' || typeof error.code !== 'string')
    throw new Error(`no typed error: ${JSON.stringify(error)}`)
  return [response.status, error.code]
}
