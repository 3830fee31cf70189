import { CircleAlert } from 'lucide-react'
import type { ReactNode } from 'react'
import { t } from '../../lib/t.ts'
import { Button } from './button.tsx'

interface Props {
  title: string
  message: string
  onRetry?: () => void
  actions?: ReactNode
  /** 1 where it is all that the page shows. */
  level?: 1 | 2
}

/** Something could not be shown: what, why, and the way on. */
export function ErrorState({ title, message, onRetry, actions, level = 2 }: Props) {
  const Heading = level === 1 ? 'h1' : 'h2'
  return (
    <div
      role="alert"
      className="flex flex-col items-center gap-3 rounded-2xl bg-danger-soft px-6 py-10 text-center"
    >
      <CircleAlert aria-hidden className="size-7 text-danger" />
      <Heading className="text-lg font-semibold text-balance">{title}</Heading>
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
