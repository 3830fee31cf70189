// A language model that counts: what it is asked is reserved in a person's budget first, and settled when it is over,
// however it ends. To whoever streams from it, it is a language model like any other.
import type { ErrorCode } from '../../../contract/errors.ts'
import { AppError } from '../errors.ts'
import type { ChatMessage, Counted, LanguageModel, ModelEvent, StreamOptions } from '../models/port.ts'
import { estimateTokens } from '../models/tokens.ts'
import type { Purpose, Usage } from './usage.ts'

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

/** Its `stream` also throws AppError BUDGET_SPENT and BUDGET_NONE, before the model is asked. */
export function metered(
  usage: Pick<Usage, 'reserve' | 'settle' | 'release'>,
  language: LanguageModel,
  call: { readonly personId: string; readonly purpose: Purpose },
): LanguageModel {
  return { info: language.info, stream: (messages, options) => stream(messages, options) }

  async function* stream(
    messages: readonly ChatMessage[],
    options: StreamOptions,
  ): AsyncGenerator<ModelEvent, void, undefined> {
    const { maxOutputTokens, signal } = options
    const id = await usage.reserve({
      ...call,
      ...{ model: language.info, inputTokens: promptTokens(messages), maxOutputTokens, signal },
    })
    let said = ''
    let counted: Counted | null = null
    let begun = false
    const meter = {
      thought(text: string) {
        said += text
      },
      counted(tokens: Counted) {
        counted = tokens
      },
    }
    try {
      signal.throwIfAborted()
      begun = true
      for await (const event of language.stream(messages, { ...options, meter })) {
        if (event.type === 'end') counted = event
        else said += event.text
        yield event
      }
    } catch (error) {
      if (said === '' && error instanceof AppError && NOT_BEGUN.includes(error.code)) begun = false
      throw error
    } finally {
      await (begun ? usage.settle(id, counted, said) : usage.release(id))
    }
  }
}

/** From above (models/tokens.ts). */
export function promptTokens(messages: readonly Pick<ChatMessage, 'content'>[]): number {
  return messages.reduce((sum, { content }) => sum + estimateTokens(content) + MESSAGE_TOKENS, 0)
}
