import { PeoplePage } from '../features/people/people-page.tsx'
import type { TerracePage } from '../lib/page.ts'

const People: TerracePage = () => <PeoplePage />
export default People
