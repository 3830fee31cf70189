// An answer as OpenAI's clients read it: in one piece, or as server-sent events, a piece of text each.
import type { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'
import { SECONDS } from '../../../contract/ports.ts'
import type { AppError } from '../errors.ts'
import type { Answered } from './answer.ts'
import { openAIError } from './openai-error.ts'

interface Usage {
  readonly prompt_tokens: number
  readonly completion_tokens: number
  readonly total_tokens: number
}

/** @param model what was asked for, as it was spelled */
export function completion(requestId: string, model: string, answered: Answered) {
  const usage = usageOf(answered)
  return {
    ...envelope(requestId, model, 'chat.completion'),
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: answered.text,
          refusal: null,
          annotations: answered.annotations,
        },
        finish_reason: finishOf(answered),
        logprobs: null,
      },
    ],
    ...(usage === null ? {} : { usage }),
    terrace: detailsOf(answered),
  }
}

function envelope(requestId: string, model: string, object: string) {
  return { id: `chatcmpl-${requestId}`, object, created: Math.floor(Date.now() / 1000), model }
}

/** What OpenAI has no field for: which model wrote it, whether the newest changes may be missing, why only words were searched. */
function detailsOf({ model, behind, wordsOnly }: Answered) {
  return { answered_by: model, behind, ...(wordsOnly === null ? {} : { words_only: wordsOnly }) }
}

type Finish = 'stop' | 'length'

function finishOf({ cut }: Answered): Finish {
  return cut ? 'length' : 'stop'
}

/** Null where the model did not say. */
function usageOf({ inputTokens, outputTokens }: Answered): Usage | null {
  if (inputTokens === null || outputTokens === null) return null
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
  }
}

export interface StreamRequest {
  readonly model: string
  readonly includeUsage: boolean
}

/**
 * The events of one streamed answer. Headers leave with the first text, so that what fails before it has a status;
 * or, when nothing came for a while, with a comment that keeps the connection alive.
 */
export class CompletionStream {
  readonly #reply: FastifyReply
  readonly #response: ServerResponse
  readonly #envelope: ReturnType<typeof envelope>
  readonly #includeUsage: boolean
  readonly #ping: NodeJS.Timeout
  #open = false

  constructor(reply: FastifyReply, requestId: string, { model, includeUsage }: StreamRequest) {
    this.#reply = reply
    this.#response = reply.raw
    this.#envelope = envelope(requestId, model, 'chat.completion.chunk')
    this.#includeUsage = includeUsage
    // That the client went is heard elsewhere (running.ts).
    this.#response.on('error', () => {})
    this.#ping = setInterval(() => {
      this.#begin()
      this.#write(': still there\n\n')
    }, SECONDS.streamPing * 1000)
  }

  /** Whether something was sent: from then on there is no other answer than this stream. */
  get open(): boolean {
    return this.#open
  }

  text(content: string): void {
    this.#begin()
    this.#chunk({ content })
  }

  end(answered: Answered): void {
    this.#begin()
    const { annotations } = answered
    this.#chunk({ annotations }, finishOf(answered), { terrace: detailsOf(answered) })
    const usage = usageOf(answered)
    if (this.#includeUsage && usage !== null) this.#event({ ...this.#envelope, choices: [], usage })
    this.#response.end('data: [DONE]\n\n')
  }

  /** The stream ends with the error, and without the mark of its end. */
  fail(failure: AppError): void {
    this.#event(openAIError(failure))
    this.#response.end()
  }

  [Symbol.dispose](): void {
    clearInterval(this.#ping)
  }

  #begin(): void {
    if (this.#open) return
    this.#open = true
    this.#reply.hijack()
    const headers = Object.entries(this.#reply.getHeaders()).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value] as const],
    )
    this.#response.writeHead(200, {
      ...Object.fromEntries(headers),
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    })
    this.#response.socket?.setNoDelay(true)
    this.#chunk({ role: 'assistant', content: '' })
  }

  #chunk(delta: object, finish: Finish | null = null, more: object = {}): void {
    const choices = [{ index: 0, delta, finish_reason: finish, logprobs: null }]
    this.#event({ ...this.#envelope, choices, ...more })
  }

  #event(data: object): void {
    this.#write(`data: ${JSON.stringify(data)}\n\n`)
  }

  #write(text: string): void {
    if (!this.#response.destroyed) this.#response.write(text)
  }
}
