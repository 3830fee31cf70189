import { Library, Search, Sparkles, SquarePen, UserRound, UsersRound } from 'lucide-react'
import Link from 'next/link'
import { useRouter } from 'next/router'
import type { ReactNode } from 'react'
import { ChatList } from '../../features/chat/chat-list.tsx'
import { cx } from '../../lib/cx.ts'
import { useViewer } from '../../lib/session.ts'
import { t } from '../../lib/t.ts'
import { buttonLook } from '../ui/button.tsx'
import { Logo } from './logo.tsx'

/** `onNavigate`: a link to the page that is already open changes nothing else, so a drawer closes by it. */
export function Sidebar({ onNavigate }: { onNavigate?: () => void }) {
  const me = useViewer()
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: listens to its links' clicks, which the keyboard causes too
    <nav
      aria-label={t('app.navigation')}
      className="flex h-full min-h-0 flex-col gap-3 p-3"
      onClick={(event) => {
        if (event.target instanceof Element && event.target.closest('a') !== null) onNavigate?.()
      }}
    >
      <Logo />
      <Link href="/chats/new" prefetch={false} className={cx(buttonLook('secondary'), 'justify-start px-3')}>
        <SquarePen aria-hidden className="size-4" />
        {t('app.newChat')}
      </Link>
      <ul className="flex flex-col gap-0.5">
        <Entry href="/collections" icon={<Library aria-hidden className="size-4" />}>
          {t('app.collections')}
        </Entry>
        <Entry href="/search" icon={<Search aria-hidden className="size-4" />}>
          {t('app.search')}
        </Entry>
        {me?.role === 'owner' && (
          <>
            <Entry href="/people" icon={<UsersRound aria-hidden className="size-4" />}>
              {t('app.people')}
            </Entry>
            <Entry href="/search-model" icon={<Sparkles aria-hidden className="size-4" />}>
              {t('app.searchModel')}
            </Entry>
          </>
        )}
      </ul>
      <section
        aria-label={t('app.chats')}
        className="-mx-1 flex min-h-0 flex-1 flex-col overflow-y-auto px-1"
      >
        <ChatList />
      </section>
      <ul className="border-t border-line pt-2">
        <Entry href="/account" icon={<UserRound aria-hidden className="size-4" />}>
          <span className="flex min-w-0 flex-col leading-tight">
            <span className="truncate">{me?.name ?? t('app.account')}</span>
          </span>
        </Entry>
      </ul>
    </nav>
  )
}

function Entry({ href, icon, children }: { href: string; icon: ReactNode; children: ReactNode }) {
  const { pathname } = useRouter()
  const here = pathname === href || pathname.startsWith(`${href}/`)
  return (
    <li>
      <Link
        href={href}
        // Fetched as the pointer comes near. Left alone, Next runs the script of every page that a link in view
        // leads to, which makes each page as heavy as all of them.
        prefetch={false}
        aria-current={here ? 'page' : undefined}
        className={cx(
          'flex min-h-9 items-center gap-2.5 rounded-lg px-3 text-[0.9375rem] transition-colors hover:bg-hover',
          here ? 'bg-hover font-medium text-ink' : 'text-ink-soft hover:text-ink',
        )}
      >
        {icon}
        {children}
      </Link>
    </li>
  )
}
