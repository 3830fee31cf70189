import { SearchModelPage } from '../features/search-model/search-model-page.tsx'
import type { TerracePage } from '../lib/page.ts'

const SearchModel: TerracePage = () => <SearchModelPage />
export default SearchModel
