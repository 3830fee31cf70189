// The search model and the passages that documents are split into: what is in use, what could be, and how far a build
// is. For owners.
import { PageColumn, PageHeader } from '../../components/layout/page-header.tsx'
import { EmptyState } from '../../components/ui/empty-state.tsx'
import { ErrorState } from '../../components/ui/error-state.tsx'
import { SkeletonRows } from '../../components/ui/skeleton.tsx'
import { toFailure } from '../../lib/errors.ts'
import { useViewer } from '../../lib/session.ts'
import { addSentences, t } from '../../lib/t.ts'
import { trpc } from '../../lib/trpc.ts'
import { searchModel } from '../../locales/en/search-model.ts'
import { ModelRow } from './model-row.tsx'
import { isUnderWay, rowsOf } from './rows.ts'

addSentences(searchModel)

const OFTEN_MS = 2_000
const SELDOM_MS = 30_000

export function SearchModelPage() {
  const viewer = useViewer()
  if (viewer !== null && viewer.role !== 'owner') {
    return (
      <PageColumn>
        <PageHeader title={t('searchModel.title')} />
        <EmptyState title={t('searchModel.ownersOnly')}>{t('searchModel.ownersOnlyHint')}</EmptyState>
      </PageColumn>
    )
  }
  return <OwnersPage />
}

function OwnersPage() {
  const overview = trpc.generations.list.useQuery(undefined, {
    refetchInterval: ({ state: { data } }) => (data !== undefined && isUnderWay(data) ? OFTEN_MS : SELDOM_MS),
  })
  const { data } = overview
  return (
    <PageColumn>
      <PageHeader title={t('searchModel.title')}>{t('searchModel.hint')}</PageHeader>
      {data === undefined ? (
        overview.error === null ? (
          <SkeletonRows rows={2} label={t('searchModel.loading')} />
        ) : (
          <ErrorState
            title={t('page.failed')}
            message={toFailure(overview.error).message}
            onRetry={() => void overview.refetch()}
          />
        )
      ) : (
        <>
          {!data.generations.some(({ state }) => state === 'active') && (
            <EmptyState title={t('searchModel.none')}>{t('searchModel.noneHint')}</EmptyState>
          )}
          <ul className="flex flex-col gap-3">
            {rowsOf(data).map((row) => (
              <ModelRow key={row.key} row={row} overview={data} />
            ))}
          </ul>
          <p className="text-sm text-ink-soft">{t('searchModel.more')}</p>
        </>
      )}
    </PageColumn>
  )
}
