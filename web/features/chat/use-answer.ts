// One answer on the page: what is stored, laid under what its stream says while it runs.
import { useEffect, useMemo, useState, useSyncExternalStore } from 'react'
import { trpc } from '../../lib/trpc.ts'
import { type AnswerView, hasEnded } from './answer.ts'
import { answerSource } from './answer-source.ts'
import { storedAnswer, withAnswer } from './chat-cache.ts'
import { directAnswer } from './direct-path.ts'
import type { Message } from './types.ts'
import { type AnswerPath, type AnswerWatch, type Connection, watchAnswer } from './watch-answer.ts'

const NO_WATCH = () => () => undefined

interface Answer {
  readonly view: AnswerView
  readonly connection: Connection
  readonly path: AnswerPath
}

export function useAnswer(chatId: string, message: Message): Answer {
  const utils = trpc.useUtils()
  const stored = useMemo(() => storedAnswer(message), [message])
  const running = !hasEnded(stored.state)
  const [watch, setWatch] = useState<AnswerWatch | null>(null)

  // biome-ignore lint/correctness/useExhaustiveDependencies: a watch is begun once and knows more than the cache
  useEffect(() => {
    if (!running) return
    const answerId = message.id
    // What this page gets itself goes on whether it is shown or not.
    const begun = directAnswer(answerId) ?? watchAnswer(stored, answerSource(utils.client, chatId, answerId))
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
  const path = useSyncExternalStore<AnswerPath>(
    watch?.subscribe ?? NO_WATCH,
    () => watch?.path() ?? 'relayed',
    () => 'relayed',
  )
  return { view, connection, path }
}
