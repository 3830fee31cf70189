// What is known of a chat before the server is asked again: the page shows a question the moment it was taken.
import { type AnswerView, hasEnded } from './answer.ts'
import type { Chat, Message } from './types.ts'

export function withQuestion(
  chat: Chat,
  text: string,
  model: string,
  ids: { questionId: string; answerId: string; attemptId: string },
): Chat {
  // The chat may have been asked again meanwhile, and know them already.
  if (chat.messages.some((message) => message.id === ids.questionId)) return chat
  const last = chat.messages.at(-1)?.position ?? 0
  const createdAt = new Date()
  const question: Message = {
    id: ids.questionId,
    position: last + 1,
    role: 'question',
    text,
    createdAt,
    attempt: null,
    citations: [],
  }
  const answer: Message = {
    id: ids.answerId,
    position: last + 2,
    role: 'answer',
    text: '',
    createdAt,
    attempt: {
      ...{ id: ids.attemptId, number: 1, state: 'waiting', model, askedModel: model },
      ...{ error: null, behind: false, wordsOnly: null, unverified: false, offset: 0 },
    },
    citations: [],
  }
  return { ...chat, messages: [...chat.messages, question, answer] }
}

/** An answer begun anew: its old text and sources go at once. */
export function withNewAttempt(chat: Chat, answerId: string, attemptId: string): Chat {
  return {
    ...chat,
    messages: chat.messages.map((message) => {
      if (message.id !== answerId || message.attempt?.id === attemptId) return message
      const attempt = {
        id: attemptId,
        number: (message.attempt?.number ?? 0) + 1,
        state: 'waiting' as const,
        model: message.attempt?.model ?? chat.model,
        askedModel: null,
        error: null,
        behind: false,
        wordsOnly: null,
        unverified: false,
        offset: 0,
      }
      return { ...message, text: '', citations: [], attempt }
    }),
  }
}

/** An answer as `chats.get` tells it. */
export function storedAnswer(message: Message): AnswerView {
  const { attempt } = message
  return {
    attempt: attempt?.number ?? 0,
    state: attempt?.state ?? 'done',
    text: message.text,
    passages: null,
    query: null,
    citations: message.citations,
    error: attempt?.error ?? null,
    behind: attempt?.behind ?? false,
    wordsOnly: attempt?.wordsOnly ?? null,
    unverified: attempt?.unverified ?? false,
    gap: false,
  }
}

/**
 * The reverse, for the cache: what the stream said becomes what is stored. Where the end of that attempt is known already it
 * stays: a page that has stopped its answer shows that before it has heard of sources.
 */
export function withAnswer(chat: Chat, messageId: string, view: AnswerView): Chat {
  return {
    ...chat,
    messages: chat.messages.map((message) =>
      message.id !== messageId || message.attempt === null || isBehind(view, message.attempt)
        ? message
        : {
            ...message,
            text: view.text,
            citations: [...view.citations],
            attempt: {
              ...message.attempt,
              number: view.attempt,
              state: view.state,
              offset: view.text.length,
              error: view.error,
              behind: view.behind,
              wordsOnly: view.wordsOnly,
              unverified: view.unverified,
            },
          },
    ),
  }
}

const isBehind = (view: AnswerView, { number, state }: NonNullable<Message['attempt']>): boolean =>
  view.attempt < number || (view.attempt === number && hasEnded(state))
