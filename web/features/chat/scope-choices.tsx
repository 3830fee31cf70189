import { Check, ChevronRight, FileText, X } from 'lucide-react'
import { useState } from 'react'
import { LIMITS } from '../../../contract/limits.ts'
import { Input } from '../../components/ui/input.tsx'
import { SkeletonRows } from '../../components/ui/skeleton.tsx'
import { cx } from '../../lib/cx.ts'
import { t } from '../../lib/t.ts'
import { type Scope, toggle } from './scope.ts'
import { ScopeDocuments } from './scope-documents.tsx'

interface CollectionRow {
  readonly id: string
  readonly name: string
  readonly documents: number
}

/** A list this long can be filtered. */
const FILTER_FROM = 8

/** What stands in the opened scope picker. */
export default function ScopeChoices({
  all,
  failure,
  scope,
  documentName,
  onScope,
  close,
}: {
  /** Undefined while they are on their way. */
  all: readonly CollectionRow[] | undefined
  failure: string | null
  scope: Scope
  documentName: string | null
  onScope: (scope: Scope) => void
  close: () => void
}) {
  const [inside, setInside] = useState<CollectionRow | null>(null)
  if (failure !== null) return <p className="p-4 text-sm text-danger">{failure}</p>
  if (all === undefined) {
    return (
      <div className="p-3">
        <SkeletonRows rows={2} label={t('chat.loading')} />
      </div>
    )
  }
  if (inside !== null) {
    return (
      <ScopeDocuments
        collection={inside}
        chosen={scope.documentId}
        onBack={() => setInside(null)}
        onChoose={(documentId) => {
          onScope({ collectionIds: [inside.id], documentId })
          close()
        }}
      />
    )
  }
  return (
    <Collections
      all={all}
      scope={scope}
      documentName={documentName}
      onToggle={(id) => onScope({ collectionIds: toggle(scope.collectionIds, id), documentId: null })}
      onAll={(ids) => onScope({ collectionIds: ids.slice(0, LIMITS.collectionsPerChat), documentId: null })}
      onOpen={setInside}
      onClearDocument={() => onScope({ ...scope, documentId: null })}
    />
  )
}

function Collections({
  all,
  scope,
  onToggle,
  onAll,
  onOpen,
  onClearDocument,
  documentName,
}: {
  all: readonly CollectionRow[]
  scope: Scope
  onToggle: (id: string) => void
  onAll: (ids: string[]) => void
  onOpen: (collection: CollectionRow) => void
  onClearDocument: () => void
  documentName: string | null
}) {
  const [filter, setFilter] = useState('')
  const shown = all.filter((collection) =>
    collection.name.toLowerCase().includes(filter.trim().toLowerCase()),
  )
  const everything = all.every((collection) => scope.collectionIds.includes(collection.id))
  if (all.length === 0) return <p className="p-4 text-sm text-ink-soft">{t('chat.scopeNoCollections')}</p>
  return (
    <>
      <div className="flex items-start justify-between gap-2 px-4 pt-3 pb-2">
        <div>
          <h2 className="text-sm font-semibold">{t('chat.scopeChoose')}</h2>
          <p className="text-xs text-ink-soft">{t('chat.scopeChooseHint')}</p>
        </div>
        {all.length > 1 && documentName === null && (
          <button
            type="button"
            aria-pressed={everything}
            onClick={() => onAll(everything ? [] : all.map((collection) => collection.id))}
            className="rounded-md px-2 py-1 text-sm font-medium text-accent hover:bg-hover"
          >
            {t('chat.scopeAllToggle')}
          </button>
        )}
      </div>
      {documentName !== null && (
        <div className="mx-2 mb-1 flex items-center gap-2 rounded-lg bg-accent-soft px-2.5 py-2 text-sm text-accent">
          <FileText aria-hidden className="size-4 shrink-0" />
          <span className="min-w-0 flex-1 truncate">{documentName}</span>
          <button
            type="button"
            aria-label={t('chat.scopeClear')}
            title={t('chat.scopeClear')}
            onClick={onClearDocument}
            className="rounded p-0.5 hover:bg-surface"
          >
            <X className="size-4" />
          </button>
        </div>
      )}
      {all.length >= FILTER_FROM && (
        <div className="px-3 pb-2">
          <Input
            type="search"
            value={filter}
            onChange={(event) => setFilter(event.target.value)}
            aria-label={t('chat.scopeFilter')}
            placeholder={t('chat.scopeFilter')}
          />
        </div>
      )}
      <ul className="max-h-72 min-h-0 flex-1 overflow-y-auto px-2 pb-2">
        {shown.map((collection) => {
          const isChosen = documentName === null && scope.collectionIds.includes(collection.id)
          return (
            <li key={collection.id} className="flex items-center">
              <label className="flex min-h-10 min-w-0 flex-1 cursor-pointer items-center gap-3 rounded-lg px-2 py-1.5 hover:bg-hover has-focus-visible:outline-2 has-focus-visible:outline-accent">
                <input
                  type="checkbox"
                  className="peer sr-only"
                  checked={isChosen}
                  onChange={() => onToggle(collection.id)}
                />
                <span
                  aria-hidden
                  className={cx(
                    'flex size-4 shrink-0 items-center justify-center rounded border',
                    isChosen ? 'border-accent bg-accent text-on-accent' : 'border-line-strong',
                  )}
                >
                  {isChosen && <Check className="size-3" strokeWidth={3} />}
                </span>
                <span className="min-w-0 flex-1">
                  <span className="block truncate text-sm">{collection.name}</span>
                  <span className="block text-xs text-ink-soft">
                    {t('chat.scopeDocuments', { count: collection.documents })}
                  </span>
                </span>
              </label>
              <button
                type="button"
                aria-label={t('chat.scopeOpen', { name: collection.name })}
                title={t('chat.scopeOpen', { name: collection.name })}
                onClick={() => onOpen(collection)}
                className="rounded-lg p-2.5 text-ink-soft hover:bg-hover hover:text-ink"
              >
                <ChevronRight className="size-4" />
              </button>
            </li>
          )
        })}
        {shown.length === 0 && <li className="px-2 py-3 text-sm text-ink-soft">{t('chat.scopeEmpty')}</li>}
      </ul>
    </>
  )
}
