import { Button } from '../../components/ui/button.tsx'
import { Field } from '../../components/ui/field.tsx'
import { Input } from '../../components/ui/input.tsx'
import type { Failure } from '../../lib/errors.ts'
import { t } from '../../lib/t.ts'
import { useForm } from '../../lib/use-form.ts'
import { checkEmail, checkName, checkNewPassword } from './checks.ts'
import { FormFailure } from './entry-frame.tsx'
import { PasswordField } from './password-field.tsx'

export interface NewAccount {
  name: string
  email: string
  password: string
}

interface Props {
  submitLabel: string
  /** Given by an invitation: shown, not asked. */
  email?: string
  submit: (account: NewAccount) => Promise<Failure | null>
}

export function NewAccountForm({ submitLabel, email, submit }: Props) {
  const { form, busy, failure, error } = useForm({
    checks: { name: checkName, email: checkEmail, password: checkNewPassword },
    submit: (values) => submit({ ...values, name: values.name.trim(), email: values.email.trim() }),
    fieldOf: ({ code }) => {
      if (code === 'PASSWORD_TOO_WEAK') return 'password'
      return code === 'EMAIL_TAKEN' ? 'email' : null
    },
  })
  return (
    <form {...form} className="flex flex-col gap-4">
      <FormFailure message={failure?.message ?? null} />
      <Field label={t('entry.name')} error={error('name')}>
        {(attributes) => <Input {...attributes} name="name" autoComplete="name" maxLength={120} autoFocus />}
      </Field>
      <Field label={t('entry.email')} error={error('email')}>
        {(attributes) => (
          <Input
            {...attributes}
            name="email"
            type="email"
            autoComplete="username"
            autoCapitalize="none"
            spellCheck={false}
            {...(email !== undefined && { defaultValue: email, readOnly: true })}
          />
        )}
      </Field>
      <PasswordField name="password" label={t('entry.newPassword')} purpose="new" error={error('password')} />
      <Button type="submit" kind="primary" busy={busy}>
        {submitLabel}
      </Button>
    </form>
  )
}
