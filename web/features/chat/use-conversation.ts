// What a person can do in a chat, each with what the page shows at once: ask, retry, stop, choose scope and model.
import { useCallback, useEffect, useRef, useState } from 'react'
import { showToast } from '../../components/ui/toast.tsx'
import { type Failure, toFailure } from '../../lib/errors.ts'
import { trpc } from '../../lib/trpc.ts'
import { hasEnded } from './answer.ts'
import { withNewAttempt, withQuestion } from './chat-cache.ts'
import { directAnswer, directPath } from './direct-path.ts'
import { chosenModel } from './models.ts'
import { newRequestId } from './request-id.ts'
import type { Scope } from './scope.ts'
import type { Chat } from './types.ts'

export function useConversation(chat: Chat) {
  const { id: chatId, model: chatModel } = chat
  const utils = trpc.useUtils()
  const [pending, setPending] = useState<string | null>(null)
  const [failure, setFailure] = useState<Failure | null>(null)
  const [retryingId, setRetryingId] = useState<string | null>(null)
  const [stoppingId, setStoppingId] = useState<string | null>(null)
  // The same question sent again after a failure carries the same id: asked twice, stored once.
  const request = useRef<{ text: string; id: string } | null>(null)
  const running = chat.messages.findLast(
    (message) => message.attempt !== null && !hasEnded(message.attempt.state),
  )
  const runningId = running?.id ?? null
  useEffect(() => {
    if (runningId === null) setStoppingId(null)
  }, [runningId])

  const { mutateAsync: askAsync } = trpc.chats.ask.useMutation()
  const ask = useCallback(
    /** Resolves to whether the question was taken. */
    async (text: string, model: string): Promise<boolean> => {
      if (request.current?.text !== text) request.current = { text, id: newRequestId() }
      setPending(text)
      setFailure(null)
      try {
        const direct = await directPath(model, utils.models.list.getData())
        const requestId = request.current.id
        const ids = await askAsync({ chatId, text, model, requestId, direct: direct !== undefined })
        request.current = null
        if (ids.direct) direct?.beginDirect(utils.client, { chatId, ...ids, number: 1 })
        utils.chats.get.setData({ id: chatId }, (known) => known && withQuestion(known, text, model, ids))
        void utils.chats.list.invalidate()
        return true
      } catch (error) {
        setFailure(toFailure(error))
        return false
      } finally {
        setPending(null)
      }
    },
    [askAsync, chatId, utils],
  )

  const { mutateAsync: retryAsync } = trpc.chats.retry.useMutation()
  const retry = useCallback(
    async (answerId: string) => {
      setRetryingId(answerId)
      try {
        const messages = utils.chats.get.getData({ id: chatId })?.messages
        const last = messages?.find(({ id }) => id === answerId)?.attempt
        const models = utils.models.list.getData()
        // Whose receipt got lost is given an answer that needs none.
        const lostReceipt = last?.state === 'done' && last.unverified
        const direct = lostReceipt ? undefined : await directPath(chosenModel(chatModel, models), models)
        const { attemptId, ...by } = await retryAsync({ answerId, direct: direct !== undefined })
        const number = (last?.number ?? 0) + 1
        if (by.direct) direct?.beginDirect(utils.client, { chatId, answerId, attemptId, number })
        utils.chats.get.setData(
          { id: chatId },
          (known) => known && withNewAttempt(known, answerId, attemptId),
        )
      } catch (error) {
        showToast(toFailure(error).message, 'failed')
        // It may have been retried, or deleted, elsewhere.
        void utils.chats.get.invalidate({ id: chatId })
      } finally {
        setRetryingId(null)
      }
    },
    [retryAsync, chatId, chatModel, utils],
  )

  const { mutateAsync: stopAsync } = trpc.chats.stop.useMutation()
  const stop = useCallback(async () => {
    if (runningId === null) return
    setStoppingId(runningId)
    if (directAnswer(runningId)?.stop()) return
    try {
      await stopAsync({ answerId: runningId })
    } catch (error) {
      setStoppingId(null)
      showToast(toFailure(error).message, 'failed')
    }
  }, [stopAsync, runningId])

  const change = useCallback(
    async (next: Partial<Chat>, save: () => Promise<unknown>) => {
      const before = utils.chats.get.getData({ id: chatId })
      utils.chats.get.setData({ id: chatId }, (known) => known && { ...known, ...next })
      try {
        await save()
      } catch (error) {
        utils.chats.get.setData({ id: chatId }, before)
        showToast(toFailure(error).message, 'failed')
      }
    },
    [chatId, utils],
  )
  const { mutateAsync: setScopeAsync } = trpc.chats.setScope.useMutation()
  const setScope = useCallback(
    ({ collectionIds, documentId }: Scope) =>
      change({ collectionIds: [...collectionIds], documentId }, () =>
        setScopeAsync({
          id: chatId,
          collectionIds: [...collectionIds],
          ...(documentId !== null && { documentId }),
        }),
      ),
    [change, setScopeAsync, chatId],
  )
  const { mutateAsync: setModelAsync } = trpc.chats.setModel.useMutation()
  const setModel = useCallback(
    (model: string) => change({ model }, () => setModelAsync({ id: chatId, model })),
    [change, setModelAsync, chatId],
  )

  return {
    ask,
    retry,
    stop,
    setScope,
    setModel,
    /** A question that is on its way. */
    pending,
    /** Why the last question was not taken. */
    failure,
    clearFailure: useCallback(() => setFailure(null), []),
    retryingId,
    runningId,
    stopping: stoppingId !== null && stoppingId === runningId,
  }
}
