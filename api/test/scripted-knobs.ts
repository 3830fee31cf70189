// How the scripted model is told to behave: by its name, as in `scripted?delay=300&rate=20`, or by `script()`.

export interface Knobs {
  /** Milliseconds from the request to the first token. Default 0. */
  readonly delay?: number
  /** Tokens per second; 0 sends them all at once. Default 0. */
  readonly rate?: number
  /** How many tokens; the answer is repeated or cut to fit. Default: the answer as it is. */
  readonly tokens?: number
  /** Says exactly this instead (one word and the space after it is one token). */
  readonly text?: string
  /** So many of its tokens are thoughts, before its first word. */
  readonly thinks?: number
  /** How many of the given passages are cited. Default 3. */
  readonly cite?: number
  /** Answers with this HTTP status (0: with none), or, with `at`, sends an error event after that many tokens. */
  readonly error?: number
  readonly at?: number
  /** Seconds of a Retry-After header beside `error`. */
  readonly retryAfter?: number
  /** Of Bedrock only: name and message of the error, where the status has another one. */
  readonly kind?: string
  readonly says?: string
  /** No token until `script()` is called without it; then all that were held begin, spread over one interval. */
  readonly hold?: boolean
  /** Never answers, not even headers. */
  readonly hang?: boolean
  /** Breaks the connection after this many tokens. */
  readonly die?: number
  /** Ends its stream in good order after this many tokens, but without saying that it is done. */
  readonly cut?: number
  /** Says `[DONE]` at its end and nothing else: no finish reason, no usage. */
  readonly terse?: boolean
  /** Goes silent after this many tokens, with the connection open. */
  readonly stall?: number
  /** Sends something that is no JSON after this many tokens; `-1` answers with an HTML page. */
  readonly garbage?: number
  /** Cuts the stream into pieces of this many bytes, without regard for frames or characters. */
  readonly split?: number
  /** Every token is a space and the time at which it left: milliseconds since 1970 with three decimals. */
  readonly stamp?: boolean
  /** Refuses requests that have this field, as servers of other dialects do. */
  readonly refuse?: string
  /** What it writes when it is asked to write a question out. Default: the question as it was. No other knob counts then. */
  readonly rewrite?: string
  /** Never answers when it is asked for that. */
  readonly rewriteHang?: boolean
  /** Answers with a redirect to this address. */
  readonly redirect?: string
}

/** Reads the knobs in a model's name. @throws Error for a number that is none */
export function parseKnobs(model: string): Knobs {
  const knobs: Record<string, string | number | boolean> = {}
  for (const [name, value] of new URLSearchParams(model.split('?')[1] ?? '')) {
    if (/^(?:text|rewrite|redirect|refuse|kind|says)$/.test(name)) knobs[name] = value
    else if (/^(?:hang|rewriteHang|hold|stamp|terse)$/.test(name)) knobs[name] = value !== '0'
    else if (Number.isNaN(Number(value))) throw new Error(`knob ${name}=${value} is no number`)
    else knobs[name] = Number(value)
  }
  return knobs
}
