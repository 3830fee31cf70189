import type { ComponentProps, ReactNode } from 'react'
import { cx } from '../../lib/cx.ts'
import { Tooltip } from './tooltip.tsx'

interface Props extends Omit<ComponentProps<'button'>, 'children' | 'aria-label'> {
  /** Read by screen readers and shown on hover: an icon alone says too little. */
  label: string
  icon: ReactNode
  size?: 'small' | 'medium'
  tooltip?: boolean
}

export function IconButton({ label, icon, size = 'medium', tooltip = true, className, ...rest }: Props) {
  const button = (
    <button
      type="button"
      {...rest}
      aria-label={label}
      className={cx(
        'inline-flex shrink-0 items-center justify-center rounded-lg text-ink-soft transition-colors',
        'hover:bg-hover hover:text-ink disabled:opacity-55 data-[state=open]:bg-hover data-[state=open]:text-ink',
        size === 'small' ? 'size-8' : 'size-10',
        className,
      )}
    >
      {icon}
    </button>
  )
  return tooltip ? <Tooltip text={label}>{button}</Tooltip> : button
}
