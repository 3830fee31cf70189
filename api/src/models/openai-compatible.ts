// Language models behind an OpenAI-compatible address: Workers AI, vLLM, Ollama, llama.cpp, hosted ones.
// The ai SDK's provider makes the request and reads what is unusual; plain text takes the fast lane.
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { asPrompt, readParts, streamAnswer } from './answer-stream.ts'
import { createDialect, type Dialect } from './dialect.ts'
import { type Lane, laneFetch } from './fast-lane.ts'
import { isTokenTaken } from './model-error.ts'
import type { Outbound } from './outbound.ts'
import {
  type ChatMessage,
  type LanguageModel,
  type ModelInfo,
  type SharedToken,
  SharedTokenTaken,
} from './port.ts'

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
  readonly shared: SharedToken | undefined
}

export function createOpenAICompatibleModel(
  outbound: Outbound,
  options: OpenAICompatibleOptions,
): LanguageModel {
  const model: Model = { ...options, dialect: createDialect() }
  const { id } = options.info
  return {
    info: options.info,
    stream: (messages, { personId, shared, ...call }) =>
      streamAnswer({ ...options, ...call, id }, (lane, signal) => {
        const request = { messages, maxOutputTokens: call.maxOutputTokens, personId, shared, signal }
        return readParts(id, lane, (tapped) => open(outbound, model, request, tapped))
      }),
  }
}

type Model = OpenAICompatibleOptions & { readonly dialect: Dialect }

interface Request extends KeyedRequest {
  readonly signal: AbortSignal
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
      if (request.shared !== undefined && isTokenTaken(error)) throw new SharedTokenTaken(options.info.id)
      if (!dialect.learn(error)) throw error
    }
  }
}
