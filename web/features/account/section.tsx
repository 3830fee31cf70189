import { type ReactNode, useId } from 'react'
import { cx } from '../../lib/cx.ts'

interface Props {
  title: string
  hint?: string
  /** As wide as there is room, for lists. */
  wide?: boolean
  children: ReactNode
}

/** One matter of the account page: what it is at the left, what can be done at the right. */
export function Section({ title, hint, wide = false, children }: Props) {
  const id = useId()
  return (
    <section
      aria-labelledby={id}
      className="grid gap-x-8 gap-y-3 rounded-2xl border border-line bg-surface p-4 shadow-soft sm:grid-cols-[12rem_1fr] sm:p-6"
    >
      <div>
        <h2 id={id} className="font-semibold">
          {title}
        </h2>
        {hint && <p className="mt-1 text-sm text-ink-soft">{hint}</p>}
      </div>
      <div className={cx('min-w-0', !wide && 'max-w-sm')}>{children}</div>
    </section>
  )
}
