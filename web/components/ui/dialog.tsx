import { X } from 'lucide-react'
import { type ReactNode, useEffect, useId, useRef, useState } from 'react'
import { cx } from '../../lib/cx.ts'
import { IconButton } from './icon-button.tsx'

interface Props {
  open: boolean
  onClose: () => void
  title: string
  closeLabel: string
  description?: ReactNode
  children: ReactNode
  wide?: boolean
}

/**
 * The browser's own modal <dialog>: focus is kept inside and handed back, the page behind is inert, Escape
 * closes. Its content exists only while it is open, so forms in it start fresh each time.
 */
export function Dialog({ open, onClose, title, closeLabel, description, children, wide = false }: Props) {
  const element = useRef<HTMLDialogElement>(null)
  const id = useId()
  // What is inside is drawn once the dialog shows: a field that focuses itself can't while it is hidden.
  const [shown, setShown] = useState(false)

  useEffect(() => {
    const dialog = element.current
    if (dialog === null || !open) return
    if (!dialog.open) dialog.showModal()
    setShown(true)
    return () => {
      setShown(false)
      dialog.close()
    }
  }, [open])

  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: a click on the backdrop closes; Escape does for the keyboard
    <dialog
      ref={element}
      aria-labelledby={`${id}-title`}
      aria-describedby={description ? `${id}-description` : undefined}
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
      onClick={(event) => {
        if (event.target === element.current) onClose()
      }}
      className={cx(
        'm-auto w-[calc(100vw-2rem)] animate-appear rounded-2xl border border-line bg-surface p-0 text-ink shadow-float',
        'max-h-[calc(100dvh-2rem)] overflow-y-auto',
        wide ? 'max-w-2xl' : 'max-w-md',
      )}
    >
      {open && shown && (
        <div className="flex flex-col gap-4 p-5 sm:p-6">
          <div className="flex items-start justify-between gap-4">
            <h2 id={`${id}-title`} className="min-w-0 text-lg font-semibold text-balance">
              {title}
            </h2>
            <IconButton
              label={closeLabel}
              icon={<X aria-hidden className="size-5" />}
              size="small"
              tooltip={false}
              onClick={onClose}
              className="-mt-1 -mr-1"
            />
          </div>
          {description && (
            <div id={`${id}-description`} className="-mt-2 text-[0.9375rem] text-ink-soft">
              {description}
            </div>
          )}
          {children}
        </div>
      )}
    </dialog>
  )
}

export const DialogActions = ({ children }: { children: ReactNode }) => (
  <div className="flex flex-wrap justify-end gap-2 pt-1">{children}</div>
)
