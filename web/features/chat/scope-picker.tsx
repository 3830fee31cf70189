// Chooses what to ask: any number of collections, or one document of one of them.
import { FileText, Library } from 'lucide-react'
import { lazy, Suspense } from 'react'
import { Popover } from '../../components/ui/popover.tsx'
import { cx } from '../../lib/cx.ts'
import { toFailure } from '../../lib/errors.ts'
import { t } from '../../lib/t.ts'
import { trpc } from '../../lib/trpc.ts'
import { type Scope, scopeWords } from './scope.ts'

const ScopeChoices = lazy(() => import('./scope-choices.tsx'))

interface Props {
  scope: Scope
  onScope: (scope: Scope) => void
  /** Files that the chat has of its own: they are always asked. */
  files: number
  className?: string
}

export function ScopePicker({ scope, onScope, files, className }: Props) {
  const collections = trpc.collections.list.useQuery()
  const document = trpc.documents.get.useQuery(
    { id: scope.documentId ?? '' },
    { enabled: scope.documentId !== null },
  )
  const documentName = scope.documentId === null ? null : (document.data?.name ?? '…')
  const words = scopeWords(scope, collections.data ?? [], documentName, files)
  const Icon = scope.documentId === null ? Library : FileText
  return (
    <Popover
      role="dialog"
      label={t('chat.scopeChoose')}
      className="w-[min(22rem,calc(100vw-1rem))] [&:popover-open]:flex [&:popover-open]:flex-col"
      trigger={
        <button
          type="button"
          aria-label={`${t('chat.scope')}: ${words}`}
          className={cx(
            'inline-flex h-8 min-w-0 items-center gap-1.5 rounded-lg px-2 text-sm text-ink-soft transition-colors',
            'hover:bg-hover hover:text-ink data-[state=open]:bg-hover data-[state=open]:text-ink',
            className,
          )}
        >
          <Icon aria-hidden className="size-4 shrink-0" />
          <span className="truncate">{collections.isPending ? t('chat.scope') : words}</span>
        </button>
      }
    >
      {(close) => (
        <Suspense fallback={null}>
          <ScopeChoices
            all={collections.data}
            failure={collections.isError ? toFailure(collections.error).message : null}
            scope={scope}
            documentName={documentName}
            onScope={onScope}
            close={close}
          />
        </Suspense>
      )}
    </Popover>
  )
}
