import { useRouter } from 'next/router'
import { useEffect } from 'react'
import { EntryFrame } from '../features/entry/entry-frame.tsx'
import { SignInForm } from '../features/entry/sign-in-form.tsx'
import type { TerracePage } from '../lib/page.ts'
import { safeReturnPath, useMe } from '../lib/session.ts'
import { t } from '../lib/t.ts'
import { trpc } from '../lib/trpc.ts'
import { useSignedIn } from '../lib/use-signed-in.ts'

const SignIn: TerracePage = () => {
  const router = useRouter()
  const next = safeReturnPath(router.query.next)
  const me = useMe()
  const setup = trpc.setup.status.useQuery()
  const signedIn = useSignedIn()
  const already = me.data !== undefined && me.data !== null
  useEffect(() => {
    if (already && router.isReady) void router.replace(next)
  }, [already, router, next])

  if (setup.data?.needsOwner === true) {
    return (
      <EntryFrame title={t('signIn.notSetUp')}>
        <p className="text-pretty text-ink-soft">{t('signIn.notSetUpHint')}</p>
      </EntryFrame>
    )
  }
  return (
    <EntryFrame title={t('signIn.title')}>
      <SignInForm onSignedIn={() => signedIn(next)} />
      <p className="text-sm text-ink-soft">{t('signIn.noAccount')}</p>
    </EntryFrame>
  )
}
SignIn.frame = 'plain'
export default SignIn
