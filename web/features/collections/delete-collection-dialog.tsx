import { ConfirmDialog } from '../../components/ui/confirm-dialog.tsx'
import { showToast } from '../../components/ui/toast.tsx'
import { toFailure } from '../../lib/errors.ts'
import { t } from '../../lib/t.ts'
import { trpc } from '../../lib/trpc.ts'

interface Props {
  open: boolean
  onClose: () => void
  collection: { id: string; name: string; documents: number }
  onDeleted: () => void
}

export function DeleteCollectionDialog({ open, onClose, collection, onDeleted }: Props) {
  const utils = trpc.useUtils()
  const { id, name, documents } = collection
  const remove = trpc.collections.delete.useMutation({
    // Here and not with the call: news of the deletion may take this page away before its answer is there.
    onSuccess: () => {
      showToast(t('collection.deleted', { name }))
      onDeleted()
      void utils.collections.list.invalidate()
    },
  })
  const close = () => {
    remove.reset()
    onClose()
  }
  return (
    <ConfirmDialog
      open={open}
      title={t('collection.deleteTitle', { name })}
      confirmLabel={t('collection.delete')}
      busy={remove.isPending}
      failure={remove.error === null ? null : toFailure(remove.error).message}
      onClose={close}
      onConfirm={() => remove.mutate({ id })}
    >
      {t('collection.deleteHint', { count: documents })}
    </ConfirmDialog>
  )
}
