import { UserRoundX } from 'lucide-react'
import { type FormEvent, useState } from 'react'
import { COLLECTION_ROLES, type CollectionRole } from '../../../contract/stages.ts'
import { Button } from '../../components/ui/button.tsx'
import { Dialog } from '../../components/ui/dialog.tsx'
import { ErrorState } from '../../components/ui/error-state.tsx'
import { IconButton } from '../../components/ui/icon-button.tsx'
import { Select } from '../../components/ui/input.tsx'
import { SkeletonRows } from '../../components/ui/skeleton.tsx'
import { toFailure } from '../../lib/errors.ts'
import { useViewer } from '../../lib/session.ts'
import { t } from '../../lib/t.ts'
import { trpc } from '../../lib/trpc.ts'
import { FormFailure } from '../entry/entry-frame.tsx'

interface Props {
  open: boolean
  onClose: () => void
  collection: { id: string; name: string }
}

/** Who has access to a collection; every change counts at once. */
export function ShareDialog({ open, onClose, collection }: Props) {
  return (
    <Dialog
      open={open}
      onClose={onClose}
      title={t('share.title', { name: collection.name })}
      description={t('share.hint')}
      closeLabel={t('action.close')}
    >
      <Members collectionId={collection.id} />
    </Dialog>
  )
}

const asRole = (value: string): CollectionRole => COLLECTION_ROLES.find((role) => role === value) ?? 'viewer'

function Members({ collectionId }: { collectionId: string }) {
  const viewer = useViewer()
  const utils = trpc.useUtils()
  const members = trpc.collections.members.useQuery({ id: collectionId })
  const people = trpc.people.list.useQuery()
  const options = { onSettled: () => utils.collections.invalidate() }
  const setMember = trpc.collections.setMember.useMutation(options)
  const removeMember = trpc.collections.removeMember.useMutation(options)
  const error = setMember.error ?? removeMember.error

  if (members.error !== null) {
    return (
      <ErrorState
        title={t('page.failed')}
        message={toFailure(members.error).message}
        onRetry={() => void members.refetch()}
      />
    )
  }
  if (members.data === undefined) return <SkeletonRows rows={2} label={t('share.loading')} />
  const inside = new Set(members.data.map(({ userId }) => userId))
  const outside = (people.data ?? []).filter(({ id, banned }) => !banned && !inside.has(id))
  return (
    <div className="flex flex-col gap-4">
      <FormFailure message={error === null ? null : toFailure(error).message} />
      <ul aria-label={t('share.members')} className="divide-y divide-line rounded-xl border border-line">
        {members.data.map(({ userId, name, role }) => (
          <li key={userId} className="flex items-center gap-2 py-2 pr-2 pl-3.5">
            <span className="min-w-0 flex-1 truncate">
              {userId === viewer?.id ? t('share.you', { name }) : name}
            </span>
            <div className="w-28 shrink-0">
              <Select
                aria-label={t('share.roleOf', { name })}
                value={
                  setMember.isPending && setMember.variables.userId === userId
                    ? setMember.variables.role
                    : role
                }
                onChange={(event) => {
                  removeMember.reset()
                  setMember.mutate({ id: collectionId, userId, role: asRole(event.target.value) })
                }}
              >
                <RoleOptions />
              </Select>
            </div>
            <IconButton
              label={t('share.remove', { name })}
              icon={<UserRoundX aria-hidden className="size-4" />}
              size="small"
              onClick={() => {
                setMember.reset()
                removeMember.mutate({ id: collectionId, userId })
              }}
            />
          </li>
        ))}
      </ul>
      {people.data !== undefined && outside.length === 0 ? (
        <p className="text-sm text-ink-soft">{t('share.everybody')}</p>
      ) : (
        <AddMember
          people={outside}
          busy={setMember.isPending}
          onAdd={(userId, role) => setMember.mutateAsync({ id: collectionId, userId, role })}
        />
      )}
    </div>
  )
}

const RoleOptions = () =>
  COLLECTION_ROLES.map((role) => (
    <option key={role} value={role}>
      {t(`role.${role}`)}
    </option>
  ))

function AddMember({
  people,
  busy,
  onAdd,
}: {
  people: readonly { id: string; name: string; email: string | null }[]
  busy: boolean
  onAdd: (userId: string, role: CollectionRole) => Promise<unknown>
}) {
  const [userId, setUserId] = useState('')
  const [role, setRole] = useState<CollectionRole>('viewer')
  const add = (event: FormEvent) => {
    event.preventDefault()
    if (userId === '' || busy) return
    // What failed is shown above the list.
    onAdd(userId, role).then(
      () => setUserId(''),
      () => {},
    )
  }
  return (
    <form onSubmit={add} className="flex flex-wrap items-end gap-2">
      <div className="min-w-40 flex-1">
        <Select
          aria-label={t('share.person')}
          value={userId}
          onChange={(event) => setUserId(event.target.value)}
        >
          <option value="">{t('share.choose')}</option>
          {people.map((person) => (
            <option key={person.id} value={person.id}>
              {person.email === null ? person.name : `${person.name} (${person.email})`}
            </option>
          ))}
        </Select>
      </div>
      <div className="w-28">
        <Select
          aria-label={t('share.role')}
          value={role}
          onChange={(event) => setRole(asRole(event.target.value))}
        >
          <RoleOptions />
        </Select>
      </div>
      <Button type="submit" kind="primary" busy={busy} disabled={userId === ''}>
        {t('share.add')}
      </Button>
    </form>
  )
}
