// One answer of a language model as it streams, whatever protocol it comes by: text as it arrives, silence noticed, the
// connection closed when nobody listens any more, and an end that was really said.
// Silence is measured in tokens: a connection that stays open, or sends comments, is no sign of life.
import {
  InvalidResponseDataError,
  type LanguageModelV4Prompt,
  type LanguageModelV4StreamPart,
} from '@ai-sdk/provider'
import { AppError } from '../errors.ts'
import type { Lane } from './fast-lane.ts'
import { asModelError, UpstreamError } from './model-error.ts'
import type { ChatMessage, Counted, Meter, ModelEvent } from './port.ts'
import { watchSilence } from './silence.ts'

export interface AnswerStreamOptions {
  /** The model's, for the log. */
  readonly id: string
  /** Seconds until the first token; a large model that is loaded first needs minutes. */
  readonly firstTokenSeconds: number
  /** Seconds between tokens. */
  readonly stallSeconds: number
  readonly maxOutputTokens: number
  readonly signal: AbortSignal
  readonly meter?: Meter
}

export interface AnswerLane extends Lane {
  /** Before it is known whether the answer is one. */
  readonly counted: (tokens: Counted) => void
}

/** Reads a whole answer. Text goes to the lane; resolves at its proper end. The signal closes the connection. */
export type ReadAnswer = (lane: AnswerLane, signal: AbortSignal) => Promise<Counted>

type Outcome = { readonly usage: Counted } | { readonly error: unknown }

/** UTF-16 units a token, at most: a server that ignores `max_tokens` is cut off there, as one that keeps it would be. */
const UNITS_PER_TOKEN = 16

/** @throws as LanguageModel.stream does */
export async function* streamAnswer(
  { id, firstTokenSeconds, stallSeconds, maxOutputTokens, signal, meter }: AnswerStreamOptions,
  read: ReadAnswer,
): AsyncGenerator<ModelEvent> {
  signal.throwIfAborted()
  let text = ''
  let room = maxOutputTokens * UNITS_PER_TOKEN
  let outcome: Outcome | undefined
  let wake = () => {}
  const settle = (next: Outcome) => {
    outcome ??= next
    wake()
  }
  const upstream = new AbortController()
  const onAbort = () => {
    upstream.abort()
    wake()
  }
  signal.addEventListener('abort', onAbort, { once: true })
  const silence = watchSilence(firstTokenSeconds * 1_000, () => {
    settle({ error: new AppError('MODEL_STALLED', {}, { internal: id }) })
    upstream.abort()
  })
  const lane: AnswerLane = {
    text(piece) {
      text += piece
      silence.heard(stallSeconds * 1_000)
      wake()
    },
    alive(thought = '') {
      if (thought !== '') meter?.thought(thought)
      silence.heard(stallSeconds * 1_000)
    },
    done() {},
    counted: (tokens) => meter?.counted(tokens),
  }
  read(lane, upstream.signal).then(
    (usage) => settle({ usage }),
    (error: unknown) => settle({ error }),
  )
  try {
    for (;;) {
      if (signal.aborted) throw signal.reason
      if (text !== '') {
        // Whatever came in while the reader was busy leaves in one piece: under load, frames get fewer, not later.
        const piece = text.slice(0, room)
        room -= piece.length
        text = ''
        yield { type: 'text', text: piece }
        if (room > 0) continue
        yield { type: 'end', inputTokens: null, outputTokens: null }
        return
      } else if (outcome === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      } else if ('error' in outcome) {
        throw asModelError(outcome.error, id)
      } else {
        yield { type: 'end', ...outcome.usage }
        return
      }
    }
  } finally {
    silence.end()
    signal.removeEventListener('abort', onAbort)
    // Also when the reader leaves early: the connection must not go on.
    upstream.abort()
  }
}

/**
 * Reads what the ai SDK makes of a response; `open` makes the request, with the lane that the text takes.
 * @throws AppError when it broke off, said nothing or did not say that it was done; UpstreamError for an error event
 */
export async function readParts(
  id: string,
  lane: AnswerLane,
  open: (lane: Lane) => Promise<ReadableStream<LanguageModelV4StreamPart>>,
): Promise<Counted> {
  let ended = false
  let heard = false
  const tapped: AnswerLane = {
    ...lane,
    text(piece) {
      heard = true
      lane.text(piece)
    },
    done() {
      ended = true
    },
  }
  const parts = await open(tapped)
  const reader = parts.getReader()
  const usage: { inputTokens: number | null; outputTokens: number | null } = {
    inputTokens: null,
    outputTokens: null,
  }
  try {
    for (;;) {
      const { done, value: part } = await reader.read().catch((error: unknown) => {
        // What a tap found wrong with the bytes, it says itself.
        if (error instanceof AppError) throw error
        throw new AppError('MODEL_STALLED', {}, { internal: `${id}: broken off`, cause: error })
      })
      if (done) break
      if (part.type === 'text-delta') tapped.text(part.delta)
      else if (part.type === 'reasoning-delta') lane.alive(part.delta)
      else if (part.type === 'error') {
        // The SDK's own complaint that no finish reason came; some servers only say `[DONE]`. It is looked at below.
        if (!InvalidResponseDataError.isInstance(part.error)) throw new UpstreamError(part.error)
      } else if (part.type === 'finish') {
        usage.inputTokens = part.usage.inputTokens.total ?? null
        usage.outputTokens = part.usage.outputTokens.total ?? null
        ended ||= part.finishReason.raw !== undefined
        lane.counted({ ...usage })
      }
    }
  } finally {
    reader.cancel().catch(() => {})
  }
  // A model that says nothing (all its tokens went into thinking, or its server is no model) gave no answer.
  if (!heard) throw new AppError('MODEL_BROKEN', {}, { internal: `${id}: no text` })
  // Its connection was closed in good order, but neither a finish reason nor `[DONE]` came: it broke off.
  if (!ended) throw new AppError('MODEL_STALLED', {}, { internal: `${id}: no end` })
  return usage
}

/** Messages as the ai SDK takes them. */
export function asPrompt(messages: readonly ChatMessage[]): LanguageModelV4Prompt {
  return messages.map(({ role, content }) =>
    role === 'system' ? { role, content } : { role, content: [{ type: 'text', text: content }] },
  )
}
