import { LIMITS } from '../../../contract/limits.ts'
import { Button } from '../../components/ui/button.tsx'
import { Dialog, DialogActions } from '../../components/ui/dialog.tsx'
import { Field } from '../../components/ui/field.tsx'
import { Input, Textarea } from '../../components/ui/input.tsx'
import { showToast } from '../../components/ui/toast.tsx'
import { toFailure } from '../../lib/errors.ts'
import { addSentences, t } from '../../lib/t.ts'
import { trpc } from '../../lib/trpc.ts'
import { useForm } from '../../lib/use-form.ts'
import { collections } from '../../locales/en/collections.ts'
import { FormFailure } from '../entry/entry-frame.tsx'

// The start page has it, too.
addSentences(collections)

interface FormProps {
  initial?: { name: string; description: string }
  submitLabel: string
  submit: (values: { name: string; description: string }) => Promise<void>
  onCancel: () => void
}

function CollectionForm({ initial, submitLabel, submit, onCancel }: FormProps) {
  const { form, busy, failure, error } = useForm({
    checks: {
      name: (name) => (name.trim() === '' ? t('collection.needName') : null),
      description: () => null,
    },
    submit: async ({ name, description }) => {
      try {
        await submit({ name: name.trim(), description: description.trim() })
        return null
      } catch (thrown) {
        return toFailure(thrown)
      }
    },
  })
  return (
    <form {...form} className="flex flex-col gap-4">
      <FormFailure message={failure?.message ?? null} />
      <Field label={t('collection.name')} error={error('name')}>
        {(attributes) => (
          <Input
            {...attributes}
            name="name"
            defaultValue={initial?.name}
            maxLength={LIMITS.collectionNameLength}
            autoComplete="off"
            autoFocus
          />
        )}
      </Field>
      <Field
        label={t('collection.description')}
        optional={t('collection.optional')}
        hint={t('collection.descriptionHint')}
      >
        {(attributes) => (
          <Textarea
            {...attributes}
            name="description"
            defaultValue={initial?.description}
            maxLength={LIMITS.collectionDescriptionLength}
          />
        )}
      </Field>
      <DialogActions>
        <Button onClick={onCancel}>{t('action.cancel')}</Button>
        <Button type="submit" kind="primary" busy={busy}>
          {submitLabel}
        </Button>
      </DialogActions>
    </form>
  )
}

export function CreateCollectionDialog({
  open,
  onClose,
  onCreated,
}: {
  open: boolean
  onClose: () => void
  onCreated: (id: string) => void
}) {
  const utils = trpc.useUtils()
  const create = trpc.collections.create.useMutation()
  return (
    <Dialog open={open} onClose={onClose} title={t('collection.createTitle')} closeLabel={t('action.close')}>
      <CollectionForm
        submitLabel={t('collection.createSubmit')}
        onCancel={onClose}
        submit={async (values) => {
          const { id } = await create.mutateAsync(values)
          void utils.collections.list.invalidate()
          onCreated(id)
        }}
      />
    </Dialog>
  )
}

export function EditCollectionDialog({
  open,
  onClose,
  collection,
}: {
  open: boolean
  onClose: () => void
  collection: { id: string; name: string; description: string }
}) {
  const utils = trpc.useUtils()
  const update = trpc.collections.update.useMutation()
  return (
    <Dialog open={open} onClose={onClose} title={t('collection.editTitle')} closeLabel={t('action.close')}>
      <CollectionForm
        initial={collection}
        submitLabel={t('action.save')}
        onCancel={onClose}
        submit={async (values) => {
          await update.mutateAsync({ id: collection.id, ...values })
          void utils.collections.invalidate()
          showToast(t('collection.saved'))
          onClose()
        }}
      />
    </Dialog>
  )
}
