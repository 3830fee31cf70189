import { PageColumn, PageHeader } from '../components/layout/page-header.tsx'
import type { TerracePage } from '../lib/page.ts'
import { t } from '../lib/t.ts'

const Home: TerracePage = () => (
  <PageColumn>
    <PageHeader title={t('app.name')} />
  </PageColumn>
)
export default Home
