import { Button } from '../../components/ui/button.tsx'
import { Field } from '../../components/ui/field.tsx'
import { Input } from '../../components/ui/input.tsx'
import { signIn } from '../../lib/auth.ts'
import { t } from '../../lib/t.ts'
import { useForm } from '../../lib/use-form.ts'
import { checkEmail, checkPassword } from './checks.ts'
import { FormFailure } from './entry-frame.tsx'
import { PasswordField } from './password-field.tsx'

export function SignInForm({ onSignedIn }: { onSignedIn: () => Promise<void> }) {
  const { form, busy, failure, error } = useForm({
    checks: { email: checkEmail, password: checkPassword },
    submit: async ({ email, password }) => {
      const failed = await signIn(email.trim(), password)
      if (failed === null) await onSignedIn()
      return failed
    },
  })
  return (
    <form {...form} className="flex flex-col gap-4">
      <FormFailure message={failure?.message ?? null} />
      <Field label={t('entry.email')} error={error('email')}>
        {(attributes) => (
          <Input
            {...attributes}
            name="email"
            type="email"
            autoComplete="username"
            autoCapitalize="none"
            spellCheck={false}
            autoFocus
          />
        )}
      </Field>
      <PasswordField
        name="password"
        label={t('entry.password')}
        purpose="current"
        error={error('password')}
      />
      <Button type="submit" kind="primary" busy={busy}>
        {t('signIn.submit')}
      </Button>
    </form>
  )
}
