import { useRouter } from 'next/router'
import { CollectionPage } from '../../../features/collections/collection-page.tsx'
import type { TerracePage } from '../../../lib/page.ts'

const Collection: TerracePage = () => {
  const { query } = useRouter()
  return typeof query.id === 'string' ? <CollectionPage key={query.id} id={query.id} /> : null
}
export default Collection
