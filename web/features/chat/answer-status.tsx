import { failureFromBody } from '../../lib/errors.ts'
import { t } from '../../lib/t.ts'
import { type AnswerError, type AnswerView, hasEnded } from './answer.ts'
import type { Connection } from './watch-answer.ts'

/** What is happening before the first token, in words. */
export function statusWords(view: AnswerView): string {
  switch (view.state) {
    case 'waiting':
      return t('answer.waiting')
    case 'searching':
      return view.query === null ? t('answer.searching') : t('answer.searchingFor', { query: view.query })
    case 'reading':
      return view.passages === null ? t('answer.readingSome') : t('answer.reading', { count: view.passages })
    default:
      return t('answer.writing')
  }
}

/** What a screen reader is told: each state once, never each token. */
export function heardWords(view: AnswerView): string {
  if (!hasEnded(view.state)) return statusWords(view)
  if (view.state === 'stopped') return view.text === '' ? t('answer.stoppedEmpty') : t('answer.stopped')
  if (view.state === 'interrupted') return t('answer.interrupted')
  if (view.state === 'failed') return `${t('answer.failed')} ${errorWords(view.error)}`
  const count = view.citations.length
  return count === 0 ? t('answer.doneNoSources') : t('answer.done', { count })
}

export function errorWords(error: AnswerError | null): string {
  if (error === null) return ''
  return failureFromBody(error)?.message ?? error.message
}

export function AnswerStatus({ view, connection }: { view: AnswerView; connection: Connection }) {
  return (
    <div aria-hidden className="text-[0.9375rem] text-ink-soft">
      {!hasEnded(view.state) && view.text === '' && (
        <p data-answer-status className="flex animate-appear items-center gap-2.5">
          <span className="relative flex size-2">
            <span className="absolute size-2 animate-ping rounded-full bg-accent/60 motion-reduce:hidden" />
            <span className="size-2 rounded-full bg-accent" />
          </span>
          {statusWords(view)}
        </p>
      )}
      {connection === 'reconnecting' && (
        // Said only when it lasts: a stream that is asked again at once is nobody's concern.
        <p className="mt-2 animate-appear text-sm text-warn [animation-delay:1.5s] [animation-fill-mode:backwards]">
          {t('answer.reconnecting')}
        </p>
      )}
    </div>
  )
}
