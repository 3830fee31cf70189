// One model's answer as it arrives: what each piece of the network brought, in order, with a limit to its silences.
// It is asked as a stream whatever the caller wants: so both kinds of answer have the same limits and the same errors.
import type { PromptMessage } from '../../contract/request-hash.ts'
import { EndpointError } from './errors.ts'
import { createEventReader } from './events.ts'
import { type ModelEvent, readModelEvent } from './model-events.ts'
import { providerFailure, thrownFailure } from './provider-failure.ts'

export interface ModelInput {
  readonly messages: readonly PromptMessage[]
  readonly max_tokens: number
  readonly stream: true
  readonly temperature?: number
  readonly top_p?: number
  readonly seed?: number
  readonly frequency_penalty?: number
  readonly presence_penalty?: number
}

/** The part of Workers AI's binding that is used. */
export interface ModelBinding {
  run(
    model: string,
    input: ModelInput,
    options: { readonly returnRawResponse: true; readonly signal: AbortSignal },
  ): Promise<unknown>
}

export interface Patience {
  readonly firstTokenMs: number
  /** Between two signs of life. Comments and empty events are none. */
  readonly stallMs: number
}

/** Events that arrived together. An error comes after what was said before it. */
export interface Piece {
  readonly events: readonly ModelEvent[]
  readonly error?: EndpointError
}

export interface ModelStream {
  /** Null when the model has said its last word. @throws EndpointError */
  next(): Promise<Piece | null>
  /** Ends the call, also one that has not been answered yet. Whoever waits in `next` is told MODEL_INTERRUPTED. */
  cancel(): void
}

/** How long a reader may take for what is there. A network that halts for a while is no reason to end a paid answer. */
const READER_MS = 120_000
/** Of a reply that is an error. */
const MAX_ERROR_BYTES = 16 * 1024

/** Calls the model. Everything that goes wrong is a piece's error or thrown by `next`. */
export function openModelStream(
  ai: ModelBinding,
  model: string,
  input: ModelInput,
  patience: Patience,
): ModelStream {
  const call = new AbortController()
  const events = createEventReader()
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  let finished = false
  let complete = false
  let alive = false
  let answering = false
  /** Since when nobody has asked for the next piece; null while somebody waits for it. */
  let givenAt: number | null = null
  let heard = false
  let refuse: (error: EndpointError) => void = () => {}
  let ended: EndpointError | undefined

  const end = (error: EndpointError) => {
    if (ended !== undefined) return
    ended = error
    clearTimeout(timer)
    refuse(error)
    call.abort()
    reader?.cancel().catch(() => {})
  }
  // One timer that looks again, not one a token.
  let due = Date.now() + patience.firstTokenMs
  const look = () => {
    const now = Date.now()
    // A reader who is slow to take what was said is not the model's silence.
    const left = givenAt === null ? due - now : patience.stallMs
    if (givenAt !== null && now - givenAt > READER_MS)
      end(new EndpointError('MODEL_INTERRUPTED', {}, 'nobody reads'))
    else if (left > 0) timer = setTimeout(look, left)
    else end(new EndpointError('MODEL_STALLED', {}, 'silence'))
  }
  let timer = setTimeout(look, patience.firstTokenMs)

  /** What `work` gives, unless the call is ended first. */
  const unlessEnded = <T>(work: Promise<T>) =>
    new Promise<T>((resolve, reject) => {
      refuse = reject
      work.then(resolve, reject)
    })
  const open = async () => {
    const reply = await ai
      .run(model, input, { returnRawResponse: true, signal: call.signal })
      .catch((error) => {
        throw thrownFailure(error)
      })
    if (!(reply instanceof Response)) throw new EndpointError('MODEL_BROKEN', {}, 'no reply')
    if (!reply.ok) throw providerFailure(reply.status, await errorBody(reply))
    if (reply.body === null) throw new EndpointError('MODEL_BROKEN', {}, 'no body')
    reader = reply.body.getReader() as ReadableStreamDefaultReader<Uint8Array>
    // Ended between the reply and here.
    if (ended !== undefined) reader.cancel().catch(() => {})
    return reader.read()
  }
  const read = (found: readonly string[]): Piece => {
    const said: ModelEvent[] = []
    try {
      for (const data of found) {
        if (finished) break
        const event = readModelEvent(data)
        said.push(event)
        complete ||= event.finish !== undefined || event.done === true
        finished = event.done === true
      }
    } catch (error) {
      return { events: said, error: error as EndpointError }
    }
    alive = said.some(isAlive)
    heard ||= said.length > 0
    return { events: said }
  }
  const piece = async (): Promise<Piece> => {
    if (ended !== undefined) throw ended
    // Here, not where it was heard: what the caller did meanwhile is not the model's silence.
    if (alive) {
      due = Date.now() + patience.stallMs
      // What was set for the first token looks too late for the second.
      if (!answering) {
        clearTimeout(timer)
        timer = setTimeout(look, patience.stallMs)
      }
      answering = true
    }
    const { done, value } = await unlessEnded(reader === undefined ? open() : reader.read())
    const last = read(done ? events.end() : events.push(value))
    if (!done || last.error !== undefined) return last
    finished = true
    // Who has named a reason to finish was done; who falls silent in the middle of an answer was not.
    if (complete) return last
    const code = heard ? 'MODEL_INTERRUPTED' : 'MODEL_BROKEN'
    return { ...last, error: new EndpointError(code, {}, 'the stream ended') }
  }
  return {
    async next() {
      if (finished) {
        end(new EndpointError('MODEL_INTERRUPTED'))
        return null
      }
      givenAt = null
      try {
        const given = await piece()
        givenAt = Date.now()
        return given
      } catch (error) {
        // It has said why it finished: what it owes is at most the counting.
        if (complete) {
          end(new EndpointError('MODEL_INTERRUPTED'))
          return null
        }
        if (error instanceof EndpointError) throw error
        throw new EndpointError(reader ? 'MODEL_INTERRUPTED' : 'MODEL_FAILED', {}, 'the connection broke')
      }
    },
    cancel: () => end(new EndpointError('MODEL_INTERRUPTED', {}, 'cancelled')),
  }
}

/** An event with nothing in it is silence, however many of them come. */
function isAlive({ text, thinking, finish, usage, done }: ModelEvent): boolean {
  return text !== '' || thinking === true || finish !== undefined || usage !== undefined || done === true
}

async function errorBody(reply: Response): Promise<unknown> {
  const reader = reply.body?.getReader()
  const decoder = new TextDecoder()
  let text = ''
  try {
    while (reader !== undefined && text.length < MAX_ERROR_BYTES) {
      const { done, value } = await reader.read()
      if (done) break
      text += decoder.decode(value, { stream: true })
    }
    reader?.cancel().catch(() => {})
    return JSON.parse(text)
  } catch {
    return null
  }
}
