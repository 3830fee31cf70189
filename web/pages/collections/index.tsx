import { CollectionsPage } from '../../features/collections/collections-page.tsx'
import type { TerracePage } from '../../lib/page.ts'

const Collections: TerracePage = () => <CollectionsPage />
export default Collections
