// What an answer token is bound to: the SHA-256 of the request in its one canonical form (RFC 8785), base64url.
// Covered is exactly what decides the answer and its cost. `stream` and `stream_options` are not: they change the
// wrapping, not the answer. Runs in Node, browsers and workerd.
import canonicalize from 'canonicalize'

export interface PromptMessage {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
}

/** The fields that the endpoint acts on. */
export interface ModelRequest {
  /** Logical name. */
  readonly model: string
  readonly messages: readonly PromptMessage[]
  readonly max_tokens?: number
  readonly temperature?: number
  readonly top_p?: number
  readonly seed?: number
  readonly frequency_penalty?: number
  readonly presence_penalty?: number
}

/** A field set to `undefined` counts as absent; fields that are not named above count for nothing.
 * @throws Error for a number that is not finite and for text with half a surrogate pair: neither has a canonical form */
export async function requestHash(request: ModelRequest): Promise<string> {
  const { model, max_tokens, temperature, top_p, seed, frequency_penalty, presence_penalty } = request
  const messages = request.messages.map(({ role, content }) => ({ role, content }))
  const covered = {
    model,
    messages,
    max_tokens,
    temperature,
    top_p,
    seed,
    frequency_penalty,
    presence_penalty,
  }
  return sha256(canonicalize(covered) ?? '')
}

/** SHA-256 of the text in UTF-8, base64url without padding (43 characters). */
export async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return btoa(String.fromCharCode(...new Uint8Array(digest)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}
