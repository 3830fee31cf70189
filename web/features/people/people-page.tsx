// People of this installation: accounts, their roles, the invitations that are out, and what models took for each.
import { KeyRound, Trash2, UserRoundPlus, UserRoundX } from 'lucide-react'
import { useState } from 'react'
import { INSTALLATION_ROLES } from '../../../contract/stages.ts'
import { PageColumn, PageHeader } from '../../components/layout/page-header.tsx'
import { Badge } from '../../components/ui/badge.tsx'
import { Button } from '../../components/ui/button.tsx'
import { ConfirmDialog } from '../../components/ui/confirm-dialog.tsx'
import { CopyButton } from '../../components/ui/copy-button.tsx'
import { EmptyState } from '../../components/ui/empty-state.tsx'
import { ErrorState } from '../../components/ui/error-state.tsx'
import { IconButton } from '../../components/ui/icon-button.tsx'
import { Select } from '../../components/ui/input.tsx'
import { SkeletonRows } from '../../components/ui/skeleton.tsx'
import { showToast } from '../../components/ui/toast.tsx'
import { toFailure } from '../../lib/errors.ts'
import { formatDate } from '../../lib/format.ts'
import { useViewer } from '../../lib/session.ts'
import { addSentences, t } from '../../lib/t.ts'
import { type Outputs, trpc } from '../../lib/trpc.ts'
import { people as sentences } from '../../locales/en/people.ts'
import { PeopleUsageSection } from '../usage/people-usage.tsx'
import { InviteDialog } from './invite-dialog.tsx'

addSentences(sentences)

type Person = Outputs['people']['list'][number]

export function PeoplePage() {
  const viewer = useViewer()
  if (viewer !== null && viewer.role !== 'owner') {
    return (
      <PageColumn>
        <PageHeader title={t('people.title')} />
        <EmptyState title={t('people.ownersOnly')}>{t('people.ownersOnlyHint')}</EmptyState>
      </PageColumn>
    )
  }
  return <OwnersPage viewerId={viewer?.id ?? ''} />
}

function OwnersPage({ viewerId }: { viewerId: string }) {
  const people = trpc.people.list.useQuery()
  const [inviting, setInviting] = useState(false)
  return (
    <PageColumn>
      <PageHeader
        title={t('people.title')}
        actions={
          <Button
            kind="primary"
            icon={<UserRoundPlus aria-hidden className="size-4" />}
            onClick={() => setInviting(true)}
          >
            {t('people.invite')}
          </Button>
        }
      >
        {t('people.hint')}
      </PageHeader>
      <Invitations />
      {people.data === undefined ? (
        people.error === null ? (
          <SkeletonRows rows={3} label={t('people.loading')} />
        ) : (
          <ErrorState
            title={t('page.failed')}
            message={toFailure(people.error).message}
            onRetry={() => void people.refetch()}
          />
        )
      ) : (
        <>
          <Accounts people={people.data} viewerId={viewerId} />
          <PeopleUsageSection people={people.data} />
        </>
      )}
      <InviteDialog open={inviting} onClose={() => setInviting(false)} />
    </PageColumn>
  )
}

function Invitations() {
  const utils = trpc.useUtils()
  const invitations = trpc.people.invitations.useQuery()
  const revoke = trpc.people.revokeInvitation.useMutation({
    onError: (error) => showToast(toFailure(error).message, 'failed'),
    onSettled: () => utils.people.invitations.invalidate(),
  })
  if (invitations.data === undefined || invitations.data.length === 0) return null
  return (
    <section className="flex flex-col gap-2">
      <h2 className="font-semibold">{t('people.invitations')}</h2>
      <ul className="divide-y divide-line rounded-2xl border border-line bg-surface shadow-soft">
        {invitations.data.map(({ id, email, role, link, expiresAt }) => (
          <li key={id} className="flex flex-wrap items-center gap-x-3 gap-y-1 py-2.5 pr-2.5 pl-4">
            <div className="min-w-0 flex-1 basis-48">
              <p className="truncate font-semibold">{email}</p>
              <p className="text-sm text-ink-soft">
                {t(`installationRole.${role}`)} · {t('people.validUntil', { date: formatDate(expiresAt) })}
              </p>
            </div>
            <CopyButton text={link} label={t('people.copyLink', { email })} />
            <IconButton
              label={t('people.revoke', { email })}
              icon={<Trash2 aria-hidden className="size-4" />}
              size="small"
              onClick={() =>
                revoke.mutate({ id }, { onSuccess: () => showToast(t('people.revoked', { email })) })
              }
            />
          </li>
        ))}
      </ul>
    </section>
  )
}

