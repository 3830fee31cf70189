// Ports of the models: an embedder (text → vector), language models (messages → streamed text) and a reranker (question
// and texts → scores). Every language model adapter runs models/language.cases.ts, every embedder models/embedder.cases.ts,
// every reranker models/reranker.cases.ts.

import { AppError } from '../errors.ts'

/** Queries go before passages, whatever waits; `background` is a passage that goes after all others. */
export type EmbedKind = 'query' | 'passage' | 'background'

export interface Embedder {
  /** What makes two vectors comparable: goes into the generation's key. */
  readonly identity: EmbedderIdentity
  /** Passages that keep it busy: whoever embeds many has about so many under way, and not more. */
  readonly window: number
  /**
   * Passages and queries get the model's prefixes. Unit length, `identity.dimensions` numbers.
   * @throws AppError of the codes EMBEDDER_…, UNAVAILABLE once closed; the signal's reason
   */
  embed(text: string, kind: EmbedKind, signal?: AbortSignal): Promise<Float32Array>
  /** Makes it ready now, not with the first text. @throws what keeps it from starting */
  ready(): Promise<void>
  close(): Promise<void>
}

/** Everything in it decides the vectors, and nothing else is in it: it makes the generation's digest. */
export type EmbedderIdentity = WeightsIdentity | EndpointIdentity

/** An embedder whose weights are here. */
export interface WeightsIdentity {
  readonly model: string
  /** Of the weights file, lower-case hex. */
  readonly sha256: string
  readonly pooling: 'cls' | 'mean'
  readonly queryPrefix: string
  readonly dimensions: number
  readonly maxTokens: number
}

/** One behind an address. Its weights can't be seen: that the same name gives the same vectors is the operator's word. */
export interface EndpointIdentity {
  /** Its name there. */
  readonly model: string
  readonly source: 'endpoint'
  /** Changed by the operator when the model behind the name has changed. */
  readonly revision: string
  readonly queryPrefix: string
  readonly passagePrefix: string
  readonly dimensions: number
}

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
}

/** US dollars for a million tokens. */
export interface ModelPrice {
  readonly input: number
  readonly output: number
}

export interface ModelInfo {
  /** Unique in the installation, shown in addresses: `[a-z0-9._:/-]+`. */
  readonly id: string
  readonly name: string
  readonly provider: string
  readonly contextTokens: number | null
  /** Null when none is known: of a model on a machine of one's own, for example. */
  readonly price: ModelPrice | null
  readonly available: boolean
}

export type ModelEvent =
  | { readonly type: 'text'; readonly text: string }
  | ({ readonly type: 'end' } & Counted)

export interface LanguageModel {
  readonly info: ModelInfo
  /**
   * Streams one answer. Ends with exactly one `end`, or throws an AppError
   * (MODEL_UNAVAILABLE, MODEL_RETIRED, MODEL_BUSY, MODEL_REFUSED_KEY, MODEL_STALLED, MODEL_BROKEN).
   * Aborting the signal closes the upstream connection at once.
   */
  stream(messages: readonly ChatMessage[], options: StreamOptions): AsyncIterable<ModelEvent>
}

export interface StreamOptions {
  readonly maxOutputTokens: number
  readonly signal: AbortSignal
  /** Whose question it is, for endpoints that are told; absent for what nobody has asked. */
  readonly personId?: string
  /** Told of what no event says, for whoever counts what a call takes. */
  readonly meter?: Meter
  /** For the model endpoint, which then takes the call only if nobody else has used the id; others pass it over. */
  readonly shared?: SharedToken
}

/** What makes a token of the model endpoint, where somebody else was given one that makes the same. */
export interface SharedToken {
  readonly id: string
  /** Seconds since 1970. The same in both: until then the endpoint remembers which of the two came first. */
  readonly expires: number
}

/** A shared token was used before, or has ended, so that nobody can tell. No model was asked. */
export class SharedTokenTaken extends AppError {
  /** @param model its id, for the log */
  constructor(model: string) {
    super(
      'CONFLICT',
      { reason: 'its token was used' },
      { internal: `model ${model}: a shared token was not taken` },
    )
  }
}

export interface Meter {
  /** A model that thinks aloud: it is paid for, and no text of the answer. */
  thought(text: string): void
  /** What the provider counted of a call, also of one that ends in an error. An `end` says the same. */
  counted(tokens: Counted): void
}

/** As the provider counted; null where it did not. */
export interface Counted {
  readonly inputTokens: number | null
  readonly outputTokens: number | null
}

/** Reads a question and a text together, which says more about the two than their vectors do, at a much higher price. */
export interface Reranker {
  /** As the provider calls it. */
  readonly model: string
  /**
   * One number for each text, in their order; higher is nearer to the question. They can be compared within one reply.
   * @throws RerankerFailure, or the signal's reason: aborting it closes the connection at once
   */
  rerank(query: string, texts: readonly string[], signal: AbortSignal): Promise<readonly number[]>
}

/** Never shown to a person: whatever it is, the passages stay in the order in which they were found. */
export class RerankerFailure extends Error {
  readonly reason: 'late' | 'busy' | 'refused-key' | 'gone' | 'broken' | 'unavailable'

  /** @param what for the log: nothing of a question, a text or a key */
  constructor(reason: RerankerFailure['reason'], what: string) {
    super(what)
    this.name = 'RerankerFailure'
    this.reason = reason
  }
}
