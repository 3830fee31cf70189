import { CircleAlert, X } from 'lucide-react'
import { IconButton } from '../../components/ui/icon-button.tsx'
import type { Failure } from '../../lib/errors.ts'
import { t } from '../../lib/t.ts'

/** Why a question was not taken; the words are back in the composer. */
export function FailureLine({ failure, onDismiss }: { failure: Failure | null; onDismiss: () => void }) {
  return (
    <div role="alert">
      {failure !== null && (
        <div className="mb-2 flex animate-appear items-start gap-2.5 rounded-xl bg-danger-soft py-2 pr-1.5 pl-4 text-sm">
          <CircleAlert aria-hidden className="mt-1.5 size-4 shrink-0 text-danger" />
          <p className="min-w-0 flex-1 py-1">
            <span className="font-medium">{t('chat.notSent')}</span> {failure.message}{' '}
            <span className="font-mono text-xs text-ink-soft">
              {t('answer.code', { code: failure.code })}
            </span>
          </p>
          <IconButton
            size="small"
            tooltip={false}
            label={t('action.dismiss')}
            icon={<X className="size-4" />}
            onClick={onDismiss}
          />
        </div>
      )}
    </div>
  )
}
