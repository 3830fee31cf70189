import { createContext, use } from 'react'
import { cx } from '../../../lib/cx.ts'
import { t } from '../../../lib/t.ts'
import type { Citation } from '../answer.ts'

/** What the numbers in one answer lead to. Handed down by context, so that finished blocks are not drawn again. */
export interface AnswerSources {
  /** Undefined while the sources are not known yet. */
  find(number: number): Citation | undefined
  /** The source that is open beside the answer, by number. */
  readonly openNumber: number | null
  open(number: number): void
}

export const AnswerSourcesContext = createContext<AnswerSources>({
  find: () => undefined,
  openNumber: null,
  open: () => undefined,
})

/** `[n]` in the text: a button that opens the source. */
export function CitationButtons({ numbers }: { numbers: readonly number[] }) {
  return (
    <span className="whitespace-nowrap">
      {numbers.map((number) => (
        <CitationButton key={number} number={number} />
      ))}
    </span>
  )
}

function CitationButton({ number }: { number: number }) {
  const sources = use(AnswerSourcesContext)
  const citation = sources.find(number)
  const isOpen = sources.openNumber === number
  return (
    <button
      type="button"
      data-citation={number}
      aria-label={citationLabel(number, citation)}
      aria-expanded={isOpen}
      title={
        citation?.available
          ? `${citation.documentName}, ${t('answer.page', { page: citation.page })}`
          : undefined
      }
      onClick={() => sources.open(number)}
      className={cx(
        'relative ml-0.5 inline-flex h-5 min-w-5 items-center justify-center rounded-md px-1 align-[0.1em]',
        'text-xs font-semibold tabular-nums transition-colors',
        // A finger needs more than the number is high.
        'after:absolute after:-inset-1.5 after:content-[""]',
        isOpen
          ? 'bg-accent text-on-accent'
          : citation?.available === false
            ? 'bg-sunken text-ink-soft line-through'
            : 'bg-accent-soft text-accent hover:bg-accent hover:text-on-accent',
      )}
    >
      {number}
    </button>
  )
}

export function citationLabel(number: number, citation: Citation | undefined): string {
  if (citation === undefined) return t('answer.sourceNumber', { number })
  if (!citation.available) return t('answer.sourceGone', { number })
  return t('answer.source', { number, name: citation.documentName, page: citation.page })
}
