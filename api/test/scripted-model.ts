// A scripted server that speaks as OpenAI's do (scripted-openai.ts) and as Amazon Bedrock's runtime does
// (scripted-bedrock.ts): what tests, benchmarks and browser tests use in a language model's place.
// It answers from the numbered passages of the prompt, so that an answer and its citations can be checked.
// By hand: `node api/test/scripted-model.ts --port 11500`, then MODELS='[{"id":"scripted","name":"Scripted","type":"openai-compatible","url":"http://127.0.0.1:11500/v1","model":"scripted?rate=20"}]'.
//
// Knobs stand in the model's name after a `?`, as in `scripted?delay=300&rate=20&tokens=200`; `script()` overrides them.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { parseArgs } from 'node:util'
import { answerTokens, questionToWriteOut } from './scripted-answer.ts'
import { BEDROCK } from './scripted-bedrock.ts'
import { type Knobs, parseKnobs } from './scripted-knobs.ts'
import { OPENAI, usage } from './scripted-openai.ts'
import type { Asked, AwsKeys, Reply, Wire } from './scripted-wire.ts'

/** What arrived, and what became of it. */
export interface ScriptedRequest extends Asked {
  readonly authorization: string | null
  /** Milliseconds since 1970, with fractions. */
  readonly at: number
  /** Tokens written. */
  sent: number
  /** The client went away before the end. */
  aborted: boolean
  ended: boolean
}

export interface ScriptedModel extends AsyncDisposable {
  readonly port: number
  /** Base address as MODELS wants it: `http://127.0.0.1:PORT/v1`. */
  readonly url: string
  readonly requests: readonly ScriptedRequest[]
  /** Those that ask for a question to be written out (chat/rewrite.ts); `requests` has all others. */
  readonly rewritings: readonly ScriptedRequest[]
  /** These knobs win over those in the model's name, for every request from now on. */
  script(knobs: Knobs): void
  close(): Promise<void>
}

interface Stream {
  readonly wire: Wire
  readonly request: ScriptedRequest
  readonly response: ServerResponse
  readonly knobs: Knobs
  readonly tokens: readonly string[]
  readonly interval: number
  due: number
}

const now = () => performance.timeOrigin + performance.now()

export interface ScriptedOptions {
  /** Default: a free one. */
  readonly port?: number
  /** The names that its list of models has. Default: `scripted`. */
  readonly listed?: readonly string[]
  /** Whose requests to Bedrock are let in. Default: nobody's. */
  readonly aws?: AwsKeys
}

