import { useState } from 'react'
import { INSTALLATION_ROLES } from '../../../contract/stages.ts'
import { Button } from '../../components/ui/button.tsx'
import { Dialog, DialogActions } from '../../components/ui/dialog.tsx'
import { Field } from '../../components/ui/field.tsx'
import { Input, Select } from '../../components/ui/input.tsx'
import { ShownOnce } from '../../components/ui/shown-once.tsx'
import { toFailure } from '../../lib/errors.ts'
import { formatDateTime } from '../../lib/format.ts'
import { t } from '../../lib/t.ts'
import { trpc } from '../../lib/trpc.ts'
import { useForm } from '../../lib/use-form.ts'
import { checkEmail } from '../entry/checks.ts'
import { FormFailure } from '../entry/entry-frame.tsx'

interface Invitation {
  email: string
  link: string
  expiresAt: Date
}

/** Asks for an address, then shows the link to hand over. */
export function InviteDialog({ open, onClose }: { open: boolean; onClose: () => void }) {
  const [made, setMade] = useState<Invitation | null>(null)
  const close = () => {
    setMade(null)
    onClose()
  }
  return (
    <Dialog
      open={open}
      onClose={close}
      title={made === null ? t('people.inviteTitle') : t('people.linkTitle')}
      description={
        made === null
          ? t('people.inviteHint')
          : t('people.linkHint', { email: made.email, date: formatDateTime(made.expiresAt) })
      }
      closeLabel={t('action.close')}
    >
      {made === null ? (
        <InviteForm onMade={setMade} onCancel={close} />
      ) : (
        <ShownOnce
          label={t('people.link')}
          value={made.link}
          copyLabel={t('people.copyLink', { email: made.email })}
          onClose={close}
        />
      )}
    </Dialog>
  )
}

function InviteForm({
  onMade,
  onCancel,
}: {
  onMade: (invitation: Invitation) => void
  onCancel: () => void
}) {
  const utils = trpc.useUtils()
  const invite = trpc.people.invite.useMutation({ onSuccess: () => utils.people.invitations.invalidate() })
  const { form, busy, failure, error } = useForm({
    checks: { email: checkEmail, role: () => null },
    submit: async (values) => {
      const email = values.email.trim()
      const role = INSTALLATION_ROLES.find((each) => each === values.role) ?? 'member'
      try {
        onMade({ email, ...(await invite.mutateAsync({ email, role })) })
        return null
      } catch (thrown) {
        return toFailure(thrown)
      }
    },
    fieldOf: ({ code }) => (code === 'EMAIL_TAKEN' ? 'email' : null),
  })
  return (
    <form {...form} className="flex flex-col gap-4">
      <FormFailure message={failure?.message ?? null} />
      <Field label={t('people.email')} error={error('email')}>
        {(attributes) => (
          <Input
            {...attributes}
            name="email"
            type="email"
            autoComplete="off"
            autoCapitalize="none"
            autoFocus
          />
        )}
      </Field>
      <Field label={t('people.role')} hint={t('people.roleHint')}>
        {(attributes) => (
          <Select {...attributes} name="role" defaultValue="member">
            {INSTALLATION_ROLES.map((role) => (
              <option key={role} value={role}>
                {t(`installationRole.${role}`)}
              </option>
            ))}
          </Select>
        )}
      </Field>
      <DialogActions>
        <Button onClick={onCancel}>{t('action.cancel')}</Button>
        <Button type="submit" kind="primary" busy={busy}>
          {t('people.inviteSubmit')}
        </Button>
      </DialogActions>
    </form>
  )
}
