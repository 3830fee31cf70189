import { Search } from 'lucide-react'
import { type ReactNode, useCallback, useState } from 'react'
import { Button } from '../../components/ui/button.tsx'
import { EmptyState } from '../../components/ui/empty-state.tsx'
import { ErrorState } from '../../components/ui/error-state.tsx'
import { Input } from '../../components/ui/input.tsx'
import { SkeletonRows } from '../../components/ui/skeleton.tsx'
import { toFailure } from '../../lib/errors.ts'
import { t } from '../../lib/t.ts'
import { trpc } from '../../lib/trpc.ts'
import { useDebounced } from '../../lib/use-debounced.ts'
import { DeleteDocumentDialog, RenameDocumentDialog } from './document-dialogs.tsx'
import { DocumentRow } from './document-row.tsx'
import type { DocumentItem } from './stage.ts'

const PAGE = 50
/** Below this a search field only takes room. */
const SEARCH_FROM = 6

interface Props {
  collectionId: string
  /** Shown in place of a list that has nothing in it. */
  empty: ReactNode
}

/** A collection's documents, newest first; kept current by the events (features/live). */
export function DocumentList({ collectionId, empty }: Props) {
  const [typed, setTyped] = useState('')
  const search = useDebounced(typed.trim())
  const documents = trpc.documents.list.useInfiniteQuery(
    { collectionId, limit: PAGE, ...(search !== '' && { search }) },
    { getNextPageParam: (page) => page.nextCursor ?? undefined, placeholderData: (previous) => previous },
  )
  const [renaming, setRenaming] = useState<DocumentItem | null>(null)
  const [deleting, setDeleting] = useState<DocumentItem | null>(null)
  const onRename = useCallback((document: DocumentItem) => setRenaming(document), [])
  const onDelete = useCallback((document: DocumentItem) => setDeleting(document), [])

  if (documents.data === undefined) {
    if (documents.error === null) return <SkeletonRows label={t('documents.loading')} />
    return (
      <ErrorState
        title={t('documents.failed')}
        message={toFailure(documents.error).message}
        onRetry={() => void documents.refetch()}
      />
    )
  }
  const items = documents.data.pages.flatMap((page) => page.items)
  if (items.length === 0 && search === '' && typed === '') return empty
  return (
    <section aria-label={t('documents.title')} className="flex flex-col gap-3">
      {(typed !== '' || items.length >= SEARCH_FROM) && (
        <div className="relative max-w-sm">
          <Search aria-hidden className="absolute top-3 left-3 size-4 text-ink-soft" />
          <Input
            type="search"
            aria-label={t('documents.search')}
            placeholder={t('documents.search')}
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
            className="pl-9"
          />
        </div>
      )}
      {items.length === 0 ? (
        <EmptyState
          title={t('documents.none', { search })}
          actions={<Button onClick={() => setTyped('')}>{t('documents.clear')}</Button>}
        >
          {t('documents.noneHint')}
        </EmptyState>
      ) : (
        <ul className="divide-y divide-line rounded-2xl border border-line bg-surface shadow-soft">
          {items.map((document) => (
            <DocumentRow key={document.id} document={document} onRename={onRename} onDelete={onDelete} />
          ))}
        </ul>
      )}
      {documents.hasNextPage && (
        <Button
          busy={documents.isFetchingNextPage}
          className="self-center"
          onClick={() => void documents.fetchNextPage()}
        >
          {t('documents.more')}
        </Button>
      )}
      <RenameDocumentDialog document={renaming} onClose={() => setRenaming(null)} />
      <DeleteDocumentDialog document={deleting} onClose={() => setDeleting(null)} />
    </section>
  )
}
