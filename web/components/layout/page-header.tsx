import Head from 'next/head'
import type { ReactNode } from 'react'
import { t } from '../../lib/t.ts'

interface Props {
  title: string
  /** Below the title. */
  children?: ReactNode
  actions?: ReactNode
  /** Above the title: the way back up. */
  above?: ReactNode
}

/** The page's one <h1>, also the browser tab's title. */
export function PageHeader({ title, children, actions, above }: Props) {
  return (
    <header className="flex flex-col gap-2">
      <Head>
        <title>{t('app.title', { title })}</title>
      </Head>
      {above}
      <div className="flex flex-wrap items-start justify-between gap-x-4 gap-y-3">
        <h1 className="min-w-0 text-2xl font-semibold tracking-tight text-balance">{title}</h1>
        {actions && <div className="flex flex-wrap items-center gap-2">{actions}</div>}
      </div>
      {children && <div className="max-w-prose text-[0.9375rem] text-pretty text-ink-soft">{children}</div>}
    </header>
  )
}

/** The column that most pages stand in. */
export const PageColumn = ({ children }: { children: ReactNode }) => (
  <div className="mx-auto flex w-full max-w-4xl flex-col gap-6 px-4 py-6 sm:px-8 sm:py-8">{children}</div>
)
