import { cx } from '../../lib/cx.ts'

interface Props {
  label: string
  /** 0 to 1; null = under way, no one knows how far. */
  value: number | null
  /** What a screen reader says instead of the percentage, such as "page 3 of 10". */
  text?: string
  className?: string
}

export function Progress({ label, value, text, className }: Props) {
  const percent = value === null ? null : Math.round(Math.min(1, Math.max(0, value)) * 100)
  return (
    <div
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent ?? undefined}
      aria-valuetext={text}
      className={cx('h-1.5 w-full overflow-hidden rounded-full bg-sunken', className)}
    >
      {percent === null ? (
        <div className="h-full w-2/5 animate-travel rounded-full bg-accent" />
      ) : (
        <div
          className="h-full rounded-full bg-accent transition-[width] duration-300"
          style={{ width: `${percent}%` }}
        />
      )}
    </div>
  )
}
