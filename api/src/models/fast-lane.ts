// The short way for a token: the `fetch` that the ai SDK is given, which hands pieces of text straight to the answer.
// The SDK's own way (four web streams, a schema and a promise an event) costs 69 µs of CPU a token against 12 here,
// and a thousand streams of 20 tokens/s leave 50 µs for everything (docs/decisions/0001-answer-streams.md).
//
// Only an event that carries nothing but text takes the lane. Errors, usage, finish reasons, refusals and what can't
// be read go to the SDK as they came. Text in any other form closes the lane for the rest of its stream, because the
// SDK's way is slower and pieces would overtake each other.
import type { Outbound } from './outbound.ts'
import { type Tap, tappedFetch } from './tapped-fetch.ts'

export interface Lane {
  readonly text: (text: string) => void
  /** Something arrived that is a sign of life but no text of the answer: a model that thinks aloud, and what it thinks. */
  readonly alive: (thought?: string) => void
  /** The stream's own last word, `[DONE]`. */
  readonly done: () => void
}

/** Of one event before it is left to the SDK: what is unfinished is searched again with every piece that comes. */
const MAX_EVENT_BYTES = 64 * 1024
/** Of one line, also the SDK's: it too looks at an unfinished line again and again. */
const MAX_LINE_BYTES = 1024 * 1024

/** A `fetch` for one request. Its response's body carries only what the lane did not take. */
export function laneFetch(outbound: Outbound, lane: Lane): typeof globalThis.fetch {
  return tappedFetch(outbound, (contentType) =>
    contentType.startsWith('text/event-stream') ? createSplitter(lane) : null,
  )
}

/** Takes a stream's bytes in any pieces; plain events go to the lane, the others are forwarded as they came. */
export function createSplitter(lane: Lane): Tap {
  // Latin-1 keeps every byte, so that pieces can be cut anywhere, searched as text and given back unchanged.
  let rest = ''
  let closed = false
  let line = 0
  return (bytes, forward) => {
    const lastEnd = bytes.lastIndexOf(10)
    line = lastEnd < 0 ? line + bytes.length : bytes.length - lastEnd - 1
    if (line > MAX_LINE_BYTES) throw new Error('a line of the answer is too large')
    if (closed) {
      lane.alive()
      return forward(bytes)
    }
    const text = rest + bytes.toString('latin1')
    let start = 0
    while (!closed) {
      const end = text.indexOf('\n\n', start === 0 ? Math.max(0, rest.length - 1) : start)
      if (end < 0) break
      const event = text.slice(start, end)
      const kind = takeEvent(NON_ASCII.test(event) ? Buffer.from(event, 'latin1').toString() : event, lane)
      if (kind !== 'taken') forward(Buffer.from(text.slice(start, end + 2), 'latin1'))
      start = end + 2
      closed = kind === 'close'
    }
    rest = text.slice(start)
    // Lines that end in CR LF never have two LF in a row: such a stream is the SDK's from its first event.
    closed ||= rest.length > MAX_EVENT_BYTES || rest.includes('\r\n')
    if (!closed) return
    if (rest !== '') forward(Buffer.from(rest, 'latin1'))
    rest = ''
  }
}

const NON_ASCII = /[\x80-\xff]/

interface Choice {
  readonly delta?: Readonly<Record<string, unknown>> | null
  readonly finish_reason?: unknown
}

interface Chunk {
  readonly error?: unknown
  readonly usage?: unknown
  readonly choices?: unknown
}

/** `taken`: done with. `forward`: the SDK reads it. `close`: it carries content in a form that only the SDK reads. */
function takeEvent(event: string, lane: Lane): 'taken' | 'forward' | 'close' {
  // A comment: some proxies keep a connection open with them. No sign of life of the model.
  if (event.startsWith(':') && !event.includes('\n')) return 'taken'
  if (!event.startsWith('data:') || event.includes('\n')) return 'close'
  if (event.endsWith('[DONE]')) {
    lane.done()
    return 'forward'
  }
  let chunk: Chunk | null
  try {
    chunk = JSON.parse(event.slice(5)) as Chunk | null
  } catch {
    return 'forward'
  }
  // It may be any JSON: `null`, a number, `{"choices": 5}`. The SDK says what is wrong with it.
  const choices = chunk?.choices
  const choice = Array.isArray(choices) && choices.length === 1 ? (choices[0] as Choice | null) : null
  const delta = choice?.delta
  if (typeof delta !== 'object' || delta === null || chunk?.error != null) return 'forward'
  const unusual = (choice?.finish_reason ?? null) !== null || (chunk?.usage ?? null) !== null
  let content = ''
  let thought = ''
  for (const name in delta) {
    const value = delta[name]
    if (name === 'role' || value === null || value === undefined || value === '') continue
    if (name === 'content' && typeof value === 'string') content = value
    else if (name !== 'reasoning_content' && name !== 'reasoning') return 'close'
    // Where a server sends both, they are the same.
    else if (typeof value === 'string') thought = value
  }
  if (content === '' && unusual) {
    // What it thinks in it, the SDK says.
    lane.alive()
    return 'forward'
  }
  if (unusual) return 'close'
  if (thought !== '' || content === '') lane.alive(thought)
  if (content === '') return 'taken'
  lane.text(content)
  return 'taken'
}
