// One question, asked by each method, and which of the passages is right.
import { SearchX } from 'lucide-react'
import { useState } from 'react'
import { Button } from '../../components/ui/button.tsx'
import { EmptyState } from '../../components/ui/empty-state.tsx'
import { ErrorState } from '../../components/ui/error-state.tsx'
import { SkeletonRows } from '../../components/ui/skeleton.tsx'
import { showToast } from '../../components/ui/toast.tsx'
import { toFailure } from '../../lib/errors.ts'
import { t } from '../../lib/t.ts'
import { type Outputs, trpc } from '../../lib/trpc.ts'
import { BenchCaveat } from './bench-caveat.tsx'
import { compare, type Hit, METHODS } from './compare.ts'
import { ComparedPassage } from './compared-passage.tsx'

type Question = Outputs['goldenQuestions']['list'][number]

/** Passages of each method. */
export const DEPTH = 20
/** Shown at first, so that the golden questions below stay in reach. */
const FIRST = 8

interface Props {
  collectionId: string
  query: string
  /** The golden question of these words, if it is one. */
  golden: Question | undefined
  mayMark: boolean
}

export function Comparison({ collectionId, query, golden, mayMark }: Props) {
  const utils = trpc.useUtils()
  const [all, setAll] = useState(false)
  const [fused, words, meaning] = [
    useFound(collectionId, query, 'fused'),
    useFound(collectionId, query, 'words'),
    useFound(collectionId, query, 'meaning'),
  ]
  const settled = {
    onSettled: () => utils.goldenQuestions.list.invalidate({ collectionId }),
    onError: (error: unknown) => showToast(toFailure(error).message, 'failed'),
  }
  const add = trpc.goldenQuestions.add.useMutation({
    ...settled,
    onSuccess: () => showToast(t('testBench.marked')),
  })
  const take = trpc.goldenQuestions.removeAnswer.useMutation(settled)
  const mark = (hit: Hit, right: boolean) => {
    if (right) add.mutate({ collectionId, question: query, passageId: hit.passageId })
    else if (golden !== undefined) take.mutate({ collectionId, id: golden.id, documentId: hit.documentId })
  }

  const failure = fused.error ?? words.error
  if (failure !== null) {
    return (
      <ErrorState
        title={t('search.failed')}
        message={toFailure(failure).message}
        onRetry={() => void Promise.all([fused.refetch(), words.refetch(), meaning.refetch()])}
      />
    )
  }
  // By meaning alone there is nothing to be had without a model: that is said, and no reason to show nothing.
  if (fused.data === undefined || words.data === undefined || meaning.isPending)
    return <SkeletonRows rows={4} label={t('testBench.asking')} />
  const rows = compare({
    fused: fused.data.passages,
    words: words.data.passages,
    meaning: meaning.data?.passages ?? [],
  })
  const right = new Set(golden?.answers.map(({ documentId }) => documentId))
  return (
    <section aria-label={t('testBench.title')} className="flex flex-col gap-3">
      <BenchCaveat
        away={[fused.data, words.data].some(({ wordsOnly }) => wordsOnly === 'engine-away')}
        noMeaning={meaning.error !== null}
      />
      <p role="status" className="text-sm text-ink-soft">
        {t('testBench.found', { count: rows.length })}
      </p>
      {rows.length === 0 ? (
        <EmptyState icon={<SearchX className="size-6" />} title={t('testBench.nothing')} />
      ) : (
        <ol className="flex flex-col gap-3">
          {(all ? rows : rows.slice(0, FIRST)).map((passage) => (
            <li key={passage.hit.passageId}>
              <ComparedPassage
                passage={passage}
                query={query}
                methods={meaning.error === null ? METHODS : ['fused', 'words']}
                right={right.has(passage.hit.documentId)}
                onRight={mayMark ? (now) => mark(passage.hit, now) : null}
                busy={add.isPending || take.isPending}
              />
            </li>
          ))}
        </ol>
      )}
      {!all && rows.length > FIRST && (
        <Button className="self-start" onClick={() => setAll(true)}>
          {t('testBench.more', { count: rows.length - FIRST })}
        </Button>
      )}
    </section>
  )
}

function useFound(collectionId: string, query: string, method: 'fused' | 'words' | 'meaning') {
  return trpc.search.passages.useQuery(
    { query, method, limit: DEPTH, collectionIds: [collectionId] },
    { staleTime: 0, retry: method === 'meaning' ? false : 2 },
  )
}
