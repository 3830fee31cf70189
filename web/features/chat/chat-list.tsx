import Link from 'next/link'
import { t } from '../../lib/t.ts'
import { trpc } from '../../lib/trpc.ts'

/** The person's chats, newest first, in the sidebar. */
export function ChatList() {
  const chats = trpc.chats.list.useQuery({})
  return (
    <ul className="flex flex-col gap-0.5">
      {chats.data?.items.map((chat) => (
        <li key={chat.id}>
          <Link
            href={`/chats/${chat.id}`}
            className="block truncate rounded-lg px-3 py-1.5 text-sm hover:bg-hover"
          >
            {chat.title ?? t('chat.untitled')}
          </Link>
        </li>
      ))}
    </ul>
  )
}
