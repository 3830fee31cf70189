// The test bench of a collection: a question by each method, which passage is right, and all golden questions asked again.
// What was asked stands in the address.
import { ArrowLeft } from 'lucide-react'
import Link from 'next/link'
import { useRouter } from 'next/router'
import { PageColumn, PageHeader } from '../../components/layout/page-header.tsx'
import { ErrorState } from '../../components/ui/error-state.tsx'
import { SkeletonRows } from '../../components/ui/skeleton.tsx'
import { toFailure } from '../../lib/errors.ts'
import { addSentences, t } from '../../lib/t.ts'
import { trpc } from '../../lib/trpc.ts'
import { collections } from '../../locales/en/collections.ts'
import { testBench } from '../../locales/en/test-bench.ts'
import { SearchForm } from '../search/search-form.tsx'
import { Comparison } from './comparison.tsx'
import { GoldenList } from './golden-list.tsx'

addSentences({ ...collections, ...testBench })

export function TestBenchPage({ id }: { id: string }) {
  const router = useRouter()
  const query = typeof router.query.q === 'string' ? router.query.q.trim() : ''
  const collection = trpc.collections.get.useQuery({ id })
  const questions = trpc.goldenQuestions.list.useQuery({ collectionId: id })
  const ask = (question: string) =>
    void router.push({ pathname: `/collections/${id}/test-bench`, query: { q: question } })
  const failure = collection.error ?? questions.error
  const mayChange = collection.data !== undefined && collection.data.role !== 'viewer'
  return (
    <PageColumn>
      <PageHeader
        title={t('testBench.title')}
        above={
          <Link
            href={`/collections/${id}`}
            className="inline-flex items-center gap-1.5 self-start text-sm text-ink-soft hover:text-ink"
          >
            <ArrowLeft aria-hidden className="size-4" />
            {t('testBench.back', { name: collection.data?.name ?? '…' })}
          </Link>
        }
      >
        {t('testBench.hint')}
      </PageHeader>
      {failure !== null ? (
        <ErrorState
          title={t('page.failed')}
          message={toFailure(failure).message}
          onRetry={() => void Promise.all([collection.refetch(), questions.refetch()])}
        />
      ) : questions.data === undefined || collection.data === undefined ? (
        <SkeletonRows rows={3} label={t('collection.loading')} />
      ) : (
        <>
          <search>
            <SearchForm
              key={query}
              query={query}
              label={t('testBench.label')}
              placeholder={t('testBench.placeholder')}
              busy={false}
              onSearch={ask}
            />
          </search>
          {query !== '' && (
            <Comparison
              key={query}
              collectionId={id}
              query={query}
              golden={questions.data.find(({ text }) => text === query)}
              mayMark={mayChange}
            />
          )}
          <GoldenList collectionId={id} questions={questions.data} mayChange={mayChange} onAsk={ask} />
        </>
      )}
    </PageColumn>
  )
}
