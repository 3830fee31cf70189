// The person's API keys: what each is for, when it was last used, and its end.
import { KeyRound, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { Button } from '../../components/ui/button.tsx'
import { ConfirmDialog } from '../../components/ui/confirm-dialog.tsx'
import { ErrorState } from '../../components/ui/error-state.tsx'
import { IconButton } from '../../components/ui/icon-button.tsx'
import { SkeletonRows } from '../../components/ui/skeleton.tsx'
import { showToast } from '../../components/ui/toast.tsx'
import { toFailure } from '../../lib/errors.ts'
import { formatAgo, formatDate } from '../../lib/format.ts'
import { addSentences, t } from '../../lib/t.ts'
import { type Outputs, trpc } from '../../lib/trpc.ts'
import { keys as sentences } from '../../locales/en/keys.ts'
import { KeyDialog } from './key-dialog.tsx'
import { Section } from './section.tsx'

addSentences(sentences)

type ApiKey = Outputs['keys']['list'][number]

export function ApiKeys() {
  const keys = trpc.keys.list.useQuery()
  const [making, setMaking] = useState(false)
  return (
    <Section title={t('keys.title')} hint={t('keys.hint')} wide>
      <div className="flex flex-col items-start gap-4">
        {keys.data === undefined ? (
          keys.error === null ? (
            <SkeletonRows rows={1} label={t('keys.loading')} />
          ) : (
            <ErrorState
              title={t('page.failed')}
              message={toFailure(keys.error).message}
              onRetry={() => void keys.refetch()}
            />
          )
        ) : (
          <KeyList keys={keys.data} />
        )}
        <Button icon={<KeyRound aria-hidden className="size-4" />} onClick={() => setMaking(true)}>
          {t('keys.make')}
        </Button>
      </div>
      <KeyDialog open={making} onClose={() => setMaking(false)} />
    </Section>
  )
}

function KeyList({ keys }: { keys: readonly ApiKey[] }) {
  const utils = trpc.useUtils()
  const [ending, setEnding] = useState<ApiKey | null>(null)
  const revoke = trpc.keys.revoke.useMutation({ onSettled: () => utils.keys.list.invalidate() })
  const close = () => {
    revoke.reset()
    setEnding(null)
  }
  if (keys.length === 0) return <p className="text-ink-soft">{t('keys.none')}</p>
  return (
    <>
      <ul className="w-full divide-y divide-line">
        {keys.map((key) => (
          <li key={key.id} className="flex items-center gap-3 py-2.5 first:pt-0">
            <div className="min-w-0 flex-1">
              <p className="truncate font-semibold">{key.name}</p>
              <p className="text-sm text-ink-soft">
                <code>{key.start}…</code> · {describe(key).join(' · ')}
              </p>
            </div>
            <IconButton
              label={t('keys.revoke', { name: key.name })}
              icon={<Trash2 aria-hidden className="size-4" />}
              size="small"
              onClick={() => setEnding(key)}
            />
          </li>
        ))}
      </ul>
      <ConfirmDialog
        open={ending !== null}
        title={t('keys.revokeTitle', { name: ending?.name ?? '' })}
        confirmLabel={t('keys.revokeSubmit')}
        busy={revoke.isPending}
        failure={revoke.error === null ? null : toFailure(revoke.error).message}
        onClose={close}
        onConfirm={() => {
          if (ending === null) return
          const { id, name } = ending
          const onSuccess = () => {
            showToast(t('keys.revoked', { name }))
            close()
          }
          revoke.mutate({ id }, { onSuccess })
        }}
      >
        {t('keys.revokeHint')}
      </ConfirmDialog>
    </>
  )
}

function describe({ scopes, collectionIds, usedAt, expiresAt }: ApiKey): string[] {
  const expired = expiresAt !== null && expiresAt.getTime() <= Date.now()
  return [
    ...scopes.map((scope) => t(`keys.scope.${scope}`)),
    ...(collectionIds === null ? [] : [t('keys.limited', { count: collectionIds.length })]),
    usedAt === null ? t('keys.neverUsed') : t('keys.used', { ago: formatAgo(usedAt) }),
    ...(expired ? [t('keys.expired')] : []),
    ...(expiresAt !== null && !expired ? [t('keys.until', { date: formatDate(expiresAt) })] : []),
  ]
}
