import Link from 'next/link'
import { buttonLook } from '../components/ui/button.tsx'
import { EntryFrame } from '../features/entry/entry-frame.tsx'
import type { TerracePage } from '../lib/page.ts'
import { t } from '../lib/t.ts'

const NotFound: TerracePage = () => (
  <EntryFrame title={t('page.notFound')} hint={t('page.notFoundHint')}>
    <Link href="/" className={buttonLook('primary')}>
      {t('page.home')}
    </Link>
  </EntryFrame>
)
NotFound.frame = 'plain'
export default NotFound
