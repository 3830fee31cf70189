// A request's body: read no further than its limit, checked field by field, and brought into the one form that tokens are
// bound to and models are asked with.
import { ENDPOINT_LIMITS } from '../../contract/model-endpoint.ts'
import type { ModelRequest, PromptMessage } from '../../contract/request-hash.ts'
import { EndpointError } from './errors.ts'

export interface Asked {
  readonly request: ModelRequest
  readonly stream: boolean
  /** OpenAI's `stream_options.include_usage`. */
  readonly includeUsage: boolean
}

/** Who is still sending does not read a reply: what is too large is received up to here and thrown away, so that they hear
 * why it was refused. */
const DISCARDED_BYTES = 16 * 1024 * 1024

type Fields = Readonly<Record<string, unknown>>

/** Milliseconds for a body to arrive. */
const PATIENCE_MS = 30_000

/** @throws EndpointError BODY_TOO_LARGE, BODY_STALLED, INVALID_JSON */
export async function readJson(request: Request, patienceMs = PATIENCE_MS): Promise<Fields> {
  const limit = ENDPOINT_LIMITS.bodyBytes
  const tooLarge = new EndpointError('BODY_TOO_LARGE', { limit })
  if (Number(request.headers.get('content-length') ?? 0) > DISCARDED_BYTES) throw tooLarge
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })
  const reader = request.body?.getReader()
  let bytes = 0
  let text = ''
  let late = false
  // Its end is what a body that is held back looks like then.
  const timer = setTimeout(() => {
    late = true
    reader?.cancel().catch(() => {})
  }, patienceMs)
  try {
    while (reader !== undefined) {
      const { done, value } = await reader.read()
      if (late) throw new EndpointError('BODY_STALLED')
      if (done) break
      bytes += value.byteLength
      if (bytes > DISCARDED_BYTES) throw tooLarge
      if (bytes <= limit) text += decoder.decode(value, { stream: true })
    }
    if (bytes > limit) throw tooLarge
    const value: unknown = JSON.parse(text + decoder.decode())
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields
  } catch (error) {
    if (error instanceof EndpointError) throw error
    throw new EndpointError('INVALID_JSON')
  } finally {
    clearTimeout(timer)
  }
  throw new EndpointError('INVALID_REQUEST', { reason: 'the body is no object' })
}

/** What OpenAI's clients may send and what changes no answer here. */
const IGNORED = new Set([
  'metadata',
  'parallel_tool_calls',
  'prompt_cache_key',
  'safety_identifier',
  'service_tier',
  'store',
  'user',
])

/** @param defaultModel for a request that names none; only the plain address has one
 * @throws EndpointError INVALID_REQUEST, UNSUPPORTED_PARAMETER, PROMPT_TOO_LARGE */
export function readAsked(body: Fields, defaultModel?: string): Asked {
  const {
    model = defaultModel,
    messages,
    prompt,
    stream,
    stream_options,
    n,
    logprobs,
    response_format,
    ...rest
  } = body
  const { max_tokens, max_completion_tokens, temperature, top_p, seed, ...others } = rest
  const { frequency_penalty, presence_penalty, ...unknown } = others
  for (const [name, value] of Object.entries(unknown))
    if (value !== null && !IGNORED.has(name))
      throw new EndpointError('UNSUPPORTED_PARAMETER', { param: name })
  if (!isAbsent(n) && n !== 1) throw new EndpointError('UNSUPPORTED_PARAMETER', { param: 'n' })
  if (!isAbsent(logprobs) && logprobs !== false)
    throw new EndpointError('UNSUPPORTED_PARAMETER', { param: 'logprobs' })
  if (!isAbsent(response_format) && (response_format as Fields).type !== 'text')
    throw new EndpointError('UNSUPPORTED_PARAMETER', { param: 'response_format' })
  if (typeof model !== 'string') throw invalid('model', 'must be text')
  if (!isAbsent(stream) && typeof stream !== 'boolean') throw invalid('stream', 'must be true or false')
  const numbers = {
    max_tokens: number('max_tokens', isAbsent(max_completion_tokens) ? max_tokens : max_completion_tokens, 1),
    temperature: number('temperature', temperature, 0, 2),
    top_p: number('top_p', top_p, 0, 1),
    seed: number('seed', seed, 0),
    frequency_penalty: number('frequency_penalty', frequency_penalty, -2, 2),
    presence_penalty: number('presence_penalty', presence_penalty, -2, 2),
  }
  const given = Object.fromEntries(Object.entries(numbers).filter(([, value]) => value !== undefined))
  const plain = defaultModel !== undefined && !isAbsent(prompt)
  if (!plain && !isAbsent(prompt)) throw new EndpointError('UNSUPPORTED_PARAMETER', { param: 'prompt' })
  return {
    request: { model, messages: plain ? [readPrompt(prompt)] : readMessages(messages), ...given },
    stream: stream === true,
    includeUsage: (Object(stream_options) as Fields).include_usage === true,
  }
}

