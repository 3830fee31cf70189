import { useQueryClient } from '@tanstack/react-query'
import { getQueryKey } from '@trpc/react-query'
import { useEffect } from 'react'
import { reportReachable } from '../../lib/connection.ts'
import { notePosition } from '../../lib/position.ts'
import { type Outputs, trpc } from '../../lib/trpc.ts'
import { keepSubscribed } from './keep-subscribed.ts'
import { browserStage, followTogether } from './one-of-many.ts'
import { fetchEverythingAgain, patchDocument } from './patch.ts'

type LiveEvent = Outputs['events']['watch'] extends AsyncIterable<infer Event> ? Event : never

const POLL_MS = 5_000
/** Counts in lists may lag a little; a thousand files make thousands of events. */
const COUNTS_MS = 1_500

const after = (ms: number, work: () => void) => {
  const timer = setTimeout(work, ms)
  return () => clearTimeout(timer)
}

/** Keeps what is cached true while the page is open. Stands once in the shell; draws nothing. */
export function LiveUpdates({ userId }: { userId: string }) {
  const cache = useQueryClient()
  const utils = trpc.useUtils()

  useEffect(() => {
    const stale = (queryKey: readonly unknown[]) => void cache.invalidateQueries({ queryKey })
    const refresh = () => fetchEverythingAgain(cache)
    let countsSoon: (() => void) | null = null
    const onEvent = (event: LiveEvent) => {
      notePosition(event.seen)
      if (event.type === 'document') {
        patchDocument(cache, event)
        countsSoon ??= after(COUNTS_MS, () => {
          countsSoon = null
          stale(getQueryKey(trpc.collections.list))
          stale(getQueryKey(trpc.collections.get))
        })
      } else if (event.type === 'chat') {
        stale(getQueryKey(trpc.chats.list))
        stale(getQueryKey(trpc.chats.get, { id: event.chatId }, 'query'))
      } else refresh()
    }
    const subscribe = (share: (event: LiveEvent) => void) =>
      keepSubscribed({
        after,
        start: ({ onLife, onEnd }) => {
          const subscription = utils.client.events.watch.subscribe(undefined, {
            onData: (event) => {
              onLife()
              reportReachable(true)
              share(event)
            },
            onError: onEnd,
            onComplete: onEnd,
          })
          return () => subscription.unsubscribe()
        },
        // An EventSource does not tell why it was refused. Asking who we are does, and the cache's own listeners
        // (lib/query-client.ts) draw the conclusions.
        mayGoOn: () =>
          utils.people.me.fetch(undefined, { staleTime: 0, retry: false }).then(
            (me) => me?.id === userId,
            () => true,
          ),
      })
    // The name carries the person: tabs of someone who signed in later must not hear this one's news.
    const stage = browserStage<LiveEvent>(`terrace-events-${userId}`)
    const leave = stage === null ? poll(refresh) : followTogether({ stage, subscribe, onEvent })
    return () => {
      countsSoon?.()
      leave()
    }
  }, [cache, utils, userId])
  return null
}

/** Where tabs can not agree on one stream, each looks now and then while it is looked at. */
function poll(refresh: () => void): () => void {
  const timer = setInterval(() => {
    if (document.visibilityState === 'visible') refresh()
  }, POLL_MS)
  return () => clearInterval(timer)
}
