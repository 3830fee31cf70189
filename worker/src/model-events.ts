// What one event of a model says. Two dialects are understood, because Workers AI speaks both: its own,
// `{"response": "…"}`, and OpenAI's chunks. Unknown fields are nobody's business.
import type { FinishReason, Usage } from '../../contract/model-endpoint.ts'
import { EndpointError } from './errors.ts'
import { providerFailure } from './provider-failure.ts'

export interface ModelEvent {
  readonly text: string
  /** It has said something that is not part of the answer. */
  readonly thinking?: true
  readonly finish?: FinishReason
  readonly usage?: Usage
  /** The stream's last word. */
  readonly done?: true
}

const SILENT: ModelEvent = { text: '' }

/** @throws EndpointError for an event that is an error, or none at all */
export function readModelEvent(data: string): ModelEvent {
  if (data === '[DONE]') return { text: '', done: true }
  const event = parseObject(data)
  if (event.error !== undefined && event.error !== null) throw providerFailure(null, event)
  if (Array.isArray(event.errors) && event.errors.length > 0) throw providerFailure(null, event)
  const usage = readUsage(event.usage)
  const said = Array.isArray(event.choices) ? readChoice(event.choices[0]) : readResponse(event.response)
  return usage === undefined ? said : { ...said, usage }
}

function parseObject(data: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(data)
  } catch {
    throw new EndpointError('MODEL_BROKEN', {}, 'an event that is no JSON')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new EndpointError('MODEL_BROKEN', {}, 'an event that is no object')
  return value as Record<string, unknown>
}

function readResponse(response: unknown): ModelEvent {
  if (typeof response === 'string') return { text: response }
  // Workers AI reads a token that looks like a number as one.
  if (typeof response === 'number' || typeof response === 'boolean') return { text: String(response) }
  if (response === undefined || response === null) return SILENT
  throw new EndpointError('MODEL_BROKEN', {}, 'a response that is no text')
}

function readChoice(choice: unknown): ModelEvent {
  if (choice === undefined || choice === null) return SILENT
  const { delta, finish_reason } = Object(choice) as { delta?: unknown; finish_reason?: unknown }
  const { content, reasoning, reasoning_content } = Object(delta) as Record<string, unknown>
  const text = typeof content === 'string' ? content : ''
  const thought = reasoning_content ?? reasoning
  if (typeof finish_reason !== 'string')
    return typeof thought === 'string' && thought !== '' ? { text, thinking: true } : { text }
  return { text, finish: finish_reason === 'length' ? 'length' : 'stop' }
}

function readUsage(value: unknown): Usage | undefined {
  const { prompt_tokens, completion_tokens } = Object(value) as Record<string, unknown>
  if (!isCount(prompt_tokens) || !isCount(completion_tokens)) return undefined
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
