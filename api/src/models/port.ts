// Ports of the models: an embedder (text → vector) and language models (messages → streamed text).
// Every language model adapter runs models/language.cases.ts.

export interface Embedder {
  /** What makes two vectors comparable: goes into the generation's key. */
  readonly identity: EmbedderIdentity
  /** Passages as they are; queries get the model's prefix. Unit length, `identity.dimensions` numbers. */
  embed(text: string, kind: 'query' | 'passage', signal?: AbortSignal): Promise<Float32Array>
  /** Tokens of a text as the model counts them, without special ones; used by the splitter. */
  countTokens(text: string): number
  close(): Promise<void>
}

export interface EmbedderIdentity {
  readonly model: string
  /** Of the weights file, lower-case hex. */
  readonly sha256: string
  readonly pooling: 'cls' | 'mean'
  readonly queryPrefix: string
  readonly dimensions: number
  readonly maxTokens: number
}

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
}

export interface ModelInfo {
  /** Unique in the installation, shown in addresses: `[a-z0-9._:/-]+`. */
  readonly id: string
  readonly name: string
  readonly provider: string
  readonly contextTokens: number | null
  readonly available: boolean
}

export type ModelEvent =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'end'; readonly inputTokens: number | null; readonly outputTokens: number | null }

export interface LanguageModel {
  readonly info: ModelInfo
  /**
   * Streams one answer. Ends with exactly one `end`, or throws an AppError
   * (MODEL_UNAVAILABLE, MODEL_RETIRED, MODEL_BUSY, MODEL_REFUSED_KEY, MODEL_STALLED, MODEL_BROKEN).
   * Aborting the signal closes the upstream connection at once.
   */
  stream(
    messages: readonly ChatMessage[],
    options: { maxOutputTokens: number; signal: AbortSignal },
  ): AsyncIterable<ModelEvent>
}
