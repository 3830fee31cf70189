import { useRouter } from 'next/router'
import { DocumentPage } from '../../features/source/document-page.tsx'
import type { TerracePage } from '../../lib/page.ts'

const Document: TerracePage = () => {
  const { query, isReady } = useRouter()
  if (!isReady || typeof query.id !== 'string') return null
  return <DocumentPage key={query.id} documentId={query.id} query={query} />
}

export default Document
