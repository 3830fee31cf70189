import { useState } from 'react'
import { KEY_SCOPES } from '../../../contract/stages.ts'
import { Button } from '../../components/ui/button.tsx'
import { Dialog, DialogActions } from '../../components/ui/dialog.tsx'
import { Field } from '../../components/ui/field.tsx'
import { Input, Select } from '../../components/ui/input.tsx'
import { ShownOnce } from '../../components/ui/shown-once.tsx'
import { toFailure } from '../../lib/errors.ts'
import { t } from '../../lib/t.ts'
import { trpc } from '../../lib/trpc.ts'
import { useForm } from '../../lib/use-form.ts'
import { FormFailure } from '../entry/entry-frame.tsx'

/** Asks what the key is for, then shows it, this once. */
export function KeyDialog({ open, onClose }: { open: boolean; onClose: () => void }) {
  const [made, setMade] = useState<string | null>(null)
  const close = () => {
    setMade(null)
    onClose()
  }
  return (
    <Dialog
      open={open}
      onClose={close}
      title={t(made === null ? 'keys.makeTitle' : 'keys.madeTitle')}
      description={t(made === null ? 'keys.hint' : 'keys.madeHint')}
      closeLabel={t('action.close')}
    >
      {made === null ? (
        <KeyForm onMade={setMade} onCancel={close} />
      ) : (
        <ShownOnce label={t('keys.key')} value={made} copyLabel={t('keys.copy')} onClose={close} />
      )}
    </Dialog>
  )
}

const EXPIRIES = [30, 90, 365] as const

function KeyForm({ onMade, onCancel }: { onMade: (key: string) => void; onCancel: () => void }) {
  const utils = trpc.useUtils()
  const create = trpc.keys.create.useMutation({ onSuccess: () => utils.keys.list.invalidate() })
  const [chosen, setChosen] = useState<readonly string[]>([])
  const { form, busy, failure, error } = useForm({
    checks: {
      name: (value) => (value.trim() === '' ? t('keys.nameMissing') : null),
      scopes: () => null,
      expires: () => null,
    },
    submit: async (values) => {
      const only = KEY_SCOPES.find((each) => each === values.scopes)
      const expiresInDays = EXPIRIES.find((days) => String(days) === values.expires)
      try {
        const { key } = await create.mutateAsync({
          name: values.name.trim(),
          scopes: only === undefined ? [...KEY_SCOPES] : [only],
          ...(chosen.length === 0 ? {} : { collectionIds: [...chosen] }),
          ...(expiresInDays === undefined ? {} : { expiresInDays }),
        })
        onMade(key)
        return null
      } catch (thrown) {
        return toFailure(thrown)
      }
    },
  })
  return (
    <form {...form} className="flex flex-col gap-4">
      <FormFailure message={failure?.message ?? null} />
      <Field label={t('keys.name')} hint={t('keys.nameHint')} error={error('name')}>
        {(attributes) => <Input {...attributes} name="name" autoComplete="off" maxLength={120} autoFocus />}
      </Field>
      <Field label={t('keys.scopes')}>
        {(attributes) => (
          <Select {...attributes} name="scopes" defaultValue="both">
            <option value="both">{t('keys.scope.both')}</option>
            {KEY_SCOPES.map((scope) => (
              <option key={scope} value={scope}>
                {t(`keys.scope.${scope}`)}
              </option>
            ))}
          </Select>
        )}
      </Field>
      <Field label={t('keys.expires')}>
        {(attributes) => (
          <Select {...attributes} name="expires" defaultValue="90">
            {EXPIRIES.map((days) => (
              <option key={days} value={days}>
                {t(`keys.expiry.${days}`)}
              </option>
            ))}
            <option value="never">{t('keys.expiry.never')}</option>
          </Select>
        )}
      </Field>
      <CollectionChoice chosen={chosen} onChange={setChosen} />
      <DialogActions>
        <Button onClick={onCancel}>{t('action.cancel')}</Button>
        <Button type="submit" kind="primary" busy={busy}>
          {t('keys.makeSubmit')}
        </Button>
      </DialogActions>
    </form>
  )
}

interface ChoiceProps {
  chosen: readonly string[]
  onChange: (ids: readonly string[]) => void
}

function CollectionChoice({ chosen, onChange }: ChoiceProps) {
  const { data: collections } = trpc.collections.list.useQuery()
  if (collections === undefined || collections.length === 0) return null
  return (
    <fieldset className="flex flex-col gap-1.5">
      <legend className="text-sm font-medium">{t('keys.collections')}</legend>
      <ul className="max-h-40 overflow-y-auto rounded-lg border border-line-strong p-1.5">
        {collections.map(({ id, name }) => (
          <li key={id}>
            <label className="flex min-h-8 cursor-pointer items-center gap-2 rounded-md px-1.5 hover:bg-hover">
              <input
                type="checkbox"
                checked={chosen.includes(id)}
                onChange={({ target }) =>
                  onChange(target.checked ? [...chosen, id] : chosen.filter((each) => each !== id))
                }
              />
              <span className="truncate">{name}</span>
            </label>
          </li>
        ))}
      </ul>
      <p className="text-sm text-ink-soft">{t('keys.collectionsHint')}</p>
    </fieldset>
  )
}
