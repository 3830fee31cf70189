import Link from 'next/link'
import { PageColumn, PageHeader } from '../components/layout/page-header.tsx'
import { buttonLook } from '../components/ui/button.tsx'
import type { TerracePage } from '../lib/page.ts'
import { t } from '../lib/t.ts'

const NotFound: TerracePage = () => (
  <main>
    <PageColumn>
      <PageHeader title={t('page.notFound')}>{t('page.notFoundHint')}</PageHeader>
      <Link href="/" className={`${buttonLook('primary')} self-start`}>
        {t('page.home')}
      </Link>
    </PageColumn>
  </main>
)
NotFound.frame = 'plain'
export default NotFound
