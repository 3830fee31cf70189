import { CircleAlert } from 'lucide-react'
import type { ReactNode } from 'react'
import { t } from '../../lib/t.ts'
import { Button } from './button.tsx'

interface Props {
  title: string
  message: string
  onRetry?: () => void
  actions?: ReactNode
}

/** Something could not be shown: what, why, and the way on. */
export function ErrorState({ title, message, onRetry, actions }: Props) {
  return (
    <div
      role="alert"
      className="flex flex-col items-center gap-3 rounded-2xl bg-danger-soft px-6 py-10 text-center"
    >
      <CircleAlert aria-hidden className="size-7 text-danger" />
      <h2 className="text-lg font-semibold text-balance">{title}</h2>
      <p className="max-w-prose text-[0.9375rem] text-pretty">{message}</p>
      {(onRetry || actions) && (
        <div className="mt-1 flex flex-wrap justify-center gap-2">
          {onRetry && <Button onClick={onRetry}>{t('action.retry')}</Button>}
          {actions}
        </div>
      )}
    </div>
  )
}
