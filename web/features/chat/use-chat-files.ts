import { useMemo } from 'react'
import { trpc } from '../../lib/trpc.ts'

/** The documents of a chat's own collection. An infinite query, since that is what live events keep up to date. */
export function useChatFiles(collectionId: string | null) {
  const documents = trpc.documents.list.useInfiniteQuery(
    { collectionId: collectionId ?? '', limit: 100 },
    { enabled: collectionId !== null, getNextPageParam: (page) => page.nextCursor ?? undefined },
  )
  return useMemo(() => documents.data?.pages.flatMap((page) => page.items) ?? [], [documents.data])
}
