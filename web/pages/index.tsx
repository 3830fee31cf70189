import { StartPage } from '../features/start/start-page.tsx'
import type { TerracePage } from '../lib/page.ts'

const Start: TerracePage = () => <StartPage />
export default Start
