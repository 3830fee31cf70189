import { lazy, Suspense, useState } from 'react'

const ConnectModelDialog = lazy(() => import('./connect-model-dialog.tsx'))

/** How to connect a language model; its script is fetched when it is first asked for. */
export function ConnectModel({ open, onClose }: { open: boolean; onClose: () => void }) {
  // Stays once it was shown: closing it, and not taking it away, gives the focus back.
  const [shown, setShown] = useState(false)
  if (open && !shown) setShown(true)
  if (!shown) return null
  return (
    <Suspense fallback={null}>
      <ConnectModelDialog open={open} onClose={onClose} />
    </Suspense>
  )
}
