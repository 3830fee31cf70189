import { useRouter } from 'next/router'
import { ChatPage } from '../../features/chat/chat-page.tsx'
import type { TerracePage } from '../../lib/page.ts'

const Chat: TerracePage = () => {
  const { id } = useRouter().query
  return typeof id === 'string' ? <ChatPage chatId={id} /> : null
}

export default Chat
