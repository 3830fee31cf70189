// What is said under an answer: how it ended, and what may be missing in it.
import type { ReactNode } from 'react'
import { cx } from '../../lib/cx.ts'
import { t } from '../../lib/t.ts'
import type { AnswerView } from './answer.ts'
import { errorWords } from './answer-status.tsx'

/** What may be missing in the answer. */
export function Caveats({ view }: { view: AnswerView }) {
  return (
    <>
      {view.wordsOnly !== null && <Notice tone="warn">{t('answer.wordsOnly')}</Notice>}
      {view.behind && <Notice tone="warn">{t('answer.behind')}</Notice>}
    </>
  )
}

export function Ending({ view }: { view: AnswerView }) {
  switch (view.state) {
    case 'stopped':
      return <Notice>{view.text === '' ? t('answer.stoppedEmpty') : t('answer.stopped')}</Notice>
    case 'interrupted':
      return (
        <Notice tone="warn">{view.error === null ? t('answer.interrupted') : errorWords(view.error)}</Notice>
      )
    case 'failed':
      return (
        <Notice tone="danger" code={view.error?.code}>
          <span className="font-medium">
            {view.text === '' ? t('answer.failed') : t('answer.unfinished')}
          </span>{' '}
          {errorWords(view.error)}
        </Notice>
      )
    default:
      return null
  }
}

export function Notice({
  tone = 'quiet',
  code,
  children,
}: {
  tone?: 'quiet' | 'warn' | 'danger'
  code?: string | undefined
  children: ReactNode
}) {
  return (
    <div
      className={cx(
        'mt-4 rounded-xl px-4 py-3 text-[0.9375rem]',
        tone === 'quiet' && 'bg-sunken text-ink-soft',
        tone === 'warn' && 'bg-warn-soft text-warn',
        tone === 'danger' && 'bg-danger-soft text-ink',
      )}
    >
      <p>{children}</p>
      {code !== undefined && (
        <p className="mt-1 font-mono text-xs text-ink-soft">{t('answer.code', { code })}</p>
      )}
    </div>
  )
}
