// The text of a document in a scrolling column: opens at the cited passage, marked and in view, and grows
// towards where one reads. The column keeps its place when pages come or go above.
import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react'
import { ErrorState } from '../../components/ui/error-state.tsx'
import { Skeleton } from '../../components/ui/skeleton.tsx'
import { toFailure } from '../../lib/errors.ts'
import { t } from '../../lib/t.ts'
import { trpc } from '../../lib/trpc.ts'
import { PageBar } from './page-bar.tsx'
import { PageText } from './page-text.tsx'
import { growDown, growUp, openAt, type PageWindow, pageNumbers } from './page-window.ts'
import { SourceGone } from './source-gone.tsx'
import { type ReaderTarget, shownTarget } from './target.ts'

interface Props {
  documentId: string
  /** Undefined: the version that searches see. */
  versionId: string | undefined
  /** That the target's passage is of. Undefined: the reading that searches see. */
  readingId: number | undefined
  target: ReaderTarget
}

export function DocumentReader({ documentId, versionId, readingId, target }: Props) {
  const pages = trpc.documents.pages.useQuery(
    {
      id: documentId,
      ...(versionId !== undefined && { versionId }),
      ...(readingId !== undefined && { readingId }),
    },
    { retry: false },
  )
  if (pages.isPending) return <ReaderSkeleton />
  if (pages.isError) {
    const failure = toFailure(pages.error)
    if (failure.code === 'NOT_FOUND') return <SourceGone documentId={documentId} />
    return (
      <div className="p-4">
        <ErrorState title={t('source.failed')} message={failure.message} onRetry={() => pages.refetch()} />
      </div>
    )
  }
  const { data } = pages
  const shown = shownTarget(target, readingId, data.readingId)
  return (
    <>
      {shown !== target && (
        <p role="status" className="bg-sunken px-5 py-2.5 text-sm text-ink-soft">
          {t('source.readAnew')}
        </p>
      )}
      <Column
        // Another passage, version or reading is another text.
        key={`${data.versionId} ${data.readingId} ${shown.page} ${shown.range?.start} ${shown.range?.end}`}
        documentId={documentId}
        versionId={data.versionId}
        readingId={data.readingId}
        count={data.pages.length}
        target={shown}
        onOtherReading={pages.refetch}
      />
    </>
  )
}

/** An older API server, while a release is under way, does not say which reading its text is of. */
const isOf = (page: { readingId?: number } | undefined, readingId: number) =>
  page !== undefined && (page.readingId ?? readingId) === readingId

