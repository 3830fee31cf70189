// What people meet before they are in: set-up, sign-in and invitation. No navigation, one form, one way on.
import Head from 'next/head'
import type { ReactNode } from 'react'
import { LogoMark } from '../../components/layout/logo.tsx'
import { t } from '../../lib/t.ts'

export function EntryFrame({
  title,
  hint,
  children,
}: {
  title: string
  hint?: ReactNode
  children: ReactNode
}) {
  return (
    <main className="flex min-h-dvh flex-col items-center justify-center gap-6 px-4 py-10">
      <Head>
        <title>{t('app.title', { title })}</title>
      </Head>
      <div className="flex items-center gap-3 text-xl font-semibold tracking-tight">
        <LogoMark className="size-9" />
        {t('app.name')}
      </div>
      <div className="flex w-full max-w-sm flex-col gap-5 rounded-2xl border border-line bg-surface p-6 shadow-soft sm:p-8">
        <header className="flex flex-col gap-1.5">
          <h1 className="text-xl font-semibold tracking-tight text-balance">{title}</h1>
          {hint && <p className="text-[0.9375rem] text-pretty text-ink-soft">{hint}</p>}
        </header>
        {children}
      </div>
    </main>
  )
}

/** What went wrong with the form as a whole. */
export const FormFailure = ({ message }: { message: string | null }) =>
  message && (
    <p role="alert" className="rounded-lg bg-danger-soft px-3 py-2 text-sm text-danger">
      {message}
    </p>
  )
