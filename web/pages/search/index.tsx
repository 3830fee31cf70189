import { SearchPage } from '../../features/search/search-page.tsx'
import type { TerracePage } from '../../lib/page.ts'

const Search: TerracePage = () => <SearchPage />

export default Search
