import { ArrowLeft, FileText } from 'lucide-react'
import { useDeferredValue, useState } from 'react'
import { Input } from '../../components/ui/input.tsx'
import { toFailure } from '../../lib/errors.ts'
import { t } from '../../lib/t.ts'
import { trpc } from '../../lib/trpc.ts'

/** One collection opened in the scope picker: choose one of its documents. */
export function ScopeDocuments({
  collection,
  chosen,
  onBack,
  onChoose,
}: {
  collection: { readonly id: string; readonly name: string }
  chosen: string | null
  onBack: () => void
  onChoose: (documentId: string) => void
}) {
  const [filter, setFilter] = useState('')
  const search = useDeferredValue(filter.trim())
  const documents = trpc.documents.list.useInfiniteQuery(
    { collectionId: collection.id, limit: 50, ...(search !== '' && { search }) },
    { getNextPageParam: (page) => page.nextCursor ?? undefined },
  )
  const items = documents.data?.pages.flatMap((page) => page.items) ?? []
  return (
    <>
      <div className="flex items-center gap-1 px-2 pt-2 pb-1">
        <button
          type="button"
          aria-label={t('chat.scopeBack')}
          onClick={onBack}
          className="rounded-lg p-2 text-ink-soft hover:bg-hover hover:text-ink"
        >
          <ArrowLeft className="size-4" />
        </button>
        <h2 className="min-w-0 truncate text-sm font-semibold">
          {t('chat.scopeDocumentsOf', { name: collection.name })}
        </h2>
      </div>
      <div className="px-3 pb-2">
        <Input
          type="search"
          autoFocus
          value={filter}
          onChange={(event) => setFilter(event.target.value)}
          aria-label={t('chat.scopeFilterDocuments')}
          placeholder={t('chat.scopeFilterDocuments')}
        />
      </div>
      <ul className="max-h-72 min-h-0 flex-1 overflow-y-auto px-2 pb-2">
        {items.map((item) => (
          <li key={item.id}>
            <button
              type="button"
              disabled={!item.searchable}
              aria-pressed={item.id === chosen}
              onClick={() => onChoose(item.id)}
              className="flex min-h-10 w-full items-center gap-3 rounded-lg px-2 py-1.5 text-left text-sm hover:bg-hover disabled:opacity-55 aria-pressed:bg-accent-soft"
            >
              <FileText aria-hidden className="size-4 shrink-0 text-ink-soft" />
              <span className="min-w-0 flex-1 truncate">{item.name}</span>
              {!item.searchable && <span className="text-xs text-ink-soft">{t('chat.notSearchable')}</span>}
            </button>
          </li>
        ))}
        {documents.hasNextPage && (
          <li>
            <button
              type="button"
              disabled={documents.isFetchingNextPage}
              onClick={() => void documents.fetchNextPage()}
              className="w-full rounded-lg px-2 py-2 text-left text-sm text-ink-soft hover:bg-hover"
            >
              {t('chat.scopeMoreDocuments')}
            </button>
          </li>
        )}
        {documents.isError && (
          <li className="px-2 py-3 text-sm text-danger">{toFailure(documents.error).message}</li>
        )}
        {documents.isSuccess && items.length === 0 && (
          <li className="px-2 py-3 text-sm text-ink-soft">
            {search === '' ? t('chat.scopeEmptyCollection') : t('chat.scopeNoDocuments')}
          </li>
        )}
      </ul>
    </>
  )
}