function Column({
  documentId,
  versionId,
  readingId,
  count,
  target,
  onOtherReading,
}: {
  documentId: string
  versionId: string
  readingId: number
  count: number
  target: ReaderTarget
  /** This reading was removed while it was read. */
  onOtherReading: () => void
}) {
  const utils = trpc.useUtils()
  const scroller = useRef<HTMLElement>(null)
  const [window, setWindow] = useState<PageWindow>(() => openAt(target.page, count))
  const [current, setCurrent] = useState(window.first)
  /** What the column scrolls to once it is drawn: the passage at first, a page when one is asked for. */
  const [goal, setGoal] = useState<'passage' | 'page' | null>('passage')
  const keepPlace = usePlace(scroller, window)
  const numbers = pageNumbers(window)
  const texts = trpc.useQueries((q) =>
    numbers.map((number) =>
      q.documents.page(
        { id: documentId, versionId, readingId, number },
        { staleTime: Number.POSITIVE_INFINITY },
      ),
    ),
  )
  const otherReading = texts.some(({ data }) => data !== undefined && !isOf(data, readingId))
  useEffect(() => {
    if (otherReading) onOtherReading()
  }, [otherReading, onOtherReading])
  const goalLoaded =
    texts[numbers.indexOf(goal === 'passage' ? target.page : window.first)]?.data !== undefined

  useLayoutEffect(() => {
    if (goal === null || !goalLoaded) return
    const column = scroller.current
    const mark = goal === 'passage' ? column?.querySelector('[data-passage-mark]') : null
    if (mark) centre(column, mark)
    else if (column) column.scrollTop = 0
    setGoal(null)
  }, [goal, goalLoaded])

  const goTo = (page: number) => {
    const next = openAt(page, count)
    setWindow(next)
    setCurrent(next.first)
    setGoal(page === target.page && target.range !== null ? 'passage' : 'page')
  }

  const onEdge = useCallback(
    async (edge: 'top' | 'bottom') => {
      if (goal !== null) return
      const next = edge === 'top' ? growUp(window) : growDown(window, count)
      if (next.first === window.first && next.last === window.last) return
      if (edge === 'top') {
        // Drawn only when they are here: text that arrives above the eye would push what is being read.
        const above = pageNumbers({ first: next.first, last: window.first - 1 })
        await Promise.all(
          above.map((number) =>
            utils.documents.page
              .fetch(
                { id: documentId, versionId, readingId, number },
                { staleTime: Number.POSITIVE_INFINITY },
              )
              .catch(() => undefined),
          ),
        )
      }
      keepPlace()
      setWindow((now) => (now === window ? next : now))
    },
    [goal, window, count, utils, documentId, versionId, readingId, keepPlace],
  )

  return (
    <>
      <PageBar
        page={current}
        count={count}
        awayFromPassage={target.range !== null && current !== target.page}
        onGoTo={goTo}
        onPassage={() => goTo(target.page)}
      />
      <section
        ref={scroller}
        data-reader
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a text is scrolled with the keyboard
        tabIndex={0}
        aria-label={t('source.text')}
        onScroll={() => setCurrent(pageInView(scroller.current) ?? current)}
        className="relative min-h-0 flex-1 overflow-y-auto overscroll-contain px-5 pb-10 [overflow-anchor:none] focus-visible:outline-offset-[-2px]"
      >
        <Edge root={scroller} active={goal === null && window.first > 1} onReached={() => onEdge('top')} />
        {numbers.map((number, n) => (
          <PageText
            key={number}
            number={number}
            count={count}
            text={isOf(texts[n]?.data, readingId) ? texts[n]?.data?.text : undefined}
            failed={texts[n]?.isError === true}
            range={number === target.page ? target.range : null}
          />
        ))}
        <Edge
          root={scroller}
          active={goal === null && window.last < count}
          onReached={() => onEdge('bottom')}
        />
      </section>
    </>
  )
}

/** Call before pages come or go: what stands at the top of the view stays there. */
function usePlace(scroller: RefObject<HTMLElement | null>, window: PageWindow): () => void {
  const place = useRef<{ page: string; top: number } | null>(null)
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is the window's change that moves the text
  useLayoutEffect(() => {
    const column = scroller.current
    const kept = place.current
    place.current = null
    if (column === null || kept === null) return
    const page = column.querySelector(`[data-page="${kept.page}"]`)
    if (page !== null) column.scrollTop += page.getBoundingClientRect().top - kept.top
  }, [window])
  return useCallback(() => {
    const number = pageInView(scroller.current)
    const page = scroller.current?.querySelector(`[data-page="${number}"]`)
    if (page) place.current = { page: String(number), top: page.getBoundingClientRect().top }
  }, [scroller])
}

/** The page that stands at the upper third of the column. */
function pageInView(column: HTMLElement | null): number | null {
  if (column === null) return null
  const box = column.getBoundingClientRect()
  const line = box.top + box.height / 3
  for (const page of column.querySelectorAll<HTMLElement>('[data-page]')) {
    if (page.getBoundingClientRect().bottom >= line) return Number(page.dataset.page)
  }
  return null
}

function centre(column: HTMLElement | null | undefined, mark: Element): void {
  if (!column) return
  const box = column.getBoundingClientRect()
  column.scrollTop += mark.getBoundingClientRect().top - box.top - box.height / 4
}

/** Tells when an end of the list comes near the view. */
function Edge({
  root,
  active,
  onReached,
}: {
  root: RefObject<HTMLElement | null>
  active: boolean
  onReached: () => void
}) {
  const element = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (!active || element.current === null) return
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) onReached()
      },
      { root: root.current, rootMargin: '600px 0px' },
    )
    observer.observe(element.current)
    return () => observer.disconnect()
  }, [root, active, onReached])
  return <div ref={element} aria-hidden className="h-px" />
}

function ReaderSkeleton() {
  return (
    <div role="status" className="flex flex-col gap-3 p-5">
      <span className="sr-only">{t('source.loading')}</span>
      {[11, 12, 10, 12, 7].map((width, n) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: lines without content
        <Skeleton key={n} className={WIDTHS[width] ?? ''} />
      ))}
    </div>
  )
}

const WIDTHS: Record<number, string> = {
  7: 'h-4 w-7/12',
  10: 'h-4 w-10/12',
  11: 'h-4 w-11/12',
  12: 'h-4 w-full',
}
