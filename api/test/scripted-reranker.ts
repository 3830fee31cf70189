// A scripted Workers AI: what tests use in the place of a reranker. A text's score is how many of the question's words it
// has, so that an order can be checked. It answers as the account's REST API does.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

export interface RerankKnobs {
  /** Milliseconds until the reply. */
  readonly delay?: number
  /** Answers with this HTTP status; its body repeats the question. */
  readonly error?: number
  /** Never answers, not even headers. */
  readonly hang?: boolean
  /** Answers with a redirect to this address. */
  readonly redirect?: string
  /** The list alone, as behind the binding. */
  readonly bare?: boolean
  /** What is wrong with the reply. */
  readonly broken?: RerankFault
}

/** Each a way to answer with something that is no order of the texts. */
export const RERANK_FAULTS = [
  ...([
    'html',
    'empty',
    'no-result',
    'no-list',
    'refused',
    'short',
    'longer',
    'twice',
    'outside',
    'negative',
  ] as const),
  ...([
    'fraction',
    'no-id',
    'no-score',
    'nan',
    'null',
    'infinite',
    'text',
    'cut',
    'stall',
    'endless',
  ] as const),
]
export type RerankFault = (typeof RERANK_FAULTS)[number]

export interface RerankRequest {
  readonly path: string
  readonly query: string
  readonly texts: readonly string[]
  readonly topK: number
  readonly authorization: string | null
  /** The client went away before the reply. */
  aborted: boolean
}

export interface ScriptedReranker extends AsyncDisposable {
  /** Base address as RERANKER wants it. */
  readonly url: string
  readonly requests: readonly RerankRequest[]
  /** For every request from now on. */
  script(knobs: RerankKnobs): void
}

interface Body {
  readonly query: string
  readonly contexts: readonly { readonly text: string }[]
  readonly top_k: number
}

export async function startScriptedReranker(): Promise<ScriptedReranker> {
  const requests: RerankRequest[] = []
  let knobs: RerankKnobs = {}

  async function rerank(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = []
    for await (const part of message) parts.push(part as Buffer)
    const { query, contexts, top_k: topK } = JSON.parse(Buffer.concat(parts).toString('utf8')) as Body
    const texts = contexts.map(({ text }) => text)
    const request: RerankRequest = {
      ...{ path: message.url ?? '', query, texts, topK, aborted: false },
      authorization: message.headers.authorization ?? null,
    }
    requests.push(request)
    response.once('close', () => {
      request.aborted = !response.writableFinished
    })
    if (knobs.hang === true) return
    await sleep(knobs.delay ?? 0, undefined, { ref: false })
    if (knobs.redirect !== undefined) return void response.writeHead(307, { location: knobs.redirect }).end()
    if (knobs.error !== undefined)
      return send(
        response,
        knobs.error,
        JSON.stringify({ success: false, errors: [{ message: `about: ${query}` }] }),
      )
    const list = texts.map((text, id) => ({ id, score: shared(query, text) })).reverse()
    const reply =
      knobs.bare === true ? { response: list } : { result: { response: list }, success: true, errors: [] }
    if (knobs.broken === undefined) return send(response, 200, JSON.stringify(reply))
    breakReply(response, knobs.broken, list)
  }

  const server = createServer((message, response) => {
    rerank(message, response).catch((error: unknown) => send(response, 500, String(error)))
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening')
  return {
    url: `http://127.0.0.1:${address.port}/client/v4`,
    requests,
    script: (next) => {
      knobs = next
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function shared(query: string, text: string): number {
  const words = new Set(wordsOf(text))
  return wordsOf(query).filter((word) => words.has(word)).length
}

const wordsOf = (text: string) => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []

function breakReply(response: ServerResponse, fault: RerankFault, list: readonly object[]): void {
  const wrap = (response: unknown, more: object = { success: true }) =>
    JSON.stringify({ result: { response }, ...more })
  const last = (more: object) => wrap([...list.slice(0, -1), { ...list.at(-1), ...more }])
  // What JSON has no word for, some servers write all the same.
  const raw = (score: string) => wrap(list).replace(/"score":\d+/, `"score":${score}`)
  const bodies: Partial<Record<RerankFault, string>> = {
    html: '<!doctype html><title>Welcome</title>',
    empty: '',
    'no-result': '{"success":true}',
    'no-list': '{"result":{"response":{"id":0,"score":1}},"success":true}',
    refused: wrap(list, { success: false }),
    short: wrap(list.slice(1)),
    longer: wrap([...list, { id: list.length, score: 1 }]),
    twice: wrap([...list.slice(0, -1), list[0]]),
    outside: last({ id: list.length }),
    negative: last({ id: -1 }),
    fraction: last({ id: 0.5 }),
    'no-id': last({ id: undefined }),
    'no-score': last({ score: undefined }),
    nan: raw('NaN'),
    null: raw('null'),
    infinite: raw('1e999'),
    text: raw('"0.9"'),
  }
  const body = bodies[fault]
  if (body !== undefined) {
    send(response, 200, body)
    return
  }
  response.writeHead(200, { 'content-type': 'application/json' })
  response.write(wrap(list).slice(0, 20))
  if (fault === 'cut') setImmediate(() => response.socket?.destroySoon())
  if (fault !== 'endless') return
  const more = () => {
    while (!response.destroyed && response.write(' '.repeat(100_000)));
  }
  response.on('drain', more)
  more()
}

function send(response: ServerResponse, status: number, body: string): void {
  if (!response.headersSent) response.writeHead(status, { 'content-type': 'application/json' })
  response.end(body)
}
