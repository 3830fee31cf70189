// What one event changes in the cached lists: patched in place, so that progress needs no request.
import type { InfiniteData, QueryClient } from '@tanstack/react-query'
import { getQueryKey } from '@trpc/react-query'
import { type Outputs, trpc } from '../../lib/trpc.ts'

type Page = Outputs['documents']['list']
type Item = Page['items'][number]
type Detail = Outputs['documents']['get']

interface DocumentEvent {
  collectionId: string
  documentId: string
  /** Null: deleted. */
  item: Item | null
}

/** The list's part of an input, as the query key holds it. */
interface ListKey {
  input?: { collectionId?: string; search?: string }
}

/** Rights changed, or news were missed: all that shows documents' texts or chats is asked for again. */
export function fetchEverythingAgain(client: QueryClient): void {
  for (const noun of [trpc.collections, trpc.documents, trpc.chats, trpc.search])
    void client.invalidateQueries({ queryKey: getQueryKey(noun) })
}

export function patchDocument(client: QueryClient, { collectionId, documentId, item }: DocumentEvent): void {
  for (const [key, data] of client.getQueriesData<InfiniteData<Page>>({
    queryKey: getQueryKey(trpc.documents.list),
  })) {
    const input = (key[1] as ListKey | undefined)?.input
    if (input?.collectionId !== collectionId) continue
    fetchAgainIfOnItsWay(client, key)
    if (data === undefined) continue
    const patched = patchList(data, documentId, item, input.search === undefined)
    if (patched !== data) client.setQueryData(key, patched)
  }
  const detailKey = getQueryKey(trpc.documents.get, { id: documentId }, 'query')
  fetchAgainIfOnItsWay(client, detailKey)
  if (item === null) {
    void client.invalidateQueries({ queryKey: detailKey })
    // Its passages stand in what was found, too.
    void client.invalidateQueries({ queryKey: getQueryKey(trpc.search) })
  } else client.setQueryData<Detail>(detailKey, (old) => (old === undefined ? old : patchDetail(old, item)))
}

/** An answer that is on its way may have been read before this event and would undo it for good. */
function fetchAgainIfOnItsWay(client: QueryClient, queryKey: readonly unknown[]): void {
  if (client.getQueryState(queryKey)?.fetchStatus !== 'fetching') return
  const filter = { queryKey, exact: true }
  // Cancelled first: a list's very first fetch is not begun again by invalidating it.
  void client.cancelQueries(filter).then(() => client.invalidateQueries(filter))
}

/** @param whole the list shows every document, so that one it lacks is new: the newest stands first. */
export function patchList(
  data: InfiniteData<Page>,
  documentId: string,
  item: Item | null,
  whole: boolean,
): InfiniteData<Page> {
  const known = data.pages.some((page) => page.items.some(({ id }) => id === documentId))
  if (known) {
    const pages = data.pages.map((page) => ({
      ...page,
      items: page.items.flatMap((each) => {
        if (each.id !== documentId) return [each]
        // An older state that was overtaken on its way must not undo a newer version.
        if (item !== null && item.version.number < each.version.number) return [each]
        return item === null ? [] : [item]
      }),
    }))
    return { ...data, pages }
  }
  const [first, ...rest] = data.pages
  const newest = first?.items[0]?.id ?? ''
  // Ids sort by time; an older document that is missing here stands on a page that was not fetched.
  if (item === null || first === undefined || !whole || item.id < newest) return data
  return { ...data, pages: [{ ...first, items: [item, ...first.items] }, ...rest] }
}

function patchDetail(old: Detail, item: Item): Detail {
  const others = old.versions.filter(({ id }) => id !== item.version.id)
  return { ...old, ...item, versions: [item.version, ...others].sort((a, b) => b.number - a.number) }
}
