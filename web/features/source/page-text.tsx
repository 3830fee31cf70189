import { memo, useMemo } from 'react'
import { Skeleton } from '../../components/ui/skeleton.tsx'
import { t } from '../../lib/t.ts'
import { paragraphs, type TextRange } from './highlight.ts'
import { reflow } from './reflow.ts'

interface Props {
  number: number
  count: number
  /** Undefined while it is on its way. */
  text: string | undefined
  failed: boolean
  range: TextRange | null
}

/** One page: its number, its paragraphs, and the passage marked. */
export const PageText = memo(function PageText({ number, count, text, failed, range }: Props) {
  const shown = useMemo(() => paragraphs(reflow(text ?? ''), range === null ? [] : [range]), [text, range])
  return (
    <article
      data-page={number}
      aria-label={t('source.pageOf', { page: number, pages: count })}
      className="mx-auto max-w-[44rem] pt-4"
    >
      <p aria-hidden className="mb-3 flex items-center gap-3 text-xs text-ink-soft tabular-nums">
        {t('source.page', { page: number })}
        <span className="h-px flex-1 bg-line" />
      </p>
      {failed ? (
        <p className="text-sm text-danger">{t('source.pageFailed')}</p>
      ) : text === undefined ? (
        <div className="flex min-h-[60vh] flex-col gap-2.5">
          <Skeleton className="h-4 w-full" />
          <Skeleton className="h-4 w-11/12" />
          <Skeleton className="h-4 w-4/5" />
        </div>
      ) : shown.length === 0 ? (
        <p className="text-sm text-ink-soft italic">{t('source.emptyPage')}</p>
      ) : (
        shown.map((paragraph) => (
          <p key={paragraph.start} className="mb-3 text-[0.9375rem] leading-relaxed whitespace-pre-line">
            {paragraph.segments.map((segment) =>
              segment.marked ? (
                <mark
                  key={segment.start}
                  data-passage-mark
                  className="rounded-sm bg-mark box-decoration-clone px-0.5 py-0.5 text-inherit"
                >
                  {segment.text}
                </mark>
              ) : (
                segment.text
              ),
            )}
          </p>
        ))
      )}
    </article>
  )
})
