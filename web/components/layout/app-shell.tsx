// The frame around every page behind sign-in: navigation at the side (a drawer on phones), the connection
// banner, and <main>, which scrolls by itself so that a page may fill the height (the chat does).
import { Menu as MenuIcon } from 'lucide-react'
import { useRouter } from 'next/router'
import { type ReactNode, useEffect, useRef, useState } from 'react'
import { LiveUpdates } from '../../features/live/live-updates.tsx'
import { useRecovery } from '../../features/live/use-recovery.ts'
import { toFailure } from '../../lib/errors.ts'
import { useOnePerson } from '../../lib/one-person.ts'
import { useRequireSession } from '../../lib/session.ts'
import { t } from '../../lib/t.ts'
import { ErrorState } from '../ui/error-state.tsx'
import { IconButton } from '../ui/icon-button.tsx'
import { Spinner } from '../ui/spinner.tsx'
import { ConnectionBanner } from './connection-banner.tsx'
import { Drawer } from './drawer.tsx'
import { Logo } from './logo.tsx'
import { Sidebar } from './sidebar.tsx'

export function AppShell({ children }: { children: ReactNode }) {
  const me = useRequireSession(true)
  const mayShow = useOnePerson(me.data === null ? null : me.data?.id)
  const [drawerOpen, setDrawerOpen] = useState(false)
  const main = useRef<HTMLElement>(null)
  useRecovery()
  useFocusAfterNavigation(main, () => setDrawerOpen(false))

  if (me.data === undefined && me.error !== null) {
    return (
      <main className="mx-auto flex min-h-dvh max-w-xl flex-col justify-center p-6">
        <ErrorState
          level={1}
          title={t('page.failed')}
          message={toFailure(me.error).message}
          onRetry={() => void me.refetch()}
        />
      </main>
    )
  }
  if (!me.data || !mayShow) return <Waiting />
  return (
    <div className="flex h-dvh">
      <LiveUpdates userId={me.data.id} />
      <a
        href="#main"
        className="sr-only z-50 rounded-lg bg-surface px-4 py-2 focus:not-sr-only focus:fixed focus:top-2 focus:left-2 focus:shadow-float"
      >
        {t('app.skip')}
      </a>
      <div className="hidden w-64 shrink-0 border-r border-line bg-sunken/60 md:block">
        <Sidebar />
      </div>
      <div className="flex min-w-0 flex-1 flex-col">
        <header className="flex h-14 shrink-0 items-center gap-1 border-b border-line px-2 md:hidden">
          <IconButton
            label={t('app.openNavigation')}
            icon={<MenuIcon aria-hidden className="size-5" />}
            tooltip={false}
            aria-expanded={drawerOpen}
            onClick={() => setDrawerOpen(true)}
          />
          <Logo />
        </header>
        <ConnectionBanner />
        <main ref={main} id="main" tabIndex={-1} className="relative min-h-0 flex-1 overflow-y-auto">
          {children}
        </main>
      </div>
      <Drawer open={drawerOpen} onClose={() => setDrawerOpen(false)}>
        <Sidebar onNavigate={() => setDrawerOpen(false)} />
      </Drawer>
    </div>
  )
}

function Waiting() {
  return (
    <main aria-busy className="flex min-h-dvh items-center justify-center text-ink-soft">
      <h1 className="sr-only">{t('app.loading')}</h1>
      <Spinner className="size-6" />
    </main>
  )
}

/** A page change without a page load leaves focus on a link that may be gone: the new page's start gets it. */
function useFocusAfterNavigation(main: { current: HTMLElement | null }, onChange: () => void): void {
  const { events } = useRouter()
  const latest = useRef(onChange)
  latest.current = onChange
  useEffect(() => {
    let path = window.location.pathname
    const changed = () => {
      if (window.location.pathname === path) return
      path = window.location.pathname
      latest.current()
      // A field that focused itself (autoFocus) knows better.
      if (main.current !== null && !main.current.contains(document.activeElement)) {
        main.current.scrollTop = 0
        main.current.focus({ preventScroll: true })
      }
    }
    events.on('routeChangeComplete', changed)
    return () => events.off('routeChangeComplete', changed)
  }, [events, main])
}
