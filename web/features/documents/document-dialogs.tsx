import { LIMITS } from '../../../contract/limits.ts'
import { Button } from '../../components/ui/button.tsx'
import { ConfirmDialog } from '../../components/ui/confirm-dialog.tsx'
import { Dialog, DialogActions } from '../../components/ui/dialog.tsx'
import { Field } from '../../components/ui/field.tsx'
import { Input } from '../../components/ui/input.tsx'
import { showToast } from '../../components/ui/toast.tsx'
import { toFailure } from '../../lib/errors.ts'
import { t } from '../../lib/t.ts'
import { trpc } from '../../lib/trpc.ts'
import { useForm } from '../../lib/use-form.ts'

interface Props {
  document: { id: string; name: string } | null
  onClose: () => void
  /** After the server has agreed. */
  onDone?: () => void
}

export function RenameDocumentDialog({ document, onClose, onDone }: Props) {
  return (
    <Dialog
      open={document !== null}
      onClose={onClose}
      title={t('documentItem.renameTitle')}
      closeLabel={t('action.close')}
    >
      {document && (
        <RenameForm
          document={document}
          onCancel={onClose}
          onDone={() => {
            onClose()
            onDone?.()
          }}
        />
      )}
    </Dialog>
  )
}

function RenameForm({
  document,
  onCancel,
  onDone,
}: {
  document: { id: string; name: string }
  onCancel: () => void
  onDone: () => void
}) {
  const utils = trpc.useUtils()
  const rename = trpc.documents.rename.useMutation({ onSuccess: () => utils.documents.invalidate() })
  const { form, busy, failure, error } = useForm({
    checks: { name: (name) => (name.trim() === '' ? t('documentItem.needName') : null) },
    submit: async ({ name }) => {
      try {
        await rename.mutateAsync({ id: document.id, name: name.trim() })
      } catch (thrown) {
        return toFailure(thrown)
      }
      showToast(t('documentItem.renamed'))
      onDone()
      return null
    },
  })
  return (
    <form {...form} className="flex flex-col gap-4">
      <Field label={t('documentItem.name')} error={error('name') ?? failure?.message}>
        {(attributes) => (
          <Input
            {...attributes}
            name="name"
            defaultValue={document.name}
            maxLength={LIMITS.fileNameLength}
            autoFocus
            onFocus={(event) => event.currentTarget.select()}
          />
        )}
      </Field>
      <DialogActions>
        <Button onClick={onCancel}>{t('action.cancel')}</Button>
        <Button type="submit" kind="primary" busy={busy}>
          {t('action.save')}
        </Button>
      </DialogActions>
    </form>
  )
}

export function DeleteDocumentDialog({ document, onClose, onDone }: Props) {
  const utils = trpc.useUtils()
  const remove = trpc.documents.delete.useMutation({ onSuccess: () => utils.documents.invalidate() })
  const close = () => {
    remove.reset()
    onClose()
  }
  return (
    <ConfirmDialog
      open={document !== null}
      title={t('documentItem.deleteTitle', { name: document?.name ?? '' })}
      confirmLabel={t('action.delete')}
      busy={remove.isPending}
      failure={remove.error === null ? null : toFailure(remove.error).message}
      onClose={close}
      onConfirm={() => {
        if (document === null) return
        remove.mutate(
          { id: document.id },
          {
            onSuccess: () => {
              showToast(t('documentItem.deleted', { name: document.name }))
              close()
              onDone?.()
            },
          },
        )
      }}
    >
      {t('documentItem.deleteHint')}
    </ConfirmDialog>
  )
}