function isAbsent(value: unknown): value is null | undefined {
  return value === undefined || value === null
}

function invalid(param: string, what: string): EndpointError {
  return new EndpointError('INVALID_REQUEST', { param, reason: `${param} ${what}.` })
}

/** Without `most` it is a whole number. */
function number(param: string, value: unknown, least: number, most?: number): number | undefined {
  if (isAbsent(value)) return undefined
  if (typeof value !== 'number') throw invalid(param, 'must be a number')
  if (most === undefined && !Number.isSafeInteger(value)) throw invalid(param, 'must be a whole number')
  if (!(value >= least && value <= (most ?? value)))
    throw invalid(
      param,
      most === undefined ? `must be at least ${least}` : `must be from ${least} to ${most}`,
    )
  return value
}

function readPrompt(prompt: unknown): PromptMessage {
  const content = readText('prompt', prompt)
  if (content === '') throw invalid('prompt', 'is empty')
  if (content.length > ENDPOINT_LIMITS.promptLength)
    throw new EndpointError('PROMPT_TOO_LARGE', { param: 'prompt' })
  return { role: 'user', content }
}

function readMessages(messages: unknown): PromptMessage[] {
  if (!Array.isArray(messages) || messages.length === 0)
    throw invalid('messages', 'must be a list with messages')
  if (messages.length > ENDPOINT_LIMITS.messages)
    throw invalid('messages', `has more than ${ENDPOINT_LIMITS.messages} messages`)
  let room = ENDPOINT_LIMITS.promptLength
  return messages.map((message: unknown, i) => {
    const { role, content, tool_calls, function_call } = Object(message) as Fields
    const at = `messages[${i}]`
    if (!isAbsent(tool_calls) || !isAbsent(function_call) || role === 'tool' || role === 'function')
      throw new EndpointError('UNSUPPORTED_PARAMETER', { param: at })
    const text = readContent(`${at}.content`, content)
    room -= text.length
    if (room < 0) throw new EndpointError('PROMPT_TOO_LARGE', { param: 'messages' })
    return { role: readRole(`${at}.role`, role), content: text }
  })
}

function readRole(param: string, role: unknown): PromptMessage['role'] {
  if (role === 'system' || role === 'user' || role === 'assistant') return role
  // What OpenAI calls a system message since its newer models.
  if (role === 'developer') return 'system'
  throw invalid(param, 'must be system, user or assistant')
}

/** Text, or a list of parts that are text. */
function readContent(param: string, content: unknown): string {
  if (!Array.isArray(content)) return readText(param, content)
  return content
    .map((part: unknown) => {
      const { type, text } = Object(part) as Fields
      if (type !== 'text') throw new EndpointError('UNSUPPORTED_PARAMETER', { param })
      return readText(param, text)
    })
    .join('')
}

/** Half a surrogate pair has no UTF-8, and so no canonical form. */
function readText(param: string, value: unknown): string {
  if (typeof value !== 'string') throw invalid(param, 'must be text')
  if (!value.isWellFormed()) throw invalid(param, 'is not well-formed Unicode')
  return value
}
