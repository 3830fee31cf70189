// What an OpenAI client sends, read as a question and the turns before it.
// Only what people and models said is taken. A system message is refused: Terrace's own rules are the only ones, and
// one that is silently not followed would be worse. Settings of sampling are ignored, as the model's own stand.
import { z } from 'zod'
import { LIMITS } from '../../../contract/limits.ts'
import { cleanText, storable } from '../chat/clean.ts'
import type { Turn } from '../chat/prompt.ts'
import { AppError } from '../errors.ts'
import { invalidInput } from '../http/failure.ts'

export interface Conversation {
  readonly model: string
  readonly question: string
  /** Oldest first. */
  readonly history: readonly Turn[]
  readonly stream: boolean
  /** A last chunk with the usage was asked for. */
  readonly includeUsage: boolean
}

/** Turns that an answer may rest on, as many as in a chat. */
const TURNS = 10
/** UTF-16 units of an earlier answer; what is longer is cut, as an earlier question is at a question's length. */
const ANSWER_LENGTH = 20_000

const message = z.object({
  role: z.enum(['user', 'assistant'], {
    error: 'only “user” and “assistant” messages are taken; a system message would not be followed',
  }),
  content: z.union(
    [
      z.string(),
      z
        .array(z.object({ type: z.literal('text'), text: z.string() }))
        .transform((parts) => parts.map(({ text }) => text).join('\n')),
    ],
    { error: 'has to be text' },
  ),
})

const none = (what: string) => z.array(z.unknown()).max(0, `${what} are not supported`).nullish()

const body = z.object({
  model: z.string().max(300),
  messages: z.array(message).min(1),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  n: z.literal(1, { error: 'one answer at a time' }).nullish(),
  tools: none('tools'),
  functions: none('functions'),
  response_format: z
    .object({ type: z.literal('text', { error: 'answers are text' }) }, { error: 'answers are text' })
    .nullish(),
})

/** @throws AppError INVALID_INPUT, TOO_LARGE for too many messages, QUESTION_TOO_LONG */
export function readConversation(given: unknown): Conversation {
  const count = countMessages(given)
  // Before each of them is looked at.
  if (count > LIMITS.doorMessages)
    throw new AppError('TOO_LARGE', { limit: `${LIMITS.doorMessages} messages`, param: 'messages' })
  const parsed = body.safeParse(given)
  if (!parsed.success) throw invalidInput(parsed.error)
  const { model, messages, stream, stream_options: options } = parsed.data
  const said = joined(messages)
  const last = said.pop()
  if (last?.role !== 'user')
    throw new AppError('INVALID_INPUT', {
      reason: 'messages: the last one has to be a user’s',
      param: 'messages',
    })
  if (last.content.length > LIMITS.questionLength)
    throw new AppError('QUESTION_TOO_LONG', { limit: LIMITS.questionLength, param: 'messages' })
  const question = storable(last.content).trim()
  if (cleanText(question).trim() === '')
    throw new AppError('INVALID_INPUT', {
      reason: 'messages: the last one has no visible character',
      param: 'messages',
    })
  return {
    ...{ model, question, history: turnsOf(said) },
    stream: stream === true,
    includeUsage: options?.include_usage === true,
  }
}

/** The newest ones, each in bounds before anything else looks at it. Nobody can make a turn shorter that is over: so it is cut. */
function turnsOf(said: readonly z.infer<typeof message>[]): Turn[] {
  const turns = said.flatMap(({ role, content }, i) => {
    const next = said[i + 1]
    return role === 'user' && next?.role === 'assistant' ? [{ question: content, answer: next.content }] : []
  })
  return turns.slice(-TURNS).map(({ question, answer }) => ({
    question: storable(cut(question, LIMITS.questionLength)),
    answer: storable(cut(answer, ANSWER_LENGTH)),
  }))
}

/** Not in the middle of a character. */
function cut(text: string, length: number): string {
  return text.length <= length
    ? text
    : text
        .slice(0, length)
        .toWellFormed()
        .replace(/\uFFFD$/u, '')
}

function countMessages(given: unknown): number {
  const has = typeof given === 'object' && given !== null && 'messages' in given
  return has && Array.isArray(given.messages) ? given.messages.length : 0
}

/** Messages of one side that follow each other are one. */
function joined(messages: readonly z.infer<typeof message>[]): z.infer<typeof message>[] {
  const all: z.infer<typeof message>[] = []
  for (const next of messages) {
    const before = all.at(-1)
    if (before?.role === next.role) before.content += `\n\n${next.content}`
    else all.push({ ...next })
  }
  return all
}
