// From a logical name to an answer: the provider's models in turn until one says something, then its text to the end.
import { ENDPOINT_LIMITS, type FinishReason, type Usage } from '../../contract/model-endpoint.ts'
import { asEndpointError, EndpointError } from './errors.ts'
import type { ModelEvent } from './model-events.ts'
import {
  type ModelBinding,
  type ModelInput,
  type ModelStream,
  openModelStream,
  type Patience,
} from './model-stream.ts'
import { worthAnotherModel } from './provider-failure.ts'

/** An answer of which something has arrived: from here on no other model is tried. */
export interface BegunAnswer {
  /** The provider's name of the model. */
  readonly model: string
  readonly input: ModelInput
  readonly stream: ModelStream
  readonly events: readonly ModelEvent[]
  /** It went wrong right after its first words. */
  readonly error?: EndpointError
}

export interface Outcome {
  readonly text: string
  readonly usage: Usage
  readonly finish: FinishReason
}

/** For a guess where the provider counts nothing; English has 4.5. */
const UNITS_PER_GUESSED_TOKEN = 4

/** @param models the provider's names, in the order of trying
 * @param gone the caller's going away
 * @param failed told of each model that was given up
 * @throws EndpointError of the failure that passes soonest: MODEL_RETIRED only when all of them are */
export async function beginAnswer(
  ai: ModelBinding,
  models: readonly string[],
  input: ModelInput,
  patience: Patience,
  gone: AbortSignal,
  failed: (model: string, error: EndpointError) => void,
): Promise<BegunAnswer> {
  let failure: EndpointError | undefined
  for (const model of models) {
    const stream = openModelStream(ai, model, input, patience)
    gone.addEventListener('abort', stream.cancel)
    if (gone.aborted) stream.cancel()
    try {
      return { model, input, stream, ...(await firstWords(stream)) }
    } catch (thrown) {
      const error = asEndpointError(thrown)
      stream.cancel()
      if (gone.aborted) throw error
      failed(model, error)
      if (!worthAnotherModel(error)) throw error
      if (failure === undefined || lasting(error) <= lasting(failure)) failure = error
    }
  }
  throw failure ?? new EndpointError('MODEL_FAILED', {}, 'no model')
}

/** How long a failure lasts, compared with others: a moment, a while, until somebody pays, for ever. */
function lasting({ code }: EndpointError): number {
  if (code === 'MODEL_RETIRED') return 3
  if (code === 'MODEL_NEEDS_PLAN') return 2
  return code === 'MODEL_BUSY' ? 0 : 1
}

async function firstWords(stream: ModelStream): Promise<Pick<BegunAnswer, 'events' | 'error'>> {
  const events: ModelEvent[] = []
  for (;;) {
    const piece = await stream.next()
    if (piece === null) return { events }
    events.push(...piece.events)
    const said = piece.events.some(({ text, finish, done }) => text !== '' || finish !== undefined || done)
    if (piece.error !== undefined && !piece.events.some(({ text }) => text !== '')) throw piece.error
    if (said) return piece.error === undefined ? { events } : { events, error: piece.error }
  }
}

/** The answer's text in pieces, each as soon as it is there; returns what to say at the end.
 * @throws EndpointError when the model goes wrong: what was yielded before was said */
export async function* readAnswer(begun: BegunAnswer): AsyncGenerator<string, Outcome> {
  const { input, stream } = begun
  const limit = input.max_tokens * ENDPOINT_LIMITS.unitsPerToken
  let text = ''
  let finish: FinishReason | undefined
  let usage: Usage | undefined
  let { events, error }: { events: readonly ModelEvent[]; error?: EndpointError } = begun
  for (;;) {
    let said = ''
    for (const event of events) {
      said += event.text
      finish = event.finish ?? finish
      usage = event.usage ?? usage
    }
    const cut = text.length + said.length > limit
    if (cut) said = said.slice(0, limit - text.length).toWellFormed()
    text += said
    if (said !== '') yield said
    if (cut) {
      stream.cancel()
      return { text, finish: 'length', usage: usage ?? guessUsage(input, text) }
    }
    if (error !== undefined) {
      stream.cancel()
      throw error
    }
    const piece = await stream.next()
    if (piece === null) break
    events = piece.events
    error = piece.error
  }
  usage ??= guessUsage(input, text)
  // Workers AI's own dialect has no reason to finish.
  finish ??= usage.completion_tokens >= input.max_tokens ? 'length' : 'stop'
  return { text, usage, finish }
}

function guessUsage(input: ModelInput, text: string): Usage {
  const asked = input.messages.reduce((sum, { content }) => sum + content.length, 0)
  const prompt_tokens = Math.ceil(asked / UNITS_PER_GUESSED_TOKEN)
  const completion_tokens = Math.ceil(text.length / UNITS_PER_GUESSED_TOKEN)
  return {
    prompt_tokens,
    completion_tokens,
    total_tokens: prompt_tokens + completion_tokens,
    estimated: true,
  }
}
