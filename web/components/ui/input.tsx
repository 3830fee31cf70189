import { ChevronDown } from 'lucide-react'
import type { ComponentProps } from 'react'
import { cx } from '../../lib/cx.ts'

export const CONTROL_LOOK = cx(
  'w-full min-w-0 rounded-lg border border-line-strong bg-surface px-3 text-base text-ink sm:text-[0.9375rem]',
  'placeholder:text-ink-soft aria-invalid:border-danger disabled:opacity-60',
)

export function Input({ className, ...rest }: ComponentProps<'input'>) {
  return <input {...rest} className={cx(CONTROL_LOOK, 'h-10', className)} />
}

export function Textarea({ className, ...rest }: ComponentProps<'textarea'>) {
  return <textarea {...rest} className={cx(CONTROL_LOOK, 'min-h-20 py-2', className)} />
}

/** As wide as the place it stands in. */
export function Select({ className, children, ...rest }: ComponentProps<'select'>) {
  return (
    <div className="relative">
      <select {...rest} className={cx(CONTROL_LOOK, 'h-10 appearance-none pr-8', className)}>
        {children}
      </select>
      <ChevronDown
        aria-hidden
        className="pointer-events-none absolute top-3 right-2.5 size-4 text-ink-soft"
      />
    </div>
  )
}
