import { useState } from 'react'
import { Button } from '../../components/ui/button.tsx'
import { Dialog, DialogActions } from '../../components/ui/dialog.tsx'
import { showToast } from '../../components/ui/toast.tsx'
import { toFailure } from '../../lib/errors.ts'
import { t } from '../../lib/t.ts'
import { trpc } from '../../lib/trpc.ts'
import { type Choice, choicesOf, isRead, proposed } from './choices.ts'
import type { Embedder, Overview } from './rows.ts'
import { lengthOf, passagesText } from './wording.ts'

interface Props {
  open: boolean
  embedder: Embedder
  overview: Overview
  /** The model is the one in use: only passages change. */
  anew: boolean
  onClose: () => void
}

/** How long passages should be, and what a build means, before it begins. */
export function BuildDialog({ open, embedder, overview, anew, onClose }: Props) {
  const { id, name, host } = embedder
  const utils = trpc.useUtils()
  const [picked, setPicked] = useState<Choice['tokens'] | null>(null)
  const choices = choicesOf(overview, id)
  // What was picked may be there meanwhile, by another owner's hand.
  const free = choices.some(({ tokens, taken }) => tokens === picked && taken === null)
  const chosen = free ? picked : proposed(choices, overview)
  const build = trpc.generations.build.useMutation({
    // Not with the call: the row that this stands in is another one by the time the list is here.
    onSuccess: (_, { passageTokens }) => {
      const passages = passageTokens === undefined ? [] : [passagesText(passageTokens)]
      showToast(t('searchModel.built', { name: [name, ...passages].join(', ') }))
      close()
    },
    onSettled: () => utils.generations.list.invalidate(),
  })
  const close = () => {
    build.reset()
    setPicked(null)
    onClose()
  }
  return (
    <Dialog
      open={open}
      onClose={close}
      title={anew ? t('searchModel.anewTitle') : t('searchModel.buildTitle', { name })}
      closeLabel={t('action.close')}
      description={
        <>
          <p>{host === null ? t('searchModel.buildHere') : t('searchModel.buildAt', { host })}</p>
          <p className="mt-2">{t('searchModel.untilSwitch')}</p>
        </>
      }
    >
      <fieldset className="flex flex-col gap-2">
        <legend className="mb-2 font-medium">{t('searchModel.length')}</legend>
        {choices.map((choice) => (
          <LengthOption
            key={choice.tokens}
            choice={choice}
            checked={choice.tokens === chosen}
            onChoose={() => setPicked(choice.tokens)}
          />
        ))}
      </fieldset>
      <p role="status" className="text-sm text-ink-soft">
        {chosen !== null && t(isRead(overview, chosen) ? 'searchModel.readAlready' : 'searchModel.readAgain')}
      </p>
      {build.error !== null && (
        <p role="alert" className="rounded-lg bg-danger-soft px-3 py-2 text-sm text-danger">
          {toFailure(build.error).message}
        </p>
      )}
      <DialogActions>
        <Button onClick={close}>{t('action.cancel')}</Button>
        <Button
          kind="primary"
          busy={build.isPending}
          disabled={chosen === null}
          onClick={() => chosen !== null && build.mutate({ embedderId: id, passageTokens: chosen })}
        >
          {t(anew ? 'searchModel.anewSubmit' : 'searchModel.build')}
        </Button>
      </DialogActions>
    </Dialog>
  )
}

function LengthOption({
  choice: { tokens, taken },
  checked,
  onChoose,
}: {
  choice: Choice
  checked: boolean
  onChoose: () => void
}) {
  const length = lengthOf(tokens)
  const hints = [
    length === null ? null : t(`searchModel.goodFor.${length}`),
    taken === null ? null : t(`searchModel.taken.${taken}`),
  ].filter((hint) => hint !== null)
  return (
    <label className="flex items-start gap-3 rounded-lg border border-line-strong/60 px-3.5 py-2.5 not-has-disabled:cursor-pointer not-has-disabled:hover:bg-hover has-checked:border-accent has-checked:bg-accent-soft has-disabled:border-line has-disabled:bg-sunken has-focus-visible:outline-2 has-focus-visible:outline-offset-2 has-focus-visible:outline-accent">
      <input
        type="radio"
        name="passage-length"
        value={tokens}
        checked={checked}
        disabled={taken !== null}
        onChange={onChoose}
        // biome-ignore lint/a11y/noAutofocus: a dialog's first choice, as on its buttons elsewhere
        autoFocus={checked}
        className="mt-1 size-4 shrink-0 accent-accent outline-none"
      />
      <span className="min-w-0">
        <span className="block text-[0.9375rem] font-medium">
          {length === null
            ? t('searchModel.otherLength', { count: tokens })
            : t(`searchModel.length.${length}`, { count: tokens })}
        </span>
        {hints.length > 0 && <span className="block text-sm text-ink-soft">{hints.join(' ')}</span>}
      </span>
    </label>
  )
}
