// Where servers that speak OpenAI's protocol differ: newer OpenAI models want `max_completion_tokens`, some servers
// refuse `stream_options`. A server says so in its refusal; what was learned holds for the model's later answers.
import { APICallError } from '@ai-sdk/provider'

export interface Dialect {
  /** Whether to ask for the number of tokens at a stream's end. */
  readonly includeUsage: boolean
  spoken(body: Record<string, unknown>): Record<string, unknown>
  /** @returns true when the refusal taught something, so that asking again makes sense; each thing is learned once */
  learn(error: unknown): boolean
}

export function createDialect(): Dialect {
  let includeUsage = true
  let completionTokens = false
  return {
    get includeUsage() {
      return includeUsage
    },
    spoken(body) {
      if (!completionTokens) return body
      const { max_tokens, ...rest } = body
      return { ...rest, max_completion_tokens: max_tokens }
    },
    learn(error) {
      if (!APICallError.isInstance(error) || (error.statusCode !== 400 && error.statusCode !== 422))
        return false
      const reply = error.responseBody ?? ''
      if (!completionTokens && reply.includes('max_completion_tokens')) {
        completionTokens = true
        return true
      }
      if (includeUsage && reply.includes('stream_options')) {
        includeUsage = false
        return true
      }
      return false
    },
  }
}
