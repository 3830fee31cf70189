// A scripted model in Workers AI's place, for tests, benchmarks and `worker:dev -- --scripted`. It says which it is: its
// provider's name is `scripted`, which stands on every answer and receipt. Its behaviour stands in that name, after a `?`.
import type { ServerResponse } from 'node:http'
import { type AiRequest, type Answerer, failure } from './workers-ai.ts'

export interface Script {
  /** Milliseconds until the first token. */
  readonly delay: number
  /** Tokens per second; 0 sends them all at once. */
  readonly rate: number
  /** How many tokens; the text is repeated or cut to fit. */
  readonly tokens: number | null
  /** What it says, one word and its space a token. */
  readonly text: string
  readonly dialect: 'workers-ai' | 'openai'
  /** Bytes of the pieces that the stream is cut into. */
  readonly split: number | null
  /** Every token is the time at which it left: milliseconds since 1970, with fractions. */
  readonly stamp: boolean
  /** The last event counts the tokens. */
  readonly usage: boolean
  /** Answers with this status, and `code` as the internal number. */
  readonly error: number | null
  readonly code: number
  /** After this many tokens: */
  readonly stall: number | null
  readonly die: number | null
  readonly cut: number | null
  readonly garbage: number | null
  readonly fail: number | null
  /** Goes on saying this, and nothing else. */
  readonly forever: string | null
  /** Says why it finishes, and then neither counts nor ends. */
  readonly lingers: boolean
  /** An HTML page instead of a stream. */
  readonly page: boolean
  /** Never sends even headers. */
  readonly hang: boolean
}

/** What it says in an error. Nobody but the log of the provider may ever see it. */
export const SECRET_WORDS = 'account 7c9e is out of luck'

export const answerScripted: Answerer = async (request, response) => {
  const script = readScript(request.model)
  if (script.hang) return
  if (script.error !== null) {
    request.ended = true
    return failure(response, script.error, script.code, SECRET_WORDS)
  }
  if (script.page) {
    request.ended = true
    response.writeHead(200, { 'content-type': 'text/html' }).end(`<!doctype html><p>${SECRET_WORDS}`)
    return
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.flushHeaders()
  response.socket?.setNoDelay(true)
  await tell(request, response, script)
}

async function tell(request: AiRequest, response: ServerResponse, script: Script): Promise<void> {
  const tokens = tokensOf(script, request.input.max_tokens)
  const write = writer(response, script.split)
  const finish = (last = '') => {
    request.ended = true
    if (last !== '') write(last)
    response.end()
  }
  const start = performance.now() + script.delay
  for (let i = 0; ; i++) {
    // By the clock, not one pause after the other: those add up.
    const due = start + (script.rate > 0 ? (i * 1_000) / script.rate : 0)
    if (due > performance.now()) await new Promise((resolve) => setTimeout(resolve, due - performance.now()))
    if (response.destroyed) return
    if (script.forever !== null) return goOn(response, script.forever)
    if (script.stall === i) return
    if (script.die === i) {
      request.ended = true
      return void response.socket?.destroySoon()
    }
    if (script.cut === i) return finish()
    if (script.garbage === i) return finish('data: {"response": \n\ndata: <html>\n\n')
    if (script.fail === i) return finish(frame({ errors: [{ code: script.code, message: SECRET_WORDS }] }))
    const token = tokens[i]
    if (token === undefined && script.lingers) return write(FINISHED)
    if (token === undefined) return finish(`${lastFrame(request, script)}data: [DONE]\n\n`)
    request.sent++
    const said = script.stamp ? `${performance.timeOrigin + performance.now()} ` : token
    write(textFrame(said, script.dialect))
  }
}

function goOn(response: ServerResponse, text: string): void {
  const clock = setInterval(() => response.write(`${text}\n\n`), 50)
  response.once('close', () => clearInterval(clock))
}

function writer(response: ServerResponse, split: number | null): (text: string) => void {
  if (split === null) return (text) => void response.write(text)
  return (text) => {
    const bytes = Buffer.from(text)
    for (let at = 0; at < bytes.length; at += split) response.write(bytes.subarray(at, at + split))
  }
}

const frame = (value: object) => `data: ${JSON.stringify(value)}\n\n`

const FINISHED = frame({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })

function textFrame(text: string, dialect: Script['dialect']): string {
  if (dialect === 'workers-ai') return frame({ response: text, p: 'abcd' })
  return frame({
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta: { content: text }, finish_reason: null }],
  })
}

function lastFrame({ input, sent }: AiRequest, { dialect, usage }: Script): string {
  const asked = input.messages.reduce((sum, { content }) => sum + content.split(/\s+/).length, 0)
  const counted = { prompt_tokens: asked, completion_tokens: sent, total_tokens: asked + sent }
  if (dialect === 'workers-ai') return usage ? frame({ response: '', usage: counted }) : ''
  return usage ? FINISHED + frame({ choices: [], usage: counted }) : FINISHED
}

function tokensOf({ text, tokens }: Script, most: number): string[] {
  const words = text.match(/\S+\s*/g) ?? []
  const wanted = Math.min(tokens ?? words.length, most)
  return Array.from({ length: wanted }, (_, i) => words[i % words.length] ?? '')
}

function readScript(model: string): Script {
  const given = new URLSearchParams(model.split('?')[1] ?? '')
  const number = (name: string) => (given.has(name) ? Number(given.get(name)) : null)
  return {
    delay: number('delay') ?? 0,
    rate: number('rate') ?? 0,
    tokens: number('tokens'),
    text: given.get('text') ?? 'This answer is scripted: no model has written it. ',
    dialect: given.get('dialect') === 'openai' ? 'openai' : 'workers-ai',
    split: number('split'),
    stamp: given.has('stamp'),
    usage: given.get('usage') !== '0',
    error: number('error'),
    code: number('code') ?? 0,
    stall: number('stall'),
    die: number('die'),
    cut: number('cut'),
    garbage: number('garbage'),
    fail: number('fail'),
    forever: given.get('forever'),
    lingers: given.has('lingers'),
    page: given.has('page'),
    hang: given.has('hang'),
  }
}
