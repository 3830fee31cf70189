import { lazy, Suspense, useState } from 'react'

const RenameChatDialog = lazy(async () => ({
  default: (await import('./chat-dialogs.tsx')).RenameChatDialog,
}))
const DeleteChatDialog = lazy(async () => ({
  default: (await import('./chat-dialogs.tsx')).DeleteChatDialog,
}))

export type ChatDialog = 'rename' | 'delete' | null

/** The dialog that is open for a chat; its script is fetched when it is first asked for. */
export function ChatDialogs({
  chat,
  dialog,
  onClose,
}: {
  chat: { readonly id: string; readonly title: string }
  dialog: ChatDialog
  onClose: () => void
}) {
  // Stays once it was shown: closing it, and not taking it away, gives the focus back.
  const [shown, setShown] = useState<ChatDialog>(null)
  if (dialog !== null && dialog !== shown) setShown(dialog)
  if (shown === null) return null
  const Dialog = shown === 'rename' ? RenameChatDialog : DeleteChatDialog
  return (
    <Suspense fallback={null}>
      <Dialog chat={chat} open={dialog !== null} onClose={onClose} />
    </Suspense>
  )
}
