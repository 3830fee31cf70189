// What answers in Workers AI's place: the server that the binding's own code asks, `POST …/run` with the model's name in a
// header and `{inputs, options}` as its body. How it answers is handed in: scripted, or by another model.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

/** What arrived, and what became of it. */
export interface AiRequest {
  /** The provider's name, as the Worker asks for it. */
  readonly model: string
  readonly input: {
    readonly messages: readonly { readonly role: string; readonly content: string }[]
    readonly max_tokens: number
    readonly stream: boolean
    readonly [field: string]: unknown
  }
  /** Tokens written. */
  sent: number
  ended: boolean
  /** When the Worker went away before the end: milliseconds since 1970, with fractions. */
  abortedAt: number | null
}

export type Answerer = (request: AiRequest, response: ServerResponse) => void | Promise<void>

export interface WorkersAi extends AsyncDisposable {
  readonly port: number
  readonly requests: readonly AiRequest[]
  close(): Promise<void>
}

export async function startWorkersAi(answer: Answerer): Promise<WorkersAi> {
  const requests: AiRequest[] = []
  const take = async (message: IncomingMessage, response: ServerResponse) => {
    const { inputs } = JSON.parse(await text(message)) as { inputs: AiRequest['input'] }
    const model = String(message.headers['cf-consn-model-id'])
    const request: AiRequest = { model, input: inputs, sent: 0, ended: false, abortedAt: null }
    requests.push(request)
    if (requests.length > 1_000) requests.shift()
    response.once('close', () => {
      if (!request.ended) request.abortedAt = performance.timeOrigin + performance.now()
    })
    await answer(request, response)
  }
  const server = createServer((message, response) => {
    take(message, response).catch((error: unknown) => {
      console.error(error)
      if (response.headersSent) response.destroy()
      else failure(response, 502, 0, 'the model could not be asked')
    })
  })
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening')
  const close = async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return { port: address.port, requests, close, [Symbol.asyncDispose]: close }
}

/** An error in Workers AI's own form. */
export function failure(response: ServerResponse, status: number, code: number, words: string): void {
  const body = { internalCode: code, name: 'InferenceUpstreamError', description: words, message: words }
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

async function text(message: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of message) parts.push(part)
  return Buffer.concat(parts).toString('utf8')
}
