import { cx } from '../../lib/cx.ts'
import { t } from '../../lib/t.ts'
import type { Citation } from './answer.ts'

interface Props {
  citations: readonly Citation[]
  openNumber: number | null
  onOpen: (number: number) => void
}

/** The sources below a written answer, by number. */
export function SourceList({ citations, openNumber, onOpen }: Props) {
  if (citations.length === 0) return null
  return (
    <section aria-label={t('answer.sourcesHeard')} className="mt-5">
      <h3 className="mb-2 text-xs font-semibold tracking-wide text-ink-soft uppercase">
        {t('answer.sources')}
      </h3>
      <ol className="space-y-1">
        {citations.map((citation) => (
          <li key={citation.number}>
            <button
              type="button"
              data-source={citation.number}
              aria-expanded={openNumber === citation.number}
              onClick={() => onOpen(citation.number)}
              className={cx(
                'flex w-full items-start gap-3 rounded-xl border px-3 py-2 text-left transition-colors',
                openNumber === citation.number
                  ? 'border-accent/50 bg-accent-soft/60'
                  : 'border-line bg-surface hover:bg-hover',
              )}
            >
              <NumberBadge number={citation.number} available={citation.available} />
              <span className="min-w-0 flex-1">
                <span className="flex items-baseline gap-2 text-sm">
                  <span className="truncate font-medium">{sourceName(citation)}</span>
                  {citation.available && (
                    <span className="shrink-0 text-ink-soft">
                      {t('answer.page', { page: citation.page })}
                    </span>
                  )}
                </span>
                <span className="mt-0.5 line-clamp-1 text-sm text-ink-soft">
                  {citation.quote ?? t('answer.quoteGone')}
                </span>
              </span>
            </button>
          </li>
        ))}
      </ol>
    </section>
  )
}

/** A source that may not be shown has no name either. */
export function sourceName({ available, documentName }: Citation): string {
  return available ? documentName : t('source.gone')
}

export function NumberBadge({ number, available }: { number: number; available: boolean }) {
  return (
    <span
      className={cx(
        'mt-px inline-flex h-5 min-w-5 shrink-0 items-center justify-center rounded-md px-1 text-xs font-semibold tabular-nums',
        available ? 'bg-accent-soft text-accent' : 'bg-sunken text-ink-soft line-through',
      )}
    >
      <span className="sr-only">{t('answer.sourceWord')} </span>
      {number}
    </span>
  )
}
