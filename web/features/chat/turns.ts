import type { Message } from './types.ts'

/** A question and what was answered to it. */
export interface Turn {
  readonly question: Message
  readonly answer: Message | null
}

/** Messages in order as turns; an answer without its question is no turn. */
export function turnsOf(messages: readonly Message[]): Turn[] {
  const turns: Turn[] = []
  for (const message of [...messages].sort((a, b) => a.position - b.position)) {
    const last = turns.at(-1)
    if (message.role === 'question') turns.push({ question: message, answer: null })
    else if (last !== undefined) turns[turns.length - 1] = { question: last.question, answer: message }
  }
  return turns
}
