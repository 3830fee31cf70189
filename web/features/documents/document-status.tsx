import { CircleAlert, CircleCheck, CircleSlash, Clock } from 'lucide-react'
import { Progress } from '../../components/ui/progress.tsx'
import { Spinner } from '../../components/ui/spinner.tsx'
import { cx } from '../../lib/cx.ts'
import { t } from '../../lib/t.ts'
import { type DocumentItem, isOpen, stageProgress, stageText } from './stage.ts'

/** What the document is doing, in words, with a bar where there is something to count. */
export function DocumentStatus({ document }: { document: DocumentItem }) {
  const { version } = document
  const text = stageText(version)
  const progress = version.cancelling ? undefined : stageProgress(version)
  return (
    <div className="flex flex-col gap-1.5">
      <p
        className={cx(
          'flex items-start gap-1.5 text-sm',
          version.stage === 'attention' ? 'text-danger' : 'text-ink-soft',
        )}
      >
        <span className="mt-0.5 shrink-0">
          <StageIcon document={document} />
        </span>
        <span className="min-w-0">
          {text}
          {document.searchable && version.stage !== 'searchable' && version.number > 1 && (
            <span className="text-ink-soft"> {t('documentStage.oldVersionStays')}</span>
          )}
        </span>
      </p>
      {progress !== undefined && (
        <Progress
          label={t('documentStage.progressOf', { name: document.name })}
          value={progress}
          text={text}
          className="max-w-md"
        />
      )}
    </div>
  )
}

function StageIcon({ document: { version } }: { document: DocumentItem }) {
  if (version.stage === 'attention') return <CircleAlert aria-hidden className="size-4" />
  if (version.stage === 'cancelled') return <CircleSlash aria-hidden className="size-4" />
  if (version.stage === 'searchable') return <CircleCheck aria-hidden className="size-4 text-accent" />
  if (version.stage === 'received' && !version.cancelling) return <Clock aria-hidden className="size-4" />
  return isOpen(version) ? <Spinner /> : null
}
