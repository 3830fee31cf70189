// Building blocks without knowledge of Terrace: looks, keyboard and labels in one place each.
// They take words as properties (the catalogue is the features' business) and colours from the tokens in
// styles/app.css.
import type { ComponentProps, ReactNode } from 'react'
import { cx } from '../../lib/cx.ts'
import { Spinner } from './spinner.tsx'

export type ButtonKind = 'primary' | 'secondary' | 'quiet' | 'danger'
export type ButtonSize = 'small' | 'medium'

const KINDS: Record<ButtonKind, string> = {
  primary: 'bg-accent text-on-accent hover:bg-accent-hover',
  secondary: 'border border-line-strong/60 bg-surface text-ink hover:bg-hover',
  quiet: 'text-ink hover:bg-hover',
  danger: 'bg-danger text-on-danger hover:bg-danger-hover',
}
const SIZES: Record<ButtonSize, string> = {
  small: 'h-8 gap-1.5 px-2.5 text-sm',
  medium: 'h-10 gap-2 px-4 text-[0.9375rem]',
}

export const buttonLook = (kind: ButtonKind = 'secondary', size: ButtonSize = 'medium'): string =>
  cx(
    'inline-flex shrink-0 items-center justify-center rounded-lg font-medium whitespace-nowrap select-none',
    'transition-colors disabled:opacity-55 aria-disabled:opacity-55',
    KINDS[kind],
    SIZES[size],
  )

interface Props extends ComponentProps<'button'> {
  kind?: ButtonKind
  size?: ButtonSize
  icon?: ReactNode
  /** Work is under way: the button keeps its place and focus, and does nothing when pressed again. */
  busy?: boolean
}

export function Button({ kind, size, icon, busy = false, className, children, onClick, ...rest }: Props) {
  return (
    <button
      type="button"
      {...rest}
      aria-disabled={busy || undefined}
      aria-busy={busy || undefined}
      onClick={busy ? (event) => event.preventDefault() : onClick}
      className={cx(buttonLook(kind, size), className)}
    >
      {busy ? <Spinner /> : icon}
      {children}
    </button>
  )
}
