import Link from 'next/link'
import { useRouter } from 'next/router'
import { buttonLook } from '../components/ui/button.tsx'
import { Skeleton } from '../components/ui/skeleton.tsx'
import { EntryFrame } from '../features/entry/entry-frame.tsx'
import { NewAccountForm } from '../features/entry/new-account-form.tsx'
import { signIn } from '../lib/auth.ts'
import { toFailure } from '../lib/errors.ts'
import type { TerracePage } from '../lib/page.ts'
import { t } from '../lib/t.ts'
import { trpc } from '../lib/trpc.ts'
import { useSignedIn } from '../lib/use-signed-in.ts'

/** Opened by the set-up link, or by the link that resets an owner's password: both carry a token. */
const Setup: TerracePage = () => {
  const { query, isReady } = useRouter()
  const token = typeof query.token === 'string' && query.token !== '' ? query.token : null
  const status = trpc.setup.status.useQuery()
  const createOwner = trpc.setup.createOwner.useMutation()
  const signedIn = useSignedIn()

  if (!isReady || status.isPending) {
    return (
      <EntryFrame title={t('setup.title')}>
        <Skeleton className="h-40" />
      </EntryFrame>
    )
  }
  if (token === null) {
    const done = status.data?.needsOwner === false
    return (
      <EntryFrame
        title={done ? t('setup.done') : t('setup.noToken')}
        hint={done ? null : t('setup.noTokenHint')}
      >
        {done && (
          <Link href="/sign-in" className={buttonLook('primary')}>
            {t('setup.toSignIn')}
          </Link>
        )}
      </EntryFrame>
    )
  }
  const first = status.data?.needsOwner !== false
  return (
    <EntryFrame
      title={first ? t('setup.title') : t('setup.resetTitle')}
      hint={first ? t('setup.hint') : t('setup.resetHint')}
    >
      <NewAccountForm
        submitLabel={first ? t('setup.submit') : t('setup.resetSubmit')}
        submit={async (account) => {
          try {
            await createOwner.mutateAsync({ ...account, token })
          } catch (error) {
            return toFailure(error)
          }
          const failed = await signIn(account.email, account.password)
          if (failed === null) await signedIn('/')
          return failed
        }}
      />
    </EntryFrame>
  )
}

Setup.frame = 'plain'
export default Setup
