import { X } from 'lucide-react'
import { type ReactNode, useEffect, useRef } from 'react'
import { t } from '../../lib/t.ts'
import { IconButton } from '../ui/icon-button.tsx'

/** The navigation on phones: a modal at the left edge. */
export function Drawer({
  open,
  onClose,
  children,
}: {
  open: boolean
  onClose: () => void
  children: ReactNode
}) {
  const element = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    const dialog = element.current
    if (dialog === null || !open) return
    if (!dialog.open) dialog.showModal()
    return () => dialog.close()
  }, [open])
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: a click beside it closes; Escape does for the keyboard
    <dialog
      ref={element}
      aria-label={t('app.navigation')}
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
      onClick={(event) => {
        if (event.target === element.current) onClose()
      }}
      className="m-0 h-dvh max-h-none w-72 max-w-[85vw] animate-slide-in border-r border-line bg-canvas p-0 text-ink shadow-float"
    >
      {open && (
        <>
          <IconButton
            label={t('app.closeNavigation')}
            icon={<X aria-hidden className="size-5" />}
            tooltip={false}
            onClick={onClose}
            className="absolute top-2 right-2"
          />
          {children}
        </>
      )}
    </dialog>
  )
}
