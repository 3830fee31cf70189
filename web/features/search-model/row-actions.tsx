import { useState } from 'react'
import { Button } from '../../components/ui/button.tsx'
import { ConfirmDialog } from '../../components/ui/confirm-dialog.tsx'
import { showToast } from '../../components/ui/toast.tsx'
import { toFailure } from '../../lib/errors.ts'
import { t } from '../../lib/t.ts'
import { trpc } from '../../lib/trpc.ts'
import type { Overview, Row } from './rows.ts'

/** What can be done with a search model now. What can not be undone, or sends texts away, is asked about first. */
export function RowActions({ row, overview }: { row: Row; overview: Overview }) {
  const { state, generation, embedder } = row
  if (state === 'available' && embedder !== null)
    return <BuildAction row={row} id={embedder.id} busy={isBusy(overview)} />
  if (generation === null) return null
  if (state === 'ready' || state === 'previous')
    return (
      <div className="flex flex-wrap gap-2">
        <SwitchAction row={row} id={generation.id} back={state === 'previous'} />
        <RemoveAction row={row} id={generation.id} cancel={state === 'ready'} />
      </div>
    )
  if (state === 'building' || state === 'paused') return <RemoveAction row={row} id={generation.id} cancel />
  return null
}

const isBusy = ({ generations }: Overview) => generations.some(({ state }) => state === 'building')

function useRefresh() {
  const utils = trpc.useUtils()
  return { onSettled: () => utils.generations.list.invalidate() }
}

function BuildAction({ row: { name, host }, id, busy }: { row: Row; id: string; busy: boolean }) {
  const [asking, setAsking] = useState(false)
  const build = trpc.generations.build.useMutation(useRefresh())
  const close = () => {
    build.reset()
    setAsking(false)
  }
  if (busy) return <p className="text-sm text-ink-soft">{t('searchModel.oneAtATime')}</p>
  return (
    <>
      <Button size="small" aria-label={t('searchModel.buildOf', { name })} onClick={() => setAsking(true)}>
        {t('searchModel.build')}
      </Button>
      <ConfirmDialog
        open={asking}
        kind="primary"
        title={t('searchModel.buildTitle', { name })}
        confirmLabel={t('searchModel.build')}
        busy={build.isPending}
        failure={build.error === null ? null : toFailure(build.error).message}
        onClose={close}
        onConfirm={() =>
          build.mutate(
            { embedderId: id },
            {
              onSuccess: () => {
                showToast(t('searchModel.built', { name }))
                close()
              },
            },
          )
        }
      >
        {host === null ? t('searchModel.buildHere') : t('searchModel.buildAt', { host })}
      </ConfirmDialog>
    </>
  )
}

function SwitchAction({ row: { name }, id, back }: { row: Row; id: number; back: boolean }) {
  const switchTo = trpc.generations.switchTo.useMutation({
    ...useRefresh(),
    onSuccess: () => showToast(t('searchModel.switched', { name })),
    onError: (error) => showToast(toFailure(error).message, 'failed'),
  })
  return (
    <Button
      size="small"
      kind={back ? 'secondary' : 'primary'}
      busy={switchTo.isPending}
      aria-label={t(back ? 'searchModel.backOf' : 'searchModel.switchOf', { name })}
      onClick={() => switchTo.mutate({ id })}
    >
      {t(back ? 'searchModel.back' : 'searchModel.switch')}
    </Button>
  )
}

function RemoveAction({ row: { name }, id, cancel }: { row: Row; id: number; cancel: boolean }) {
  const [asking, setAsking] = useState(false)
  const remove = trpc.generations.remove.useMutation(useRefresh())
  const close = () => {
    remove.reset()
    setAsking(false)
  }
  return (
    <>
      <Button
        size="small"
        kind="quiet"
        aria-label={t(cancel ? 'searchModel.cancelOf' : 'searchModel.removeOf', { name })}
        onClick={() => setAsking(true)}
      >
        {t(cancel ? 'searchModel.cancel' : 'searchModel.remove')}
      </Button>
      <ConfirmDialog
        open={asking}
        title={t(cancel ? 'searchModel.cancelTitle' : 'searchModel.removeTitle', { name })}
        confirmLabel={t(cancel ? 'searchModel.cancelSubmit' : 'searchModel.removeSubmit')}
        busy={remove.isPending}
        failure={remove.error === null ? null : toFailure(remove.error).message}
        onClose={close}
        onConfirm={() =>
          remove.mutate(
            { id },
            {
              onSuccess: () => {
                showToast(t('searchModel.removed', { name }))
                close()
              },
            },
          )
        }
      >
        {t(cancel ? 'searchModel.cancelHint' : 'searchModel.removeHint')}
      </ConfirmDialog>
    </>
  )
}
