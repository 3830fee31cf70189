// The wire between Terrace and its model endpoint (worker/): paths, sizes, kinds of token with their claims, the receipt.
// The API signs tokens, the endpoint checks them and signs receipts, the page carries both (docs/decisions/0011).
// Times in claims are seconds since 1970, as JWT has them.

export const ENDPOINT_PATHS = {
  /** OpenAI-compatible, streaming and not. */
  completions: '/v1/chat/completions',
  models: '/v1/models',
  /** `{"prompt": …}` or `{"messages": …}`. */
  plain: '/',
  /** Takes a signed revocation as its bearer token. */
  revocations: '/v1/revocations',
  health: '/health',
} as const

/** The provider's name of the model that answered, as a header of its answer. */
export const PROVIDER_MODEL_HEADER = 'terrace-provider-model'

export const ENDPOINT_LIMITS = {
  /** A request's body, in bytes. */
  bodyBytes: 1024 * 1024,
  /** All messages of a prompt together, in UTF-16 code units. */
  promptLength: 200_000,
  messages: 200,
  /** UTF-16 units of an answer for each token it may have: a model that says more is cut off there. */
  unitsPerToken: 16,
  /** A token, in characters. */
  tokenLength: 4_096,
} as const

/** Seconds. */
export const TOKEN_SECONDS = {
  /** What the API should give an answer token to live: it must be used before, the answer may take longer. */
  answer: 60,
  /** More than this is refused: it bounds how long used ids are remembered. */
  answerMax: 300,
  script: 90 * 86_400,
  scriptMax: 366 * 86_400,
  revocation: 300,
  /** How long after its end a token is still taken: clocks are never quite the same. */
  clockTolerance: 5,
  /** How far the signer's clock may be ahead: a laptop's often is, and a token's life is bounded all the same. */
  clockAhead: 60,
} as const

/** `typ` of the JWS header: a token of one kind is never taken for another. */
export const TOKEN_TYPES = {
  answer: 'terrace-answer+jwt',
  script: 'terrace-script+jwt',
  revocation: 'terrace-revocation+jwt',
  receipt: 'terrace-receipt+jwt',
} as const

export const TOKEN_ALGORITHM = 'EdDSA'

/** How both sides write an endpoint's URL, so that a slash at its end makes no difference. @throws TypeError for no URL */
export function endpointAudience(url: string): string {
  return new URL(url).href.replace(/\/+$/, '')
}

interface Claims {
  /** The installation's public URL. */
  readonly iss: string
  /** The endpoint's own URL, as the endpoint is configured. */
  readonly aud: string
  readonly iat: number
  readonly exp: number
}

/** For one answer, once. */
export interface AnswerClaims extends Claims {
  /** The person's id; opaque to the endpoint. */
  readonly sub: string
  /**
   * One request's id: it is taken once. Of an answer that a page asks for itself, the attempt's; a server that the page leaves
   * it to asks with the same id and the same `exp`, so that the ledger lets one of the two in.
   */
  readonly jti: string
  /** Logical name. */
  readonly model: string
  /** The most tokens that this answer may have. */
  readonly max_tokens: number
  /** `requestHash` of the request. */
  readonly prompt: string
}

/** For a script, any number of requests until it ends or is revoked. */
export interface ScriptClaims extends Claims {
  /** What the token was made for. */
  readonly sub: string
  readonly jti: string
  /** The most tokens of each answer; the endpoint's own cap when absent. */
  readonly max_tokens?: number
}

/** Takes back a script token. */
export interface RevocationClaims extends Claims {
  /** The script token's `jti`. */
  readonly sub: string
}

export type FinishReason = 'stop' | 'length'

/** As OpenAI counts them. `estimated` when the provider said nothing and they were guessed from lengths. */
export interface Usage {
  readonly prompt_tokens: number
  readonly completion_tokens: number
  readonly total_tokens: number
  readonly estimated?: true
}

/** What the endpoint says of an answer it has streamed; signed by the endpoint's own key. */
export interface ReceiptClaims {
  /** The endpoint's URL: the token's `aud`. */
  readonly iss: string
  /** The installation: the token's `iss`. */
  readonly aud: string
  readonly sub: string
  readonly jti: string
  readonly iat: number
  readonly model: string
  /** The provider's name of the model that answered. */
  readonly provider_model: string
  /** SHA-256 of the answer's text in UTF-8, base64url. */
  readonly answer: string
  readonly prompt: string
  readonly usage: Usage
  readonly finish_reason: FinishReason
}
