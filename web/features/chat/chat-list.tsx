// The viewer's chats in the sidebar, newest first, older ones on demand.
import { Ellipsis, PencilLine, Trash2 } from 'lucide-react'
import Link from 'next/link'
import { useRouter } from 'next/router'
import { useState } from 'react'
import { IconButton } from '../../components/ui/icon-button.tsx'
import { Menu, MenuItem } from '../../components/ui/menu.tsx'
import { Skeleton } from '../../components/ui/skeleton.tsx'
import { cx } from '../../lib/cx.ts'
import { toFailure } from '../../lib/errors.ts'
import { t } from '../../lib/t.ts'
import { type Outputs, trpc } from '../../lib/trpc.ts'
import { type ChatDialog, ChatDialogs } from './chat-dialog-slot.tsx'

type ChatItem = Outputs['chats']['list']['items'][number]

const PAGE_SIZE = 30

export function ChatList() {
  const { query } = useRouter()
  const chats = trpc.chats.list.useInfiniteQuery(
    { limit: PAGE_SIZE },
    { getNextPageParam: (page) => page.nextCursor ?? undefined },
  )
  const items = chats.data?.pages.flatMap((page) => page.items) ?? []
  if (chats.isPending) return <Loading />
  if (chats.isError) {
    return (
      <div className="px-3 py-2 text-sm text-ink-soft">
        <p>
          {t('chats.failed')} {toFailure(chats.error).message}
        </p>
        <button
          type="button"
          onClick={() => void chats.refetch()}
          className="mt-1 font-medium text-accent hover:underline"
        >
          {t('chat.tryAgain')}
        </button>
      </div>
    )
  }
  return (
    <>
      <h2 className="px-3 pt-1 pb-1.5 text-xs font-medium text-ink-soft">{t('chats.title')}</h2>
      {items.length === 0 && <p className="px-3 py-1 text-sm text-ink-soft">{t('chats.empty')}</p>}
      <ul className="flex flex-col gap-px">
        {items.map((item) => (
          <ChatRow key={item.id} item={item} here={query.id === item.id} />
        ))}
      </ul>
      {chats.hasNextPage && (
        <button
          type="button"
          disabled={chats.isFetchingNextPage}
          onClick={() => void chats.fetchNextPage()}
          className="mt-1 rounded-lg px-3 py-2 text-left text-sm text-ink-soft hover:bg-hover hover:text-ink disabled:opacity-60"
        >
          {t('chats.more')}
        </button>
      )}
    </>
  )
}

function ChatRow({ item, here }: { item: ChatItem; here: boolean }) {
  const [dialog, setDialog] = useState<ChatDialog>(null)
  const title = item.title === '' ? t('chat.untitled') : item.title
  return (
    <li className="group relative">
      <Link
        href={`/chats/${item.id}`}
        aria-current={here ? 'page' : undefined}
        title={title}
        className={cx(
          'flex min-h-9 items-center gap-2 rounded-lg py-1.5 pr-9 pl-3 text-[0.9375rem] transition-colors',
          'group-focus-within:bg-hover group-hover:bg-hover',
          here ? 'bg-hover font-medium text-ink' : 'text-ink-soft hover:text-ink',
        )}
      >
        <span className="min-w-0 flex-1 truncate">{title}</span>
        {item.answering && (
          <span className="size-2 shrink-0 animate-breathe rounded-full bg-accent">
            <span className="sr-only">{t('chats.answering')}</span>
          </span>
        )}
      </Link>
      <div
        className={cx(
          'absolute inset-y-0 right-0.5 flex items-center',
          // A mouse sees it on its row; a finger, which can't hover, always.
          'pointer-fine:opacity-0 group-focus-within:opacity-100 group-hover:opacity-100 has-data-[state=open]:opacity-100',
        )}
      >
        <Menu
          trigger={
            <IconButton
              size="small"
              tooltip={false}
              label={t('chats.menu', { title })}
              icon={<Ellipsis className="size-4" />}
            />
          }
        >
          <MenuItem icon={<PencilLine className="size-4" />} onSelect={() => setDialog('rename')}>
            {t('chats.rename')}
          </MenuItem>
          <MenuItem danger icon={<Trash2 className="size-4" />} onSelect={() => setDialog('delete')}>
            {t('chats.delete')}
          </MenuItem>
        </Menu>
      </div>
      <ChatDialogs chat={{ id: item.id, title }} dialog={dialog} onClose={() => setDialog(null)} />
    </li>
  )
}

function Loading() {
  return (
    <div role="status" className="flex flex-col gap-3 px-3 py-2">
      <span className="sr-only">{t('chats.loading')}</span>
      <Skeleton className="h-4 w-4/5" />
      <Skeleton className="h-4 w-3/5" />
      <Skeleton className="h-4 w-2/3" />
    </div>
  )
}
