import Link from 'next/link'
import { useRouter } from 'next/router'
import { Button, buttonLook } from '../../components/ui/button.tsx'
import { Skeleton } from '../../components/ui/skeleton.tsx'
import { EntryFrame } from '../../features/entry/entry-frame.tsx'
import { NewAccountForm } from '../../features/entry/new-account-form.tsx'
import { signIn } from '../../lib/auth.ts'
import { toFailure } from '../../lib/errors.ts'
import type { TerracePage } from '../../lib/page.ts'
import { t } from '../../lib/t.ts'
import { trpc } from '../../lib/trpc.ts'
import { useSignedIn } from '../../lib/use-signed-in.ts'

const Invitation: TerracePage = () => {
  const { query, isReady } = useRouter()
  const id = typeof query.id === 'string' ? query.id : ''
  const invitation = trpc.people.invitation.useQuery({ id }, { enabled: isReady })
  const accept = trpc.people.acceptInvitation.useMutation()
  const signedIn = useSignedIn()

  if (invitation.isPending) {
    return (
      <EntryFrame title={t('invitation.loading')}>
        <Skeleton className="h-40" />
      </EntryFrame>
    )
  }
  if (invitation.error !== null) {
    const failure = toFailure(invitation.error)
    const gone = failure.code === 'INVITATION_INVALID'
    return (
      <EntryFrame title={gone ? t('invitation.invalid') : t('page.failed')} hint={failure.message}>
        {gone ? (
          <Link href="/sign-in" className={buttonLook('secondary')}>
            {t('setup.toSignIn')}
          </Link>
        ) : (
          <Button onClick={() => void invitation.refetch()}>{t('action.retry')}</Button>
        )}
      </EntryFrame>
    )
  }
  const { email, invitedBy } = invitation.data
  return (
    <EntryFrame title={t('invitation.title')} hint={t('invitation.hint', { inviter: invitedBy, email })}>
      <NewAccountForm
        email={email}
        submitLabel={t('invitation.submit')}
        submit={async ({ name, password }) => {
          try {
            await accept.mutateAsync({ id, name, password })
          } catch (error) {
            return toFailure(error)
          }
          const failed = await signIn(email, password)
          if (failed === null) await signedIn('/')
          return failed
        }}
      />
    </EntryFrame>
  )
}
Invitation.frame = 'plain'
export default Invitation
