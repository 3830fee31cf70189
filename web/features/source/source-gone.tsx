import { FileX } from 'lucide-react'
import Link from 'next/link'
import { buttonLook } from '../../components/ui/button.tsx'
import { EmptyState } from '../../components/ui/empty-state.tsx'
import { t } from '../../lib/t.ts'

/** A source that may not be shown, or no longer exists; which of the two is nobody's business. */
export function SourceGone({ documentId }: { documentId?: string }) {
  return (
    <div className="p-4">
      <EmptyState
        icon={<FileX className="size-6" />}
        title={t('source.gone')}
        actions={
          documentId !== undefined && (
            <Link href={`/documents/${documentId}`} className={buttonLook('secondary', 'small')}>
              {t('source.openNewest')}
            </Link>
          )
        }
      >
        {t('source.goneHint')}
      </EmptyState>
    </div>
  )
}
