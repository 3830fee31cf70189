import { Check, FileText } from 'lucide-react'
import Link from 'next/link'
import { Badge } from '../../components/ui/badge.tsx'
import { Button } from '../../components/ui/button.tsx'
import { cx } from '../../lib/cx.ts'
import { t } from '../../lib/t.ts'
import { documentAddress } from '../source/addresses.ts'
import { MarkedText } from '../source/marked-text.tsx'
import { type Compared, METHODS, type Method, type Standing } from './compare.ts'

interface Props {
  passage: Compared
  query: string
  /** Methods that were asked. */
  methods: readonly Method[]
  right: boolean
  /** Null for who may only look. */
  onRight: ((right: boolean) => void) | null
  busy: boolean
}

export function ComparedPassage({ passage: { hit, by }, query, methods, right, onRight, busy }: Props) {
  const { documentId, versionId, readingId, page, charStart: start, charEnd: end } = hit
  return (
    <article
      data-passage={hit.passageId}
      className={cx('rounded-xl border bg-surface px-4 py-3', right ? 'border-accent/60' : 'border-line')}
    >
      <div className="flex flex-wrap items-center gap-x-2.5 gap-y-2 text-sm">
        <FileText aria-hidden className="size-4 shrink-0 text-ink-soft" />
        <Link
          href={documentAddress({ documentId, versionId, readingId, page, start, end })}
          className="min-w-0 truncate font-medium hover:underline"
        >
          {hit.documentName}
        </Link>
        <span className="shrink-0 text-ink-soft">{t('search.page', { page })}</span>
        <span className="ml-auto flex items-center gap-2">
          {right && (
            <span title={t('testBench.rightHint')}>
              <Badge tone="accent" icon={<Check aria-hidden className="size-3" />}>
                {t('testBench.right')}
              </Badge>
            </span>
          )}
          {onRight !== null && (
            <Button
              size="small"
              kind={right ? 'quiet' : 'secondary'}
              busy={busy}
              aria-label={`${t(right ? 'testBench.unmark' : 'testBench.mark')}: ${hit.documentName}`}
              onClick={() => onRight(!right)}
            >
              {t(right ? 'testBench.unmark' : 'testBench.mark')}
            </Button>
          )}
        </span>
      </div>
      <dl className="mt-2 flex flex-wrap gap-x-6 gap-y-1 text-xs text-ink-soft">
        {METHODS.filter((method) => methods.includes(method)).map((method) => (
          <div key={method} className="flex gap-1.5">
            <dt>{t(`search.${method}`)}</dt>
            <dd
              className={cx(
                'tabular-nums',
                method === 'fused' && by.fused !== null && 'font-semibold text-ink',
              )}
            >
              {standing(by[method])}
            </dd>
          </div>
        ))}
      </dl>
      {hit.heading !== '' && <p className="mt-2 truncate text-xs text-ink-soft">{hit.heading}</p>}
      <p className="mt-1 line-clamp-4 text-[0.9375rem] leading-relaxed whitespace-pre-line">
        <MarkedText text={hit.text.trim()} query={query} />
      </p>
    </article>
  )
}

const two = new Intl.NumberFormat('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 })

function standing(by: Standing | null): string {
  return by === null
    ? t('testBench.notFound')
    : `${t('testBench.rank', { rank: by.rank })} · ${two.format(by.score)}`
}
