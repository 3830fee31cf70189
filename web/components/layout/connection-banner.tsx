import { WifiOff } from 'lucide-react'
import { useConnected } from '../../lib/connection.ts'
import { t } from '../../lib/t.ts'

/** A live region that is always there, so that losing the connection is read out too. */
export function ConnectionBanner() {
  const connected = useConnected()
  return (
    <div role="status">
      {!connected && (
        <p className="flex items-center justify-center gap-2 bg-warn-soft px-4 py-2 text-sm text-warn">
          <WifiOff aria-hidden className="size-4 shrink-0" />
          {t('app.offline')}
        </p>
      )}
    </div>
  )
}
