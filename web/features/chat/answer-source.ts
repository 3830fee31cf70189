import { isMissing } from '../../lib/errors.ts'
import type { Client } from '../../lib/trpc.ts'
import { storedAnswer } from './chat-cache.ts'
import { browserAttention } from './page-attention.ts'
import { streamSlots } from './stream-slots.ts'
import type { WatchDeps } from './watch-answer.ts'

const slots = streamSlots(globalThis.navigator?.locks)

/** Where an answer is watched: this server's stream and what it has stored, as far as this tab has a turn. */
export function answerSource(client: Client, chatId: string, answerId: string): WatchDeps {
  return {
    stream(lastEventId, handlers) {
      const subscription = client.chats.watch.subscribe(
        { answerId, lastEventId },
        {
          onData: ({ id, data }) => handlers.onEvent(data, id),
          onComplete: handlers.onClose,
          onStopped: handlers.onClose,
          onError: handlers.onError,
        },
      )
      return () => subscription.unsubscribe()
    },
    async snapshot() {
      const chat = await client.chats.get.query({ id: chatId }).catch((error: unknown) => {
        if (isMissing(error)) return null
        throw error
      })
      const found = chat?.messages.find((candidate) => candidate.id === answerId)
      return found === undefined ? null : storedAnswer(found)
    },
    slots,
    page: browserAttention(),
  }
}
