import { Ellipsis, PencilLine, Trash2 } from 'lucide-react'
import Head from 'next/head'
import { useState } from 'react'
import { IconButton } from '../../components/ui/icon-button.tsx'
import { Menu, MenuItem } from '../../components/ui/menu.tsx'
import { t } from '../../lib/t.ts'
import { type ChatDialog, ChatDialogs } from './chat-dialog-slot.tsx'

export function ChatHeader({ id, title: stored }: { id: string; title: string }) {
  const [dialog, setDialog] = useState<ChatDialog>(null)
  const title = stored === '' ? t('chat.untitled') : stored
  return (
    <header className="flex h-12 shrink-0 items-center gap-1 border-b border-line px-4 sm:px-6">
      <Head>
        <title>{t('app.title', { title })}</title>
      </Head>
      <h1 className="min-w-0 flex-1 truncate text-[0.9375rem] font-semibold" title={title}>
        {title}
      </h1>
      <Menu
        trigger={<IconButton size="small" label={t('chat.menu')} icon={<Ellipsis className="size-4" />} />}
      >
        <MenuItem icon={<PencilLine className="size-4" />} onSelect={() => setDialog('rename')}>
          {t('chats.rename')}
        </MenuItem>
        <MenuItem danger icon={<Trash2 className="size-4" />} onSelect={() => setDialog('delete')}>
          {t('chats.delete')}
        </MenuItem>
      </Menu>
      <ChatDialogs chat={{ id, title }} dialog={dialog} onClose={() => setDialog(null)} />
    </header>
  )
}
