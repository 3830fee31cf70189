// One answer on the page: what is stored, laid under what its stream says while it runs.
import { useEffect, useMemo, useState, useSyncExternalStore } from 'react'
import { trpc } from '../../lib/trpc.ts'
import { type AnswerView, hasEnded } from './answer.ts'
import { storedAnswer, withAnswer } from './chat-cache.ts'
import { browserAttention } from './page-attention.ts'
import { streamSlots } from './stream-slots.ts'
import type { Message } from './types.ts'
import { type AnswerWatch, type Connection, watchAnswer } from './watch-answer.ts'

const slots = streamSlots(globalThis.navigator?.locks)
const NO_WATCH = () => () => undefined

export function useAnswer(chatId: string, message: Message): { view: AnswerView; connection: Connection } {
  const utils = trpc.useUtils()
  const stored = useMemo(() => storedAnswer(message), [message])
  const running = !hasEnded(stored.state)
  const [watch, setWatch] = useState<AnswerWatch | null>(null)

  // biome-ignore lint/correctness/useExhaustiveDependencies: a watch is begun once and knows more than the cache
  useEffect(() => {
    if (!running) return
    const answerId = message.id
    const client = utils.client
    const begun = watchAnswer(stored, {
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
        const chat = await client.chats.get.query({ id: chatId })
        const found = chat.messages.find((candidate) => candidate.id === answerId)
        return found === undefined ? null : storedAnswer(found)
      },
      slots,
      page: browserAttention(),
    })
    setWatch(begun)
    // What was streamed outlives this component: coming back shows at least as much.
    const keep = () =>
      utils.chats.get.setData({ id: chatId }, (chat) => chat && withAnswer(chat, answerId, begun.view()))
    const stopListening = begun.subscribe(() => {
      if (begun.connection() !== 'ended') return
      // A look at the chat that began before the end must not bring the running answer back.
      void utils.chats.get.cancel({ id: chatId })
      keep()
      // Which model answered, when the one that was asked could not, is not part of the stream.
      void utils.chats.get.invalidate({ id: chatId })
      void utils.chats.list.invalidate()
    })
    return () => {
      stopListening()
      begun.close()
      keep()
      setWatch(null)
    }
  }, [chatId, message.id, running])

  const view = useSyncExternalStore(
    watch?.subscribe ?? NO_WATCH,
    () => watch?.view() ?? stored,
    () => stored,
  )
  const connection = useSyncExternalStore<Connection>(
    watch?.subscribe ?? NO_WATCH,
    () => watch?.connection() ?? (running ? 'connecting' : 'ended'),
    () => 'connecting',
  )
  return { view, connection }
}
