import { LIMITS } from '../../../contract/limits.ts'
import { Button } from '../../components/ui/button.tsx'
import { Dialog, DialogActions } from '../../components/ui/dialog.tsx'
import { Field } from '../../components/ui/field.tsx'
import { Input } from '../../components/ui/input.tsx'
import { showToast } from '../../components/ui/toast.tsx'
import { toFailure } from '../../lib/errors.ts'
import { t } from '../../lib/t.ts'
import { trpc } from '../../lib/trpc.ts'
import { useForm } from '../../lib/use-form.ts'
import { FormFailure } from '../entry/entry-frame.tsx'
import { type Budget, budgetText, formatDollars, readDollars, readTokens } from './wording.ts'

export interface BudgetHolder {
  readonly id: string
  readonly name: string
  readonly own: Budget
}

interface Props {
  /** Null: closed. */
  person: BudgetHolder | null
  standard: Budget
  onClose: () => void
}

/** What one person may spend in a month, where that is not what everybody may. */
export function BudgetDialog({ person, standard, onClose }: Props) {
  return (
    <Dialog
      open={person !== null}
      onClose={onClose}
      title={t('usage.setBudget', { name: person?.name ?? '' })}
      description={t('usage.budgetHint', { budget: budgetText(standard) })}
      closeLabel={t('action.close')}
    >
      {person !== null && <BudgetForm person={person} onClose={onClose} />}
    </Dialog>
  )
}

function BudgetForm({ person: { id, name, own }, onClose }: { person: BudgetHolder; onClose: () => void }) {
  const utils = trpc.useUtils()
  const set = trpc.usage.setBudget.useMutation({ onSettled: () => utils.usage.invalidate() })
  const { form, busy, failure, error } = useForm({
    checks: {
      tokens: (value) =>
        readTokens(value) === undefined ? t('usage.notTokens', { limit: LIMITS.budgetTokens }) : null,
      usd: (value) =>
        readDollars(value) === undefined
          ? t('usage.notDollars', { limit: formatDollars(LIMITS.budgetUsd) })
          : null,
    },
    submit: async (values) => {
      const budget = { tokens: readTokens(values.tokens) ?? null, usd: readDollars(values.usd) ?? null }
      try {
        await set.mutateAsync({ userId: id, ...budget })
      } catch (thrown) {
        return toFailure(thrown)
      }
      showToast(t('usage.saved', { name }))
      onClose()
      return null
    },
  })
  return (
    <form {...form} className="flex flex-col gap-4">
      <FormFailure message={failure?.message ?? null} />
      <Field label={t('usage.tokensField')} error={error('tokens')}>
        {(attributes) => (
          <Input
            {...attributes}
            name="tokens"
            inputMode="numeric"
            autoComplete="off"
            maxLength={30}
            defaultValue={own.tokens?.toString() ?? ''}
            autoFocus
          />
        )}
      </Field>
      <Field label={t('usage.dollarsField')} hint={t('usage.dollarsHint')} error={error('usd')}>
        {(attributes) => (
          <Input
            {...attributes}
            name="usd"
            inputMode="decimal"
            autoComplete="off"
            maxLength={30}
            defaultValue={own.usd?.toString() ?? ''}
          />
        )}
      </Field>
      <DialogActions>
        <Button onClick={onClose}>{t('action.cancel')}</Button>
        <Button type="submit" kind="primary" busy={busy}>
          {t('usage.saveBudget')}
        </Button>
      </DialogActions>
    </form>
  )
}
