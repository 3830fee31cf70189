// A scripted OpenAI-compatible `/v1/embeddings`: what tests use in the place of an embedder behind an address. A text's
// vector is a bag of its words, so texts that share words are near each other; the same text has always the same vector.
// By hand: `node api/test/scripted-embeddings.ts --port 11501`, then EMBEDDERS='[{"id":"scripted","name":"Scripted",
// "type":"openai-compatible","url":"http://127.0.0.1:11501/v1","model":"scripted?delay=300","dimensions":64}]'.
//
// Knobs stand in the model's name after a `?`, as in `scripted?delay=300&dimensions=16`; `script()` overrides them.
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'

export interface EmbeddingKnobs {
  /** Numbers of a vector. Default 64. */
  readonly dimensions?: number
  /** Milliseconds until the reply. */
  readonly delay?: number
  /** Texts with this at their beginning get the opposite vector: what was nearest is farthest. */
  readonly mirror?: string
  /** Answers with this HTTP status. */
  readonly error?: number
  /** The Retry-After header beside `error`. */
  readonly retryAfter?: string
  /** Refuses requests that have this in a text, with this status. Default 400. */
  readonly refuse?: string
  readonly refuseStatus?: number
  /** Texts with this get a vector with something that is no number. */
  readonly spoil?: string
  /** Never answers requests that have this in a text. */
  readonly stall?: string
  /** Breaks the connection instead of answering. */
  readonly die?: boolean
  /** Never answers. */
  readonly hang?: boolean
  /** What is wrong with the reply. */
  readonly broken?:
    | 'html'
    | 'no-data'
    | 'short'
    | 'twice'
    | 'outside'
    | 'nan'
    | 'text'
    | 'zero'
    | 'longer'
    | 'endless'
  /** The vectors in another order, each with its index. */
  readonly shuffled?: boolean
  /** The vectors in order, without an index. */
  readonly bare?: boolean
}

export interface EmbeddingRequest {
  readonly model: string
  readonly input: readonly string[]
  readonly authorization: string | null
  /** The client went away before the reply. */
  aborted: boolean
}

export interface ScriptedEmbeddings extends AsyncDisposable {
  /** Base address as EMBEDDERS wants it. */
  readonly url: string
  readonly requests: readonly EmbeddingRequest[]
  /** Requests under way. */
  readonly open: number
  /** These knobs win over those in the model's name, for every request from now on. */
  script(knobs: EmbeddingKnobs): void
  close(): Promise<void>
}

const DIMENSIONS = 64

/** Not of unit length: that is the caller's to make. */
export function scriptedVector(text: string, knobs: EmbeddingKnobs = {}): number[] {
  const { dimensions = DIMENSIONS, mirror } = knobs
  const opposite = mirror !== undefined && text.startsWith(mirror)
  const words = (opposite ? text.slice(mirror.length) : text).toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []
  const vector = new Array<number>(dimensions).fill(0)
  vector[0] = 0.01
  for (const word of words) {
    const hash = createHash('sha256').update(word).digest()
    for (let i = 0; i < 3; i++) {
      const place = hash.readUInt32LE(4 * i) % dimensions
      vector[place] = (vector[place] ?? 0) + ((hash[16 + i] ?? 0) % 2 === 0 ? 1 : -1)
    }
  }
  return opposite ? vector.map((value) => -value) : vector
}

export async function startScriptedEmbeddings(options: { port?: number } = {}): Promise<ScriptedEmbeddings> {
  const requests: EmbeddingRequest[] = []
  let override: EmbeddingKnobs = {}
  let open = 0

  async function embed(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = []
    for await (const part of message) parts.push(part as Buffer)
    const body = JSON.parse(Buffer.concat(parts).toString('utf8')) as {
      model: string
      input: string | string[]
    }
    const input = typeof body.input === 'string' ? [body.input] : body.input
    const knobs = { ...parseEmbeddingKnobs(body.model), ...override }
    const request: EmbeddingRequest = {
      ...{ model: body.model, input, aborted: false },
      authorization: message.headers.authorization ?? null,
    }
    requests.push(request)
    open++
    response.once('close', () => {
      open--
      request.aborted = !response.writableFinished
    })
    const has = (part: string | undefined) => part !== undefined && input.some((text) => text.includes(part))
    if (knobs.hang === true || has(knobs.stall)) return
    await sleep(knobs.delay ?? 0)
    if (knobs.die === true) return void response.socket?.destroy()
    if (knobs.retryAfter !== undefined) response.setHeader('retry-after', knobs.retryAfter)
    const status = has(knobs.refuse) ? (knobs.refuseStatus ?? 400) : knobs.error
    if (status !== undefined)
      return json(response, status, { error: { message: `about: ${input.join(' ')}` } })
    if (knobs.broken === 'html') return void response.end('<!doctype html><title>Welcome</title>')
    if (knobs.broken === 'endless') {
      const more = () => {
        while (!response.destroyed && response.write('[1,2,3]'.repeat(10_000)));
      }
      response.on('drain', more)
      return more()
    }
    json(response, 200, reply(input, knobs))
  }

  const server = createServer((message, response) => {
    if (message.method !== 'POST' || message.url !== '/v1/embeddings') return json(response, 404, {})
    embed(message, response).catch((error: unknown) => json(response, 500, { error: String(error) }))
  })
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve, reject) =>
    server.once('error', reject).listen(options.port ?? 0, '127.0.0.1', resolve),
  )
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening')
  const close = async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return {
    url: `http://127.0.0.1:${address.port}/v1`,
    requests,
    get open() {
      return open
    },
    script: (knobs) => {
      override = knobs
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

function reply(input: readonly string[], knobs: EmbeddingKnobs): object {
  const { broken, spoil } = knobs
  if (broken === 'no-data') return { object: 'list' }
  const data = input.map((text, index) => ({
    object: 'embedding',
    ...(knobs.bare === true ? {} : { index }),
    embedding: scriptedVector(text, knobs) as unknown[],
  }))
  for (const [i, text] of input.entries())
    if (spoil !== undefined && text.includes(spoil)) data[i]?.embedding.fill(null)
  const last = data.at(-1)
  if (last === undefined) return { data }
  if (broken === 'short') data.pop()
  else if (broken === 'twice') last.index = 0
  else if (broken === 'outside') last.index = input.length
  else if (broken === 'nan') last.embedding[1] = null
  else if (broken === 'text') last.embedding[1] = '0.5'
  else if (broken === 'zero') last.embedding.fill(0)
  else if (broken === 'longer') last.embedding.push(1)
  return { object: 'list', model: 'scripted', data: knobs.shuffled === true ? data.reverse() : data }
}

function parseEmbeddingKnobs(model: string): EmbeddingKnobs {
  const knobs: Record<string, string | number | boolean> = {}
  for (const [name, value] of new URLSearchParams(model.split('?')[1] ?? ''))
    if (/^(?:mirror|refuse|spoil|stall|broken|retryAfter)$/.test(name)) knobs[name] = value
    else if (/^(?:die|hang|shuffled|bare)$/.test(name)) knobs[name] = value !== '0'
    else if (Number.isNaN(Number(value))) throw new Error(`knob ${name}=${value} is no number`)
    else knobs[name] = Number(value)
  return knobs
}

function json(response: ServerResponse, status: number, body: unknown): void {
  if (!response.headersSent) response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { port: { type: 'string', default: '0' } } })
  const endpoint = await startScriptedEmbeddings({ port: Number(values.port) })
  console.log(JSON.stringify({ url: endpoint.url }))
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void endpoint.close())
}
