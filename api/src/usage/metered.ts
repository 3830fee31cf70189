// A language model that counts: what it is asked is reserved in a person's budget first, and settled when it is over,
// however it ends. To whoever streams from it, it is a language model like any other.
import type { ErrorCode } from '../../../contract/errors.ts'
import { AppError } from '../errors.ts'
import {
  type ChatMessage,
  type Counted,
  type LanguageModel,
  type ModelEvent,
  type SharedToken,
  SharedTokenTaken,
  type StreamOptions,
} from '../models/port.ts'
import { estimateTokens } from '../models/tokens.ts'
import { CallSettled, type Purpose, type Usage } from './usage.ts'

/** With these, and nothing said, no provider has done anything that it would bill. */
const NOT_BEGUN: readonly ErrorCode[] = [
  'MODEL_UNAVAILABLE',
  'MODEL_RETIRED',
  'MODEL_BUSY',
  'MODEL_ALLOWANCE_USED',
  'MODEL_REFUSED_KEY',
  'MODEL_REFUSED_REQUEST',
  // The model endpoint's limit for each person.
  'TOO_MANY_REQUESTS',
]

/** What a message takes beside its text. */
const MESSAGE_TOKENS = 4

export interface MeteredCall {
  readonly personId: string
  readonly purpose: Purpose
  /**
   * A token that a page was given for the same answer, and what is reserved under its id. The first call is made with them:
   * if the endpoint takes it, the page's token was not used and can't be any more, and both are one call. If not, the page's
   * may have been: it stays reserved, and this is another call.
   */
  readonly shared?: SharedToken
}

/** Its `stream` also throws AppError BUDGET_SPENT and BUDGET_NONE, before the model is asked. */
export function metered(
  usage: Pick<Usage, 'reserve' | 'settle' | 'release'>,
  language: LanguageModel,
  call: MeteredCall,
): LanguageModel {
  return { info: language.info, stream: (messages, options) => stream(messages, options) }

  async function* stream(messages: readonly ChatMessage[], options: StreamOptions): ModelEvents {
    const { shared } = call
    if (shared !== undefined)
      try {
        return yield* counting(messages, options, shared)
      } catch (error) {
        if (!(error instanceof SharedTokenTaken || error instanceof CallSettled)) throw error
      }
    yield* counting(messages, options)
  }

  async function* counting(
    messages: readonly ChatMessage[],
    options: StreamOptions,
    shared?: SharedToken,
  ): ModelEvents {
    const { personId, purpose } = call
    const { maxOutputTokens, signal } = options
    const id = await usage.reserve({
      ...{ personId, purpose, model: language.info, inputTokens: promptTokens(messages) },
      ...{ maxOutputTokens, signal, ...(shared === undefined ? {} : { id: shared.id }) },
    })
    let said = ''
    let counted: Counted | null = null
    let begun = false
    let heard = false
    const meter = {
      thought(text: string) {
        heard = true
        said += text
      },
      counted(tokens: Counted) {
        heard = true
        counted = tokens
      },
    }
    try {
      signal.throwIfAborted()
      begun = true
      const asked = { ...options, meter, ...(shared === undefined ? {} : { shared }) }
      for await (const event of language.stream(messages, asked)) {
        heard = true
        if (event.type === 'end') counted = event
        else said += event.text
        yield event
      }
    } catch (error) {
      if (said === '' && error instanceof AppError && NOT_BEGUN.includes(error.code)) begun = false
      throw error
    } finally {
      // Until a word came by it, nobody knows whose the shared one was.
      if (heard || (begun && shared === undefined)) await usage.settle(id, counted, said)
      else if (shared === undefined) await usage.release(id)
    }
  }
}

type ModelEvents = AsyncGenerator<ModelEvent, void, undefined>

/** From above (models/tokens.ts). */
export function promptTokens(messages: readonly Pick<ChatMessage, 'content'>[]): number {
  return messages.reduce((sum, { content }) => sum + estimateTokens(content) + MESSAGE_TOKENS, 0)
}
