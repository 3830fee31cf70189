import { FileText } from 'lucide-react'
import { Badge } from '../../components/ui/badge.tsx'
import { cx } from '../../lib/cx.ts'
import { t } from '../../lib/t.ts'
import type { Outputs } from '../../lib/trpc.ts'
import { MarkedText } from '../source/marked-text.tsx'

type Hit = Outputs['search']['passages']['passages'][number]

interface Props {
  hit: Hit
  rank: number
  query: string
  /** The highest of this search: a bar's full length. */
  bestWords: number
  bestScore: number
  isOpen: boolean
  onOpen: () => void
}

export function PassageResult({ hit, rank, query, bestWords, bestScore, isOpen, onOpen }: Props) {
  return (
    <article
      className={cx(
        'overflow-hidden rounded-xl border bg-surface transition-colors',
        isOpen ? 'border-accent/60' : 'border-line',
      )}
    >
      <button
        type="button"
        data-passage={hit.passageId}
        aria-expanded={isOpen}
        onClick={onOpen}
        className={cx(
          'flex w-full items-center gap-2.5 px-4 py-2.5 text-left text-sm transition-colors',
          isOpen ? 'bg-accent-soft/60' : 'hover:bg-hover',
        )}
      >
        <span className="w-5 shrink-0 text-ink-soft tabular-nums">
          <span className="sr-only">{t('search.open')} </span>
          {rank}
        </span>
        <FileText aria-hidden className="size-4 shrink-0 text-ink-soft" />
        <span className="min-w-0 truncate font-medium">{hit.documentName}</span>
        <span className="shrink-0 text-ink-soft">{t('search.page', { page: hit.page })}</span>
        {hit.withoutVector && (
          <span className="ml-auto" title={t('search.withoutVectorHint')}>
            <Badge tone="warn">{t('search.withoutVector')}</Badge>
          </span>
        )}
      </button>
      <div className="border-t border-line px-4 py-3">
        {hit.heading !== '' && <p className="mb-1 truncate text-xs text-ink-soft">{hit.heading}</p>}
        <p className="line-clamp-5 text-[0.9375rem] leading-relaxed whitespace-pre-line">
          <MarkedText text={hit.text.trim()} query={query} />
        </p>
        <dl className="mt-3 grid gap-x-6 gap-y-1.5 text-xs text-ink-soft sm:grid-cols-3">
          <Score
            label={t('search.meaning')}
            // A cosine: nothing in common is 0; below that is as far.
            share={hit.cosine === null ? null : Math.max(0, hit.cosine)}
            value={hit.cosine}
          />
          <Score
            label={t('search.words')}
            share={bestWords > 0 ? hit.words / bestWords : 0}
            value={hit.words}
          />
          <Score
            label={t('search.fused')}
            share={bestScore > 0 ? hit.score / bestScore : 0}
            value={hit.score}
            strong
          />
        </dl>
      </div>
    </article>
  )
}

const two = new Intl.NumberFormat('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 })

function Score({
  label,
  share,
  value,
  strong = false,
}: {
  label: string
  /** 0 to 1, the bar's length; null = not measured. */
  share: number | null
  value: number | null
  strong?: boolean
}) {
  return (
    <div className="grid grid-cols-[4.5rem_1fr_auto] items-center gap-2">
      <dt>{label}</dt>
      <dd aria-hidden className="h-1.5 overflow-hidden rounded-full bg-sunken">
        {share !== null && (
          <div
            className={cx('h-full rounded-full', strong ? 'bg-accent' : 'bg-line-strong')}
            style={{ width: `${Math.round(Math.min(1, Math.max(0, share)) * 100)}%` }}
          />
        )}
      </dd>
      <dd className={cx('min-w-8 text-right tabular-nums', strong && 'font-semibold text-ink')}>
        {value === null ? t('search.notMeasured') : two.format(value)}
      </dd>
    </div>
  )
}