function Accounts({ people, viewerId }: { people: readonly Person[]; viewerId: string }) {
  const utils = trpc.useUtils()
  const [removing, setRemoving] = useState<Person | null>(null)
  const [ending, setEnding] = useState<Person | null>(null)
  const options = { onSettled: () => utils.people.invalidate() }
  const setRole = trpc.people.setRole.useMutation({
    ...options,
    onError: (error) => showToast(toFailure(error).message, 'failed'),
  })
  const remove = trpc.people.remove.useMutation(options)
  const close = () => {
    remove.reset()
    setRemoving(null)
  }
  return (
    <section className="flex flex-col gap-2">
      <h2 className="font-semibold">{t('people.accounts')}</h2>
      <ul className="divide-y divide-line rounded-2xl border border-line bg-surface shadow-soft">
        {people.map((person) => (
          <li key={person.id} className="flex flex-wrap items-center gap-x-3 gap-y-2 py-2.5 pr-2.5 pl-4">
            <div className="min-w-0 flex-1 basis-48">
              <p className="flex items-center gap-2 font-semibold">
                <span className="truncate">{person.name}</span>
                {person.id === viewerId && <Badge>{t('people.you')}</Badge>}
              </p>
              <p className="truncate text-sm text-ink-soft">{person.email}</p>
            </div>
            <div className="w-32">
              <Select
                aria-label={t('people.roleOf', { name: person.name })}
                value={person.role}
                disabled={setRole.isPending}
                onChange={(event) => {
                  const role = INSTALLATION_ROLES.find((each) => each === event.target.value)
                  if (role !== undefined) setRole.mutate({ userId: person.id, role })
                }}
              >
                {INSTALLATION_ROLES.map((role) => (
                  <option key={role} value={role}>
                    {t(`installationRole.${role}`)}
                  </option>
                ))}
              </Select>
            </div>
            <IconButton
              label={t('people.endKeys', { name: person.name })}
              icon={<KeyRound aria-hidden className="size-4" />}
              size="small"
              onClick={() => setEnding(person)}
            />
            {person.id !== viewerId && (
              <IconButton
                label={t('people.remove', { name: person.name })}
                icon={<UserRoundX aria-hidden className="size-4" />}
                size="small"
                onClick={() => setRemoving(person)}
              />
            )}
          </li>
        ))}
      </ul>
      <EndKeysDialog person={ending} onClose={() => setEnding(null)} />
      {people.length === 1 && <p className="text-sm text-ink-soft">{t('people.alone')}</p>}
      <ConfirmDialog
        open={removing !== null}
        title={t('people.removeTitle', { name: removing?.name ?? '' })}
        confirmLabel={t('people.removeSubmit')}
        busy={remove.isPending}
        failure={remove.error === null ? null : toFailure(remove.error).message}
        onClose={close}
        onConfirm={() => {
          if (removing === null) return
          remove.mutate(
            { userId: removing.id },
            {
              onSuccess: () => {
                showToast(t('people.removed', { name: removing.name }))
                close()
              },
            },
          )
        }}
      >
        {t('people.removeHint')}
      </ConfirmDialog>
    </section>
  )
}

function EndKeysDialog({ person, onClose }: { person: Person | null; onClose: () => void }) {
  const utils = trpc.useUtils()
  const end = trpc.keys.revokeAll.useMutation({ onSettled: () => utils.keys.list.invalidate() })
  const close = () => {
    end.reset()
    onClose()
  }
  return (
    <ConfirmDialog
      open={person !== null}
      title={t('people.endKeysTitle', { name: person?.name ?? '' })}
      confirmLabel={t('people.endKeysSubmit')}
      busy={end.isPending}
      failure={end.error === null ? null : toFailure(end.error).message}
      onClose={close}
      onConfirm={() => {
        if (person === null) return
        const onSuccess = ({ revoked }: { revoked: number }) => {
          showToast(t('people.keysEnded', { count: revoked }))
          close()
        }
        end.mutate({ userId: person.id }, { onSuccess })
      }}
    >
      {t('people.endKeysHint')}
    </ConfirmDialog>
  )
}
