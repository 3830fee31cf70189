import { ArrowUpRight } from 'lucide-react'
import { useId, useState } from 'react'
import { cx } from '../../lib/cx.ts'
import { t } from '../../lib/t.ts'
import { MarkedText } from '../source/marked-text.tsx'
import type { Citation } from './answer.ts'
import { NumberBadge, sourceName } from './source-list.tsx'

interface Props {
  citations: readonly Citation[]
  /** Its words are marked in the quotes. */
  question: string
  openNumber: number | null
  onOpen: (number: number) => void
}

/** The answer without a language model: passages as they stand in the documents. */
export default function QuoteCards({ citations, question, openNumber, onOpen }: Props) {
  const headingId = useId()
  if (citations.length === 0) {
    return (
      <div>
        <p className="font-medium">{t('answer.nothingFound')}</p>
        <p className="mt-1 text-ink-soft">{t('answer.nothingFoundHint')}</p>
      </div>
    )
  }
  return (
    <section aria-labelledby={headingId}>
      <h3 id={headingId} className="font-semibold">
        {t('answer.passages')}
      </h3>
      <p className="mt-0.5 text-sm text-ink-soft">{t('answer.passagesHint')}</p>
      <ol className="mt-3 space-y-3">
        {citations.map((citation) => (
          <li key={citation.number}>
            <QuoteCard
              citation={citation}
              question={question}
              isOpen={openNumber === citation.number}
              onOpen={() => onOpen(citation.number)}
            />
          </li>
        ))}
      </ol>
    </section>
  )
}

/** Characters of a quote that are shown before it is opened out. */
const SHORT = 520

function QuoteCard({
  citation,
  question,
  isOpen,
  onOpen,
}: {
  citation: Citation
  question: string
  isOpen: boolean
  onOpen: () => void
}) {
  const [whole, setWhole] = useState(false)
  const quote = citation.quote ?? ''
  const isLong = quote.length > SHORT
  return (
    <div
      className={cx(
        'overflow-hidden rounded-xl border bg-surface transition-colors',
        isOpen ? 'border-accent/60' : 'border-line',
      )}
    >
      <button
        type="button"
        data-source={citation.number}
        aria-expanded={isOpen}
        onClick={onOpen}
        className={cx(
          'group flex w-full items-center gap-2.5 px-4 py-2.5 text-left text-sm transition-colors',
          isOpen ? 'bg-accent-soft/60' : 'hover:bg-hover',
        )}
      >
        <NumberBadge number={citation.number} available={citation.available} />
        <span className="min-w-0 truncate font-medium">{sourceName(citation)}</span>
        {citation.available && (
          <span className="shrink-0 text-ink-soft">{t('answer.page', { page: citation.page })}</span>
        )}
        <ArrowUpRight aria-hidden className="ml-auto size-4 shrink-0 text-ink-soft group-hover:text-ink" />
      </button>
      {citation.quote === null ? (
        <p className="border-t border-line px-4 py-3 text-sm text-ink-soft">{t('answer.quoteGone')}</p>
      ) : (
        <div className="border-t border-line px-4 py-3">
          <blockquote
            className={cx(
              'text-[0.9375rem] leading-relaxed whitespace-pre-line',
              isLong && !whole && 'line-clamp-6',
            )}
          >
            <MarkedText text={quote.trim()} query={question} />
          </blockquote>
          {isLong && (
            <button
              type="button"
              onClick={() => setWhole(!whole)}
              aria-expanded={whole}
              className="mt-1.5 text-sm font-medium text-accent hover:underline"
            >
              {whole ? t('answer.less') : t('answer.more')}
            </button>
          )}
        </div>
      )}
    </div>
  )
}
