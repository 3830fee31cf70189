// The collection's golden questions, and what the search makes of them now.
import { Target, Trash2 } from 'lucide-react'
import Link from 'next/link'
import { Button } from '../../components/ui/button.tsx'
import { EmptyState } from '../../components/ui/empty-state.tsx'
import { IconButton } from '../../components/ui/icon-button.tsx'
import { showToast } from '../../components/ui/toast.tsx'
import { toFailure } from '../../lib/errors.ts'
import { t } from '../../lib/t.ts'
import { type Outputs, trpc } from '../../lib/trpc.ts'
import { documentAddress } from '../source/addresses.ts'
import { METHODS } from './compare.ts'
import { DEPTH } from './comparison.tsx'
import type { Checked } from './means.ts'
import { MeansTable } from './means-table.tsx'
import { useCheck } from './use-check.ts'

type Question = Outputs['goldenQuestions']['list'][number]

interface Props {
  collectionId: string
  questions: readonly Question[]
  mayChange: boolean
  onAsk: (question: string) => void
}

export function GoldenList({ collectionId, questions, mayChange, onAsk }: Props) {
  const check = useCheck(collectionId)
  const utils = trpc.useUtils()
  const remove = trpc.goldenQuestions.remove.useMutation({
    onSettled: () => utils.goldenQuestions.list.invalidate({ collectionId }),
    onError: (error) => showToast(toFailure(error).message, 'failed'),
  })
  const checked = questions.flatMap(({ id }) => check.results.get(id) ?? [])
  if (questions.length === 0) {
    return (
      <EmptyState icon={<Target className="size-6" />} title={t('testBench.none')}>
        {t(mayChange ? 'testBench.noneHint' : 'testBench.noneViewer')}
      </EmptyState>
    )
  }
  return (
    <section aria-labelledby="golden" className="flex flex-col gap-4">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <h2 id="golden" className="text-lg font-semibold">
          {t('testBench.questions')}
        </h2>
        {check.progress === null ? (
          <Button onClick={() => check.start(questions.map(({ id }) => id))}>{t('testBench.check')}</Button>
        ) : (
          <span className="flex items-center gap-3 text-sm text-ink-soft">
            <span role="status" className="tabular-nums">
              {t('testBench.checking', check.progress)}
            </span>
            <Button onClick={check.stop}>{t('testBench.stop')}</Button>
          </span>
        )}
      </div>
      {check.progress === null && (checked.length > 0 || check.failed > 0) && (
        <MeansTable checked={checked} failed={check.failed} collectionId={collectionId} />
      )}
      <ul className="divide-y divide-line rounded-xl border border-line bg-surface">
        {questions.map((question) => (
          <li key={question.id} className="flex items-start gap-2 px-4 py-3">
            <div className="flex min-w-0 flex-1 flex-col gap-1">
              <button
                type="button"
                onClick={() => onAsk(question.text)}
                className="text-left font-medium break-words hover:underline"
              >
                {question.text}
              </button>
              <Answers question={question} />
              <Ranks checked={check.results.get(question.id)} />
            </div>
            {mayChange && (
              <IconButton
                size="small"
                label={t('testBench.remove', { question: question.text })}
                icon={<Trash2 aria-hidden className="size-4" />}
                onClick={() => remove.mutate({ collectionId, id: question.id })}
              />
            )}
          </li>
        ))}
      </ul>
    </section>
  )
}

function Answers({ question: { answers } }: { question: Question }) {
  if (answers.length === 0) return <p className="text-sm text-warn">{t('testBench.unanswerable')}</p>
  return (
    <ul className="flex flex-wrap gap-x-3 text-sm text-ink-soft">
      {answers.map(
        ({ documentId, documentName, versionId, readingId, page, charStart: start, charEnd: end }) => (
          <li key={documentId} className="min-w-0">
            <Link
              href={documentAddress({ documentId, versionId, readingId, page, start, end })}
              className="break-words hover:underline"
            >
              {documentName}
            </Link>
          </li>
        ),
      )}
    </ul>
  )
}

function Ranks({ checked }: { checked: Checked | null | undefined }) {
  if (checked === undefined || checked === null) return null
  return (
    <dl className="flex flex-wrap gap-x-5 text-xs text-ink-soft">
      {METHODS.map((method) => {
        const by = checked[method]
        if (by === null) return null
        return (
          <div key={method} className="flex gap-1.5">
            <dt>{t(`search.${method}`)}</dt>
            <dd className="tabular-nums">
              {by.rank === null
                ? t('testBench.notFirst', { count: DEPTH })
                : t('testBench.rank', { rank: by.rank })}
            </dd>
          </div>
        )
      })}
    </dl>
  )
}
