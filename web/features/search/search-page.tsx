// The search room: passages for a query, with what their order rests on, opened at their place.
// No language model has a part in it.
// What was searched stands in the address, so that a search can be kept, shared and gone back to.
import { SearchX } from 'lucide-react'
import { useRouter } from 'next/router'
import { useCallback, useRef, useState } from 'react'
import { PageHeader } from '../../components/layout/page-header.tsx'
import { EmptyState } from '../../components/ui/empty-state.tsx'
import { ErrorState } from '../../components/ui/error-state.tsx'
import { SkeletonRows } from '../../components/ui/skeleton.tsx'
import { cx } from '../../lib/cx.ts'
import { toFailure } from '../../lib/errors.ts'
import { t } from '../../lib/t.ts'
import { type Outputs, trpc } from '../../lib/trpc.ts'
import type { Scope } from '../chat/scope.ts'
import { ScopePicker } from '../chat/scope-picker.tsx'
import type { OpenSource } from '../source/open-source.ts'
import SourcePane from '../source/source-pane.tsx'
import { PassageResult } from './passage-result.tsx'
import { searchAddress, searchOf } from './search-address.ts'
import { SearchCaveats } from './search-caveats.tsx'
import { SearchForm } from './search-form.tsx'

type Found = Outputs['search']['passages']
type Hit = Found['passages'][number]

const LIMIT = 20

export function SearchPage() {
  const router = useRouter()
  const asked = searchOf(router.query)
  const [opened, setOpened] = useState<Hit | null>(null)
  const opener = useRef<Element | null>(null)
  const results = trpc.search.passages.useQuery(
    {
      query: asked.query,
      limit: LIMIT,
      ...(asked.documentId !== null
        ? { documentId: asked.documentId }
        : asked.collectionIds !== null && { collectionIds: [...asked.collectionIds] }),
    },
    { enabled: asked.query !== '', staleTime: 0, placeholderData: (before) => before },
  )
  const collections = trpc.collections.list.useQuery()
  const scope: Scope = {
    collectionIds: asked.collectionIds ?? (collections.data ?? []).map((collection) => collection.id),
    documentId: asked.documentId,
  }

  const go = (query: string, next: Scope | null) => {
    setOpened(null)
    const everything =
      next === null || (next.documentId === null && next.collectionIds.length === collections.data?.length)
    void router.push(searchAddress(query, everything ? null : next), undefined, { shallow: true })
  }
  const close = useCallback(() => {
    setOpened(null)
    if (opener.current instanceof HTMLElement && opener.current.isConnected) opener.current.focus()
  }, [])
  const current = asked.documentId === null && asked.collectionIds === null ? null : scope

  return (
    <div className="flex h-full min-h-0">
      <div className="min-w-0 flex-1 overflow-y-auto">
        <div className="mx-auto flex max-w-3xl flex-col gap-5 px-4 py-6 sm:px-8 sm:py-8">
          <PageHeader title={t('search.title')}>{t('search.hint')}</PageHeader>
          <search>
            <SearchForm
              // Going back and forth in the browser changes the words too.
              key={asked.query}
              query={asked.query}
              label={t('search.label')}
              placeholder={t('search.placeholder')}
              busy={results.isFetching}
              onSearch={(query) => go(query, current)}
            />
          </search>
          <div className="-mt-2">
            <ScopePicker scope={scope} files={0} onScope={(next) => go(asked.query, next)} />
          </div>
          {asked.query !== '' && (
            <Results
              found={results.data}
              isOld={results.isFetching}
              failure={results.isError ? toFailure(results.error).message : null}
              onRetry={() => void results.refetch()}
              query={asked.query}
              opened={opened}
              onOpen={(hit) => {
                opener.current = document.activeElement
                setOpened((now) => (now?.passageId === hit.passageId ? null : hit))
              }}
            />
          )}
        </div>
      </div>
      {opened !== null && <SourcePane source={sourceOf(opened)} onClose={close} />}
    </div>
  )
}

function Results({
  found,
  isOld,
  failure,
  onRetry,
  query,
  opened,
  onOpen,
}: {
  /** Undefined while there is nothing to show yet. */
  found: Found | undefined
  /** Another search is on its way; these are the last one's. */
  isOld: boolean
  failure: string | null
  onRetry: () => void
  query: string
  opened: Hit | null
  onOpen: (hit: Hit) => void
}) {
  if (failure !== null) {
    return <ErrorState title={t('search.failed')} message={failure} onRetry={onRetry} />
  }
  if (found === undefined) return <SkeletonRows rows={4} label={t('search.loading')} />
  const { passages, searchedCollections } = found
  return (
    <section aria-label={t('search.title')} aria-busy={isOld} className="flex flex-col gap-3">
      <SearchCaveats found={found} />
      <p role="status" className="text-sm text-ink-soft">
        {t('search.results', { count: passages.length })}{' '}
        {t('search.resultsIn', { count: searchedCollections })}
      </p>
      {passages.length === 0 ? (
        <EmptyState icon={<SearchX className="size-6" />} title={t('search.nothing')}>
          {t('search.nothingHint')}
        </EmptyState>
      ) : (
        <ol className={cx('flex flex-col gap-3 transition-opacity', isOld && 'opacity-60')}>
          {passages.map((hit, n) => (
            <li key={hit.passageId}>
              <PassageResult
                hit={hit}
                rank={n + 1}
                query={query}
                bestWords={Math.max(...passages.map((passage) => passage.words))}
                bestScore={passages[0]?.score ?? 0}
                isOpen={opened?.passageId === hit.passageId}
                onOpen={() => onOpen(hit)}
              />
            </li>
          ))}
        </ol>
      )}
    </section>
  )
}

function sourceOf(hit: Hit): OpenSource {
  const { documentId, documentName, versionId, readingId, page, charStart, charEnd, heading } = hit
  return {
    documentId,
    documentName,
    versionId,
    readingId,
    page,
    start: charStart,
    end: charEnd,
    heading,
    available: true,
  }
}
