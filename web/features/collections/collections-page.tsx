// Collections: the list, making one, and one with its documents and the people who share it.
// The documents' rows are features/documents, files on their way are features/uploads.
import { Library, Plus } from 'lucide-react'
import { useRouter } from 'next/router'
import { useState } from 'react'
import { PageColumn, PageHeader } from '../../components/layout/page-header.tsx'
import { Button } from '../../components/ui/button.tsx'
import { EmptyState } from '../../components/ui/empty-state.tsx'
import { ErrorState } from '../../components/ui/error-state.tsx'
import { SkeletonRows } from '../../components/ui/skeleton.tsx'
import { toFailure } from '../../lib/errors.ts'
import { addSentences, t } from '../../lib/t.ts'
import { trpc } from '../../lib/trpc.ts'
import { collections } from '../../locales/en/collections.ts'
import { CollectionCard } from './collection-card.tsx'
import { CreateCollectionDialog } from './collection-form.tsx'

addSentences(collections)

export function CollectionsPage() {
  const router = useRouter()
  const collections = trpc.collections.list.useQuery()
  const [creating, setCreating] = useState(false)
  const create = (
    <Button kind="primary" icon={<Plus aria-hidden className="size-4" />} onClick={() => setCreating(true)}>
      {t('collections.create')}
    </Button>
  )
  return (
    <PageColumn>
      <PageHeader title={t('collections.title')} actions={collections.data?.length ? create : null}>
        {t('collections.hint')}
      </PageHeader>
      {collections.data === undefined ? (
        collections.error === null ? (
          <SkeletonRows label={t('collections.loading')} />
        ) : (
          <ErrorState
            title={t('page.failed')}
            message={toFailure(collections.error).message}
            onRetry={() => void collections.refetch()}
          />
        )
      ) : collections.data.length === 0 ? (
        <EmptyState
          icon={<Library aria-hidden className="size-6" />}
          title={t('collections.empty')}
          actions={create}
        >
          {t('collections.emptyHint')}
        </EmptyState>
      ) : (
        <ul className="grid gap-3 sm:grid-cols-2">
          {collections.data.map((collection) => (
            <CollectionCard key={collection.id} collection={collection} />
          ))}
        </ul>
      )}
      <CreateCollectionDialog
        open={creating}
        onClose={() => setCreating(false)}
        onCreated={(id) => void router.push(`/collections/${id}`)}
      />
    </PageColumn>
  )
}
