import { useState } from 'react'
import { t } from '../../lib/t.ts'
import { trpc } from '../../lib/trpc.ts'
import { ConnectModel } from './connect-model.tsx'
import { hasOnlyPassages } from './models.ts'

/** Shown where a chat begins, as long as it is true. */
export function NoModelNotice() {
  const [open, setOpen] = useState(false)
  const list = trpc.models.list.useQuery()
  if (list.data === undefined || !hasOnlyPassages(list.data)) return null
  return (
    <div className="rounded-xl border border-line bg-surface px-4 py-3 text-sm">
      <p className="font-medium">{t('chat.noModelTitle')}</p>
      <p className="mt-0.5 text-pretty text-ink-soft">
        {t('chat.noModelText')}{' '}
        <button
          type="button"
          onClick={() => setOpen(true)}
          className="font-medium text-accent hover:underline"
        >
          {t('chat.noModelHow')}
        </button>
      </p>
      <ConnectModel open={open} onClose={() => setOpen(false)} />
    </div>
  )
}
