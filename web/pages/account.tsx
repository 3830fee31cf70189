import { AccountPage } from '../features/account/account-page.tsx'
import type { TerracePage } from '../lib/page.ts'

const Account: TerracePage = () => <AccountPage />
export default Account
