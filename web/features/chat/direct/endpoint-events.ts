// The direct path's room: an answer that this page gets from the model endpoint itself (docs/decisions/0012).
// endpoint-events.ts reads what the endpoint streams, OpenAI's chunks as server-sent events (worker/src/shapes.ts),
// however the network cuts them.
import { createParser } from 'eventsource-parser'
import { ENDPOINT_ERRORS, type EndpointErrorCode } from '../../../../contract/endpoint-errors.ts'

export type EndpointEvent =
  | { readonly type: 'text'; readonly text: string }
  /** The endpoint's signed word on the whole answer. */
  | { readonly type: 'receipt'; readonly receipt: string }
  /** The answer broke off. */
  | { readonly type: 'error'; readonly code: EndpointErrorCode }
  | { readonly type: 'done' }

/** UTF-16 units of one unfinished event: who sends more is no model endpoint. */
const LONGEST_EVENT = 1024 * 1024

/** The parts of a chunk that say anything here; whatever else it has counts for nothing. */
interface Chunk {
  readonly choices?: readonly { readonly delta?: { readonly content?: unknown } | null }[] | null
  readonly receipt?: unknown
  readonly error?: unknown
}

/** @returns the events that these bytes complete; nothing after a `done` or an `error` */
export function createEndpointReader(): (bytes: Uint8Array) => EndpointEvent[] {
  const decoder = new TextDecoder()
  const found: EndpointEvent[] = []
  let over = false
  const parser = createParser({
    maxBufferSize: LONGEST_EVENT,
    onEvent({ data }) {
      for (const event of over ? [] : eventsOf(data)) {
        found.push(event)
        over = event.type === 'done' || event.type === 'error'
      }
    },
    onError({ type }) {
      if (type !== 'max-buffer-size-exceeded' || over) return
      found.push(BROKEN)
      over = true
    },
  })
  return (bytes) => {
    // A parser that has given up would throw.
    if (over) return []
    parser.feed(decoder.decode(bytes, { stream: true }))
    return found.splice(0)
  }
}

const BROKEN: EndpointEvent = { type: 'error', code: 'MODEL_BROKEN' }

function eventsOf(data: string): EndpointEvent[] {
  if (data === '[DONE]') return [{ type: 'done' }]
  let chunk: Chunk
  try {
    chunk = Object(JSON.parse(data))
  } catch {
    return [BROKEN]
  }
  if (Object(chunk.error) === chunk.error)
    return [{ type: 'error', code: errorCode(chunk) ?? 'MODEL_FAILED' }]
  const events: EndpointEvent[] = []
  const content = chunk.choices?.[0]?.delta?.content
  if (typeof content === 'string' && content !== '') events.push({ type: 'text', text: content })
  if (typeof chunk.receipt === 'string') events.push({ type: 'receipt', receipt: chunk.receipt })
  return events
}

/** The endpoint's code in an error of OpenAI's shape, as an event or as a reply's body; null when it is no error of its. */
export function errorCode(body: unknown): EndpointErrorCode | null {
  const { error }: Chunk = Object(body)
  const { code }: { code?: unknown } = Object(error)
  return isEndpointCode(code) ? code : null
}

const isEndpointCode = (code: unknown): code is EndpointErrorCode =>
  typeof code === 'string' && Object.hasOwn(ENDPOINT_ERRORS, code)
