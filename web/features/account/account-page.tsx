// The person's own account: name, password, colours, usage, API keys, and the way out.
import { LogOut, Monitor, Moon, Sun } from 'lucide-react'
import { useEffect, useState } from 'react'
import { PageColumn, PageHeader } from '../../components/layout/page-header.tsx'
import { Button } from '../../components/ui/button.tsx'
import { Field } from '../../components/ui/field.tsx'
import { Input } from '../../components/ui/input.tsx'
import { showToast } from '../../components/ui/toast.tsx'
import { changePassword, signOut } from '../../lib/auth.ts'
import { keepDraftsOf } from '../../lib/drafts.ts'
import { toFailure } from '../../lib/errors.ts'
import { type Me, useViewer } from '../../lib/session.ts'
import { addSentences, t } from '../../lib/t.ts'
import { readTheme, setTheme, THEMES, type Theme } from '../../lib/theme.ts'
import { trpc } from '../../lib/trpc.ts'
import { useForm } from '../../lib/use-form.ts'
import { account as sentences } from '../../locales/en/account.ts'
import { checkName, checkNewPassword, checkPassword } from '../entry/checks.ts'
import { FormFailure } from '../entry/entry-frame.tsx'
import { PasswordField } from '../entry/password-field.tsx'
import { OwnUsageSection } from '../usage/own-usage.tsx'
import { ApiKeys } from './api-keys.tsx'
import { Section } from './section.tsx'

addSentences(sentences)

export function AccountPage() {
  const viewer = useViewer()
  return (
    <PageColumn>
      <PageHeader title={t('account.title')} />
      {viewer && (
        <Section title={t('account.you')}>
          <NameForm key={viewer.name} viewer={viewer} />
        </Section>
      )}
      <Section title={t('account.password')}>
        <PasswordForm />
      </Section>
      <Section title={t('account.look')}>
        <ThemeSwitch />
      </Section>
      <OwnUsageSection />
      <ApiKeys />
      <Section title={t('account.session')} hint={t('account.sessionHint')}>
        <SignOutButton />
      </Section>
    </PageColumn>
  )
}

function NameForm({ viewer }: { viewer: Me }) {
  const utils = trpc.useUtils()
  const update = trpc.people.updateMe.useMutation()
  const { form, busy, failure, error } = useForm({
    checks: { name: checkName },
    submit: async ({ name }) => {
      try {
        await update.mutateAsync({ name: name.trim() })
      } catch (thrown) {
        return toFailure(thrown)
      }
      void utils.people.invalidate()
      showToast(t('account.saved'))
      return null
    },
  })
  return (
    <form {...form} className="flex flex-col gap-4">
      <FormFailure message={failure?.message ?? null} />
      <Field label={t('account.name')} hint={t('account.nameHint')} error={error('name')}>
        {(attributes) => (
          <Input {...attributes} name="name" defaultValue={viewer.name} autoComplete="name" maxLength={120} />
        )}
      </Field>
      <Field label={t('account.email')}>
        {(attributes) => <Input {...attributes} value={viewer.email} readOnly className="text-ink-soft" />}
      </Field>
      <Button type="submit" busy={busy} className="self-start">
        {t('account.saveName')}
      </Button>
    </form>
  )
}

function PasswordForm() {
  // A new key empties the fields once the password is changed.
  const [round, setRound] = useState(0)
  const { form, busy, failure, error } = useForm({
    checks: { current: checkPassword, next: checkNewPassword },
    submit: async ({ current, next }) => {
      const failed = await changePassword(current, next)
      if (failed?.code === 'WRONG_CREDENTIALS') return { ...failed, message: t('account.wrongPassword') }
      if (failed === null) {
        showToast(t('account.passwordChanged'))
        setRound(round + 1)
      }
      return failed
    },
    fieldOf: ({ code }) => {
      if (code === 'WRONG_CREDENTIALS') return 'current'
      return code === 'PASSWORD_TOO_WEAK' ? 'next' : null
    },
  })
  return (
    <form key={round} {...form} className="flex flex-col gap-4">
      <FormFailure message={failure?.message ?? null} />
      <PasswordField
        name="current"
        label={t('account.currentPassword')}
        purpose="current"
        error={error('current')}
      />
      <PasswordField name="next" label={t('account.newPassword')} purpose="new" error={error('next')} />
      <Button type="submit" busy={busy} className="self-start">
        {t('account.changePassword')}
      </Button>
    </form>
  )
}

const THEME_LOOKS = {
  system: { icon: Monitor, label: 'account.themeSystem' },
  light: { icon: Sun, label: 'account.themeLight' },
  dark: { icon: Moon, label: 'account.themeDark' },
} as const

function ThemeSwitch() {
  const [theme, setChosen] = useState<Theme | null>(null)
  useEffect(() => setChosen(readTheme(document.cookie)), [])
  return (
    <fieldset className="flex flex-wrap gap-2">
      <legend className="sr-only">{t('account.theme')}</legend>
      {THEMES.map((each) => {
        const { icon: Icon, label } = THEME_LOOKS[each]
        return (
          <label
            key={each}
            className="flex h-10 cursor-pointer items-center gap-2 rounded-lg border border-line-strong/60 px-3.5 text-[0.9375rem] hover:bg-hover has-checked:border-accent has-checked:bg-accent-soft has-checked:text-accent has-focus-visible:outline-2 has-focus-visible:outline-offset-2 has-focus-visible:outline-accent"
          >
            <input
              type="radio"
              name="theme"
              value={each}
              checked={theme === each}
              onChange={() => {
                setTheme(each)
                setChosen(each)
              }}
              className="sr-only"
            />
            <Icon aria-hidden className="size-4" />
            {t(label)}
          </label>
        )
      })}
    </fieldset>
  )
}

function SignOutButton() {
  const [busy, setBusy] = useState(false)
  const leave = async () => {
    setBusy(true)
    const failed = await signOut()
    if (failed === null || failed.code === 'SIGN_IN_REQUIRED') {
      keepDraftsOf(null)
      // A page load and not a navigation: nothing of this person stays in memory.
      window.location.assign('/sign-in')
    } else {
      setBusy(false)
      showToast(failed.message, 'failed')
    }
  }
  return (
    <Button icon={<LogOut aria-hidden className="size-4" />} busy={busy} onClick={() => void leave()}>
      {t('account.signOut')}
    </Button>
  )
}
