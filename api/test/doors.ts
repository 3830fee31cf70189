// A server with documents, a scripted model and its doors open, for the official clients to come in by:
//
//   await using world = await doors()
//   const client = world.openai(await world.key(world.owner))
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import OpenAI from 'openai'
import { pino } from 'pino'
import { API_PATHS } from '../../contract/ports.ts'
import { KEY_SCOPES, type KeyScope } from '../../contract/stages.ts'
import { type Metrics, NO_METRICS } from '../src/metrics/metrics.ts'
import { createModels } from '../src/models/registry.ts'
import { HANDBOOK } from './conversation.ts'
import { type TestDatabase, testDatabase } from './database.ts'
import { type ScriptedModel, startScriptedModel } from './scripted-model.ts'
import { type Person, type TestServer, testServer } from './server.ts'
import { type ShelvedDocument, shelveDocument } from './shelf.ts'
import { wordIndex } from './word-index.ts'

export interface KeyRequest {
  readonly scopes?: KeyScope[]
  readonly collectionIds?: string[]
  readonly expiresInDays?: number
}

export interface Doors extends AsyncDisposable {
  readonly db: TestDatabase
  readonly scripted: ScriptedModel
  readonly server: TestServer
  /** Owns the collection Handbook with its two documents. */
  readonly owner: Person
  readonly handbook: string
  readonly documents: Readonly<Record<string, ShelvedDocument>>
  /** A new shared collection of a person, with documents if there are any. */
  collection(
    person: Person,
    name: string,
    documents?: Readonly<Record<string, readonly string[]>>,
  ): Promise<string>
  /** A key of a person's, with both scopes unless they are said. */
  key(person: Person, request?: KeyRequest): Promise<string>
  /** OpenAI's client, which does not try again. */
  openai(key: string): OpenAI
  /** A connected client of MCP; closed with the world. */
  mcp(key: string): Promise<Client>
  /** A plain request with a key. */
  post(path: string, key: string | null, body: unknown, headers?: Record<string, string>): Promise<Response>
}

export interface DoorsOptions {
  /** Knobs of the scripted model; null: there is no language model. */
  readonly knobs?: string | null
  /** More of the model's entry in MODELS. */
  readonly entry?: Readonly<Record<string, unknown>>
  /** More of the environment. */
  readonly env?: Readonly<Record<string, string>>
  /** Default: none. */
  readonly metrics?: Metrics
  /** The search engine is away: words stand in. */
  readonly away?: boolean
}

export async function doors({
  knobs = '',
  entry: more = {},
  env: given = {},
  metrics = NO_METRICS,
  away = false,
}: DoorsOptions = {}): Promise<Doors> {
  await using stack = new AsyncDisposableStack()
  const db = stack.use(await testDatabase())
  const scripted = stack.use(await startScriptedModel())
  const entry = { id: 'm', name: 'M', type: 'openai-compatible', url: scripted.url, ...more }
  const short = /hang|stall/.test(knobs ?? '') ? { firstTokenSeconds: 1, stallSeconds: 1 } : {}
  const env = {
    ...(knobs === null
      ? {}
      : { MODELS: JSON.stringify([{ ...entry, model: `scripted?${knobs}`, ...short }]) }),
    PUBLIC_URL: 'https://terrace.example.org',
    ...given,
  }
  const models = createModels(db.config('/tmp/terrace-unused', env), pino({ level: 'silent' }))
  stack.defer(() => models.close())
  const server = stack.use(
    await testServer(db, { env, services: { models, metrics, index: wordIndex(db.pool, { away }) } }),
  )
  const owner = await server.person({ name: 'Ada' })
  const documents: Record<string, ShelvedDocument> = {}
  const collection: Doors['collection'] = async (person, name, texts = {}) => {
    const { id } = await person.api.collections.create.mutate({ name })
    for (const [title, passages] of Object.entries(texts))
      documents[title] = await shelveDocument(db.pool, id, title, passages)
    return id
  }
  const handbook = await collection(owner, 'Handbook', HANDBOOK)
  const clients: Client[] = []
  stack.defer(() => Promise.all(clients.map((client) => client.close())).then(() => {}))
  const started = stack.move()
  return {
    ...{ db, scripted, server, owner, handbook, documents, collection },
    async key(person, { scopes = [...KEY_SCOPES], ...more } = {}) {
      const request = { name: 'A script', scopes, ...more }
      return (await person.api.keys.create.mutate(request)).key
    },
    openai: (apiKey) => new OpenAI({ apiKey, baseURL: server.url + API_PATHS.v1, maxRetries: 0 }),
    async mcp(key) {
      const client = new Client({ name: 'test', version: '1' })
      const transport = new StreamableHTTPClientTransport(new URL(server.url + API_PATHS.mcp), {
        requestInit: { headers: { authorization: `Bearer ${key}` } },
      })
      clients.push(client)
      // Its optional fields may be there and undefined, which the port's types do not say.
      await client.connect(transport as Parameters<Client['connect']>[0])
      return client
    },
    post: (path, key, body, headers = {}) =>
      fetch(server.url + path, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(key === null ? {} : { authorization: `Bearer ${key}` }),
          ...headers,
        },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

/** What was refused, as OpenAI's client types it. */
export async function refusal(
  call: Promise<unknown>,
): Promise<[string, number | undefined, string | null | undefined]> {
  try {
    await call
  } catch (error) {
    if (error instanceof OpenAI.APIError) return [error.constructor.name, error.status, error.code]
    throw error
  }
  return ['none', undefined, undefined]
}
