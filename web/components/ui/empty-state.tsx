import type { ReactNode } from 'react'

interface Props {
  icon?: ReactNode
  title: string
  children?: ReactNode
  actions?: ReactNode
  /** 1 where it is all that the page shows. */
  level?: 1 | 2
}

/** Nothing here yet: says what belongs here and what to do next. */
export function EmptyState({ icon, title, children, actions, level = 2 }: Props) {
  const Heading = level === 1 ? 'h1' : 'h2'
  return (
    <div className="flex flex-col items-center gap-3 rounded-2xl border border-dashed border-line-strong/60 px-6 py-12 text-center">
      {icon && <div className="rounded-2xl bg-accent-soft p-3 text-accent">{icon}</div>}
      <Heading className="text-lg font-semibold text-balance">{title}</Heading>
      {children && <div className="max-w-prose text-[0.9375rem] text-pretty text-ink-soft">{children}</div>}
      {actions && <div className="mt-2 flex flex-wrap justify-center gap-2">{actions}</div>}
    </div>
  )
}