export async function startScriptedModel(options: ScriptedOptions = {}): Promise<ScriptedModel> {
  const { listed = ['scripted'] } = options
  const requests: ScriptedRequest[] = []
  const rewritings: ScriptedRequest[] = []
  const streams = new Set<Stream>()
  let override: Knobs = {}
  // One clock for all streams: a timer for each token of a thousand streams would cost more than the tokens.
  let clock: NodeJS.Timeout | undefined
  const tick = () => {
    const time = now()
    for (const stream of streams) while (streams.has(stream) && stream.due <= time) step(stream)
    if (streams.size === 0) {
      clearInterval(clock)
      clock = undefined
    }
  }
  const script = (knobs: Knobs) => {
    override = knobs
    if (knobs.hold === true) return
    const held = [...streams].filter(({ due }) => due === Number.POSITIVE_INFINITY)
    for (const [i, stream] of held.entries()) stream.due = now() + (stream.interval * i) / held.length
  }
  const finish = (stream: Stream) => {
    stream.request.ended = true
    streams.delete(stream)
  }
  const step = (stream: Stream) => {
    const { request, response, knobs, tokens, wire } = stream
    const sent = request.sent
    if (knobs.die === sent) {
      finish(stream)
      // What was written leaves first: a model that dies has said something.
      response.socket?.destroySoon()
    } else if (knobs.cut === sent) {
      finish(stream)
      response.end()
    } else if (knobs.stall === sent) {
      streams.delete(stream)
    } else if (knobs.garbage === sent) {
      finish(stream)
      response.end(wire.garbage)
    } else if (knobs.error && knobs.at === sent) {
      finish(stream)
      write(stream, wire.errorEvent(knobs.error))
      response.end()
    } else if (sent >= tokens.length) {
      finish(stream)
      write(stream, wire.end(request, knobs.terse === true))
      response.end()
    } else {
      const token = knobs.stamp === true ? ` ${now().toFixed(3)}` : (tokens[sent] ?? '')
      request.sent++
      stream.due += stream.interval
      write(
        stream,
        sent < (knobs.thinks ?? 0) ? wire.thought(request.model, token) : wire.token(request.model, token),
      )
    }
  }

  const complete = async (wire: Wire, message: IncomingMessage, response: ServerResponse) => {
    const text = await read(message)
    const refusal = wire.refusal(message, text, options.aws)
    if (refusal !== null) return respond(response, refusal)
    const body = JSON.parse(text) as Record<string, unknown>
    const request: ScriptedRequest = {
      ...wire.asked(message, body),
      authorization: message.headers.authorization ?? null,
      at: now(),
      sent: 0,
      aborted: false,
      ended: false,
    }
    const question = questionToWriteOut(request.messages)
    const list = question === null ? requests : rewritings
    list.push(request)
    if (list.length > 10_000) list.splice(0, 1_000)
    const given = { ...parseKnobs(request.model), ...override }
    const knobs: Knobs =
      question === null ? given : { text: given.rewrite ?? question, hang: given.rewriteHang === true }
    if (knobs.hang === true) {
      response.once('close', () => {
        request.aborted = true
      })
      return
    }
    if (knobs.refuse !== undefined && knobs.refuse in body)
      return json(response, 400, {
        error: { message: `Unsupported: ${knobs.refuse}. Use max_completion_tokens instead of max_tokens.` },
      })
    if (knobs.redirect !== undefined) return response.writeHead(307, { location: knobs.redirect }).end()
    if (knobs.garbage === -1)
      return response
        .writeHead(200, { 'content-type': 'text/html' })
        .end('<!doctype html><title>Welcome</title>')
    if (knobs.error && knobs.at === undefined) {
      if (knobs.retryAfter !== undefined) response.setHeader('retry-after', String(knobs.retryAfter))
      return respond(response, wire.error(knobs.error, knobs))
    }
    const tokens = answerTokens(request.messages, knobs)
    if (!request.stream) {
      request.sent = tokens.length
      request.ended = true
      return json(response, 200, {
        id: 'scripted',
        object: 'chat.completion',
        created: 0,
        model: request.model,
        choices: [
          { index: 0, message: { role: 'assistant', content: tokens.join('') }, finish_reason: 'stop' },
        ],
        usage: usage(request),
      })
    }
    response.writeHead(200, { 'content-type': wire.contentType, 'cache-control': 'no-cache' })
    response.flushHeaders()
    response.socket?.setNoDelay(true)
    const interval = (knobs.rate ?? 0) > 0 ? 1_000 / (knobs.rate ?? 1) : 0
    const stream: Stream = {
      wire,
      request,
      response,
      knobs,
      tokens,
      interval,
      due: knobs.hold === true ? Number.POSITIVE_INFINITY : request.at + (knobs.delay ?? 0),
    }
    response.once('close', () => {
      if (!request.ended) request.aborted = true
      streams.delete(stream)
    })
    streams.add(stream)
    // 2 ms, not 1: the clock must not take a core from what is measured.
    clock ??= setInterval(tick, 2)
    tick()
  }

  // Names of models are long here, and Bedrock has them in the address.
  const server = createServer({ maxHeaderSize: 256 * 1024 }, (message, response) => {
    const path = (message.url ?? '').split('?')[0] ?? ''
    const wire = [OPENAI, BEDROCK].find(({ serves }) => serves.test(path))
    if (message.method === 'POST' && wire !== undefined)
      complete(wire, message, response).catch((error: unknown) =>
        json(response, 400, { error: { message: String(error) } }),
      )
    else if (path === '/v1/models')
      json(response, 200, { object: 'list', data: listed.map((id) => ({ id })) })
    // What a running Ollama says: discovery is tested against this.
    else if (path === '/api/tags')
      json(response, 200, { models: [{ name: 'scripted:latest', model: 'scripted:latest' }] })
    else if (path === '/requests') json(response, 200, requests.slice(-100))
    else if (message.method === 'POST' && path === '/script')
      read(message).then((text) => {
        script(JSON.parse(text) as Knobs)
        json(response, 200, {})
      })
    else json(response, 404, { error: { message: 'not here' } })
  })
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve, reject) =>
    server.once('error', reject).listen(options.port ?? 0, '127.0.0.1', resolve),
  )
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening')
  const close = async () => {
    clearInterval(clock)
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return {
    port: address.port,
    url: `http://127.0.0.1:${address.port}/v1`,
    requests,
    rewritings,
    script,
    close,
    [Symbol.asyncDispose]: close,
  }
}

function write(stream: Stream, frame: string | Uint8Array): void {
  const size = stream.knobs.split
  if (size === undefined) return void stream.response.write(frame)
  const bytes = Buffer.from(frame)
  for (let start = 0; start < bytes.length; start += size)
    stream.response.write(bytes.subarray(start, start + size))
}

async function read(message: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of message) parts.push(part as Buffer)
  return Buffer.concat(parts).toString('utf8')
}

function respond(response: ServerResponse, { status, headers = {}, body }: Reply): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

function json(response: ServerResponse, status: number, body: unknown): void {
  respond(response, { status, body })
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { port: { type: 'string', default: '0' } } })
  const model = await startScriptedModel({ port: Number(values.port) })
  console.log(JSON.stringify({ url: model.url, port: model.port }))
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void model.close())
}
