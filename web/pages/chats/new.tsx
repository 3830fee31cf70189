import { useRouter } from 'next/router'
import { NewChat } from '../../features/chat/new-chat.tsx'
import type { TerracePage } from '../../lib/page.ts'

const New: TerracePage = () => {
  const { query, isReady } = useRouter()
  if (!isReady) return null
  const documentId = typeof query.document === 'string' ? { documentId: query.document } : {}
  const collectionId = typeof query.collection === 'string' ? { collectionId: query.collection } : {}
  // Asked for something else: another landing.
  return <NewChat key={`${query.document} ${query.collection}`} asked={{ ...documentId, ...collectionId }} />
}

export default New
