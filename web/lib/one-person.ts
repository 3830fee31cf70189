// A browser may be shared, and its tabs share one session: whoever signs in in one tab is who the others belong to.
// Nothing that was fetched for, or written by, the person before may be shown to the next.
import { hashKey, type QueryClient, useQueryClient } from '@tanstack/react-query'
import { getQueryKey } from '@trpc/react-query'
import { useLayoutEffect, useState } from 'react'
import { keepDraftsOf } from './drafts.ts'
import { trpc } from './trpc.ts'

/** Somebody's id; null: nobody is signed in; undefined: not known yet. */
type Who = string | null | undefined

/** What has to be done about what is here, before `now` may be shown anything. */
export function farewell(shown: Who, now: Who): 'nothing' | 'forget' | 'reload' {
  if (now === undefined || now === shown) return 'nothing'
  // Only a new page loses everything: state, uploads, and answers that are still on their way to this person's cache.
  if (now !== null && typeof shown === 'string') return 'reload'
  return now === null ? 'forget' : 'nothing'
}

/** Everything that was fetched, but not who is here: that has just been learned. */
export function forgetFetched(client: QueryClient): void {
  const me = hashKey(getQueryKey(trpc.people.me, undefined, 'query'))
  client.removeQueries({ predicate: ({ queryKey }) => hashKey(queryKey) !== me })
  client.getMutationCache().clear()
}

/** @returns whether pages may be shown: there is somebody, and nothing of anybody else is left */
export function useOnePerson(now: Who): boolean {
  const client = useQueryClient()
  const [shown, setShown] = useState<Who>(undefined)
  // Before anything is painted: a page that is come back to does not blink.
  useLayoutEffect(() => {
    if (now === undefined || now === shown) return
    keepDraftsOf(now)
    const todo = farewell(shown, now)
    if (todo === 'reload') window.location.reload()
    else {
      if (todo === 'forget') forgetFetched(client)
      setShown(now)
    }
  }, [client, now, shown])
  return typeof now === 'string' && now === shown
}
