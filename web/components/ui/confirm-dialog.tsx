import type { ReactNode } from 'react'
import { t } from '../../lib/t.ts'
import { Button, type ButtonKind } from './button.tsx'
import { Dialog, DialogActions } from './dialog.tsx'

interface Props {
  open: boolean
  title: string
  children: ReactNode
  confirmLabel: string
  /** Default danger. */
  kind?: ButtonKind
  busy: boolean
  failure: string | null
  onConfirm: () => void
  onClose: () => void
}

/** Before something that can't be undone, or has consequences elsewhere. Focus starts on Cancel. */
export function ConfirmDialog({
  open,
  title,
  children,
  confirmLabel,
  kind = 'danger',
  busy,
  failure,
  onConfirm,
  onClose,
}: Props) {
  return (
    <Dialog open={open} onClose={onClose} title={title} closeLabel={t('action.close')} description={children}>
      {failure && (
        <p role="alert" className="rounded-lg bg-danger-soft px-3 py-2 text-sm text-danger">
          {failure}
        </p>
      )}
      <DialogActions>
        <Button onClick={onClose} autoFocus>
          {t('action.cancel')}
        </Button>
        <Button kind={kind} busy={busy} onClick={onConfirm}>
          {confirmLabel}
        </Button>
      </DialogActions>
    </Dialog>
  )
}
