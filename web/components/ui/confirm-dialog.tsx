import type { ReactNode } from 'react'
import { t } from '../../lib/t.ts'
import { Button } from './button.tsx'
import { Dialog, DialogActions } from './dialog.tsx'

interface Props {
  open: boolean
  title: string
  children: ReactNode
  confirmLabel: string
  busy: boolean
  failure: string | null
  onConfirm: () => void
  onClose: () => void
}

/** Before something that can't be undone. Focus starts on Cancel. */
export function ConfirmDialog({
  open,
  title,
  children,
  confirmLabel,
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
        <Button kind="danger" busy={busy} onClick={onConfirm}>
          {confirmLabel}
        </Button>
      </DialogActions>
    </Dialog>
  )
}
