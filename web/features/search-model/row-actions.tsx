import { useState } from 'react'
import { Button } from '../../components/ui/button.tsx'
import { ConfirmDialog } from '../../components/ui/confirm-dialog.tsx'
import { showToast } from '../../components/ui/toast.tsx'
import { toFailure } from '../../lib/errors.ts'
import { t } from '../../lib/t.ts'
import { trpc } from '../../lib/trpc.ts'
import { BuildDialog } from './build-dialog.tsx'
import { choicesOf } from './choices.ts'
import type { Embedder, Overview, Row } from './rows.ts'
import { titleOf } from './wording.ts'

/** What can be done with a search model now. What can not be undone, or sends texts away, is asked about first. */
export function RowActions({ row, overview }: { row: Row; overview: Overview }) {
  const { state, generation, embedder } = row
  if (state === 'available' && embedder !== null)
    return <BuildAction embedder={embedder} overview={overview} />
  if (generation === null) return null
  const { id } = generation
  const title = titleOf(generation, overview)
  if (state === 'active' && embedder !== null && embedder.dimensions !== null)
    return <BuildAction embedder={embedder} overview={overview} anew />
  if (state === 'ready' || state === 'previous')
    return (
      <div className="flex flex-wrap gap-2">
        <SwitchAction id={id} name={title} back={state === 'previous'} />
        <RemoveAction id={id} name={title} cancel={state === 'ready'} />
      </div>
    )
  if (state === 'building' || state === 'paused') return <RemoveAction id={id} name={title} cancel />
  return null
}

function useRefresh() {
  const utils = trpc.useUtils()
  return { onSettled: () => utils.generations.list.invalidate() }
}

/** A model that has no vectors yet, or the one in use with other passages. */
function BuildAction({
  embedder,
  overview,
  anew = false,
}: {
  embedder: Embedder
  overview: Overview
  anew?: boolean
}) {
  const [asking, setAsking] = useState(false)
  const busy = overview.generations.some(({ state }) => state === 'building')
  const possible = choicesOf(overview, embedder.id).some(({ taken }) => taken === null)
  return (
    <>
      {busy ? (
        <p className="text-sm text-ink-soft">{t('searchModel.oneAtATime')}</p>
      ) : (
        possible && (
          <Button
            size="small"
            aria-label={anew ? undefined : t('searchModel.buildOf', { name: embedder.name })}
            onClick={() => setAsking(true)}
          >
            {t(anew ? 'searchModel.anew' : 'searchModel.build')}
          </Button>
        )
      )}
      <BuildDialog
        open={asking}
        embedder={embedder}
        overview={overview}
        anew={anew}
        onClose={() => setAsking(false)}
      />
    </>
  )
}

function SwitchAction({ id, name, back }: { id: number; name: string; back: boolean }) {
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

function RemoveAction({ id, name, cancel }: { id: number; name: string; cancel: boolean }) {
  const [asking, setAsking] = useState(false)
  const remove = trpc.generations.remove.useMutation({
    ...useRefresh(),
    // Not with the call: this action is gone by the time the list is here.
    onSuccess: () => {
      showToast(t('searchModel.removed', { name }))
      setAsking(false)
    },
  })
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
        onConfirm={() => remove.mutate({ id })}
      >
        {t(cancel ? 'searchModel.cancelHint' : 'searchModel.removeHint')}
      </ConfirmDialog>
    </>
  )
}
