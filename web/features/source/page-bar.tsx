import { ChevronLeft, ChevronRight, LocateFixed } from 'lucide-react'
import { type KeyboardEvent, useState } from 'react'
import { IconButton } from '../../components/ui/icon-button.tsx'
import { t } from '../../lib/t.ts'

/** "Page 7 of 93", the ways to another page, and the way back to the passage. */
export function PageBar({
  page,
  count,
  awayFromPassage,
  onGoTo,
  onPassage,
}: {
  page: number
  count: number
  awayFromPassage: boolean
  onGoTo: (page: number) => void
  onPassage: () => void
}) {
  const [typed, setTyped] = useState<string | null>(null)
  const go = () => {
    const wanted = Number(typed)
    if (typed !== null && Number.isInteger(wanted) && wanted >= 1 && wanted <= count) onGoTo(wanted)
    setTyped(null)
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Enter') go()
  }
  return (
    <div className="flex items-center gap-1 border-b border-line px-3 py-1.5 text-sm text-ink-soft">
      <IconButton
        size="small"
        label={t('source.previousPage')}
        icon={<ChevronLeft className="size-4" />}
        disabled={page <= 1}
        onClick={() => onGoTo(page - 1)}
      />
      <label className="flex items-center gap-1.5">
        {t('source.pageLabel')}
        <input
          inputMode="numeric"
          aria-label={t('source.goToPage')}
          value={typed ?? page}
          onChange={(event) => setTyped(event.target.value.replace(/\D/g, ''))}
          onFocus={(event) => event.target.select()}
          onBlur={go}
          onKeyDown={onKeyDown}
          className="h-7 w-12 rounded-md border border-line bg-surface text-center text-ink tabular-nums"
        />
        <span className="tabular-nums">{t('source.ofPages', { pages: count })}</span>
      </label>
      <IconButton
        size="small"
        label={t('source.nextPage')}
        icon={<ChevronRight className="size-4" />}
        disabled={page >= count}
        onClick={() => onGoTo(page + 1)}
      />
      {awayFromPassage && (
        <button
          type="button"
          onClick={onPassage}
          className="ml-auto inline-flex h-8 items-center gap-1.5 rounded-lg px-2 font-medium text-accent hover:bg-hover"
        >
          <LocateFixed aria-hidden className="size-4" />
          <span>{t('source.toPassage')}</span>
        </button>
      )}
    </div>
  )
}
