// Language models behind an OpenAI-compatible address: Workers AI, vLLM, Ollama, llama.cpp, hosted ones.
// The ai SDK's provider makes the request and reads what is unusual; plain text takes the fast lane.
// Silence is measured in tokens: a connection that stays open, or sends comments, is no sign of life.
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { InvalidResponseDataError, type LanguageModelV4Prompt } from '@ai-sdk/provider'
import { AppError } from '../errors.ts'
import { createDialect, type Dialect } from './dialect.ts'
import { type Lane, laneFetch } from './fast-lane.ts'
import { asModelError, UpstreamError } from './model-error.ts'
import type { Outbound } from './outbound.ts'
import type { ChatMessage, LanguageModel, ModelEvent, ModelInfo, StreamOptions } from './port.ts'
import { watchSilence } from './silence.ts'

export interface OpenAICompatibleOptions {
  readonly info: ModelInfo
  /** Up to and without `/chat/completions`. */
  readonly url: string
  /** The model's name there. */
  readonly model: string
  readonly apiKey: ApiKey
  /** Seconds until the first token; a large model that is loaded first needs minutes. */
  readonly firstTokenSeconds: number
  /** Seconds between tokens. */
  readonly stallSeconds: number
}

/** One for all requests, none, or one that is made for each. */
export type ApiKey = string | undefined | ((request: KeyedRequest) => Promise<string>)

export interface KeyedRequest {
  readonly messages: readonly ChatMessage[]
  readonly maxOutputTokens: number
  readonly personId: string | undefined
}

export function createOpenAICompatibleModel(
  outbound: Outbound,
  options: OpenAICompatibleOptions,
): LanguageModel {
  const dialect = createDialect()
  return {
    info: options.info,
    stream: (messages, call) => stream(outbound, { ...options, dialect }, messages, call),
  }
}

/** UTF-16 units a token, at most: a server that ignores `max_tokens` is cut off there, as one that keeps it would be. */
const UNITS_PER_TOKEN = 16

type Model = OpenAICompatibleOptions & { readonly dialect: Dialect }

async function* stream(
  outbound: Outbound,
  options: Model,
  messages: readonly ChatMessage[],
  { maxOutputTokens, signal, personId }: StreamOptions,
): AsyncGenerator<ModelEvent> {
  signal.throwIfAborted()
  let text = ''
  let room = maxOutputTokens * UNITS_PER_TOKEN
  let outcome: Outcome | undefined
  let wake = () => {}
  const settle = (next: Outcome) => {
    outcome ??= next
    wake()
  }
  const upstream = new AbortController()
  const onAbort = () => {
    upstream.abort()
    wake()
  }
  signal.addEventListener('abort', onAbort, { once: true })
  const silence = watchSilence(options.firstTokenSeconds * 1_000, () => {
    settle({ error: new AppError('MODEL_STALLED', {}, { internal: options.info.id }) })
    upstream.abort()
  })
  const lane: Lane = {
    text(piece) {
      text += piece
      silence.heard(options.stallSeconds * 1_000)
      wake()
    },
    alive: () => silence.heard(options.stallSeconds * 1_000),
    done() {},
  }
  read(outbound, options, { messages, maxOutputTokens, personId, signal: upstream.signal }, lane).then(
    (usage) => settle({ usage }),
    (error: unknown) => settle({ error }),
  )
  try {
    for (;;) {
      if (signal.aborted) throw signal.reason
      if (text !== '') {
        // Whatever came in while the reader was busy leaves in one piece: under load, frames get fewer, not later.
        const piece = text.slice(0, room)
        room -= piece.length
        text = ''
        yield { type: 'text', text: piece }
        if (room > 0) continue
        yield { type: 'end', inputTokens: null, outputTokens: null }
        return
      } else if (outcome === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      } else if ('error' in outcome) {
        throw asModelError(outcome.error, options.info.id)
      } else {
        yield { type: 'end', ...outcome.usage }
        return
      }
    }
  } finally {
    silence.end()
    signal.removeEventListener('abort', onAbort)
    // Also when the reader leaves early: the connection must not go on.
    upstream.abort()
  }
}

interface Request extends KeyedRequest {
  readonly signal: AbortSignal
}

interface Usage {
  readonly inputTokens: number | null
  readonly outputTokens: number | null
}
type Outcome = { readonly usage: Usage } | { readonly error: unknown }

/** Reads a whole answer. Text goes to the lane; resolves at its proper end. */
async function read(outbound: Outbound, options: Model, request: Request, lane: Lane): Promise<Usage> {
  let ended = false
  let heard = false
  const tapped: Lane = {
    ...lane,
    text(piece) {
      heard = true
      lane.text(piece)
    },
    done() {
      ended = true
    },
  }
  const parts = await open(outbound, options, request, tapped)
  const reader = parts.getReader()
  const usage: { inputTokens: number | null; outputTokens: number | null } = {
    inputTokens: null,
    outputTokens: null,
  }
  try {
    for (;;) {
      const { done, value: part } = await reader.read().catch((error: unknown) => {
        throw new AppError('MODEL_STALLED', {}, { internal: `${options.info.id}: broken off`, cause: error })
      })
      if (done) break
      if (part.type === 'text-delta') tapped.text(part.delta)
      else if (part.type === 'reasoning-delta') lane.alive()
      else if (part.type === 'error') {
        // The SDK's own complaint that no finish reason came; some servers only say `[DONE]`. It is looked at below.
        if (!InvalidResponseDataError.isInstance(part.error)) throw new UpstreamError(part.error)
      } else if (part.type === 'finish') {
        usage.inputTokens = part.usage.inputTokens.total ?? null
        usage.outputTokens = part.usage.outputTokens.total ?? null
        ended ||= part.finishReason.raw !== undefined
      }
    }
  } finally {
    reader.cancel().catch(() => {})
  }
  // Its connection was closed in good order, but neither a finish reason nor `[DONE]` came: it broke off.
  // A model that says nothing (all its tokens went into thinking, or its server is no model) gave no answer.
  if (!heard) throw new AppError('MODEL_BROKEN', {}, { internal: `${options.info.id}: no text` })
  if (!ended) throw new AppError('MODEL_STALLED', {}, { internal: `${options.info.id}: no end` })
  return usage
}

/** Makes the request, once more for each thing that the server turns out to want otherwise. */
async function open(outbound: Outbound, options: Model, request: Request, lane: Lane) {
  const { dialect } = options
  for (;;) {
    const apiKey = typeof options.apiKey === 'function' ? await options.apiKey(request) : options.apiKey
    // A provider for each answer (0.3 ms): that is how its `fetch` knows which lane is its own.
    const provider = createOpenAICompatible({
      name: 'terrace',
      baseURL: options.url,
      includeUsage: dialect.includeUsage,
      transformRequestBody: (body) => dialect.spoken(body),
      ...(apiKey === undefined ? {} : { apiKey }),
      fetch: laneFetch(outbound, lane),
    })
    try {
      const { stream } = await provider.chatModel(options.model).doStream({
        prompt: asPrompt(request.messages),
        maxOutputTokens: request.maxOutputTokens,
        abortSignal: request.signal,
      })
      return stream
    } catch (error) {
      if (!dialect.learn(error)) throw error
    }
  }
}

function asPrompt(messages: readonly ChatMessage[]): LanguageModelV4Prompt {
  return messages.map(({ role, content }) =>
    role === 'system' ? { role, content } : { role, content: [{ type: 'text', text: content }] },
  )
}
