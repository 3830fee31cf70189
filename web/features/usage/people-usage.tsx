// What everybody's questions have taken in a month, and what each person may spend: for owners, on the people's page.
import { Gauge } from 'lucide-react'
import { useState } from 'react'
import { ErrorState } from '../../components/ui/error-state.tsx'
import { IconButton } from '../../components/ui/icon-button.tsx'
import { Select } from '../../components/ui/input.tsx'
import { SkeletonRows } from '../../components/ui/skeleton.tsx'
import { toFailure } from '../../lib/errors.ts'
import { addSentences, t } from '../../lib/t.ts'
import { type Outputs, trpc } from '../../lib/trpc.ts'
import { usage as sentences } from '../../locales/en/usage.ts'
import { modelName } from '../chat/models.ts'
import { BudgetDialog, type BudgetHolder } from './budget-dialog.tsx'
import { amountText, budgetOf, budgetText, lastMonths } from './wording.ts'

addSentences(sentences)

type PeopleUsage = Outputs['usage']['people']
type PersonUsage = PeopleUsage['people'][number]

interface Props {
  people: readonly { readonly id: string; readonly name: string }[]
}

export function PeopleUsageSection({ people }: Props) {
  const [months] = useState(() => lastMonths())
  const [month, setMonth] = useState(months[0]?.value)
  const usage = trpc.usage.people.useQuery(month === undefined ? {} : { month }, { staleTime: 0 })
  return (
    <section className="flex flex-col gap-2">
      <div className="flex flex-wrap items-end justify-between gap-x-4 gap-y-2">
        <h2 className="font-semibold">{t('usage.peopleTitle')}</h2>
        <div className="w-44">
          <Select
            aria-label={t('usage.month')}
            value={month}
            onChange={({ target }) => setMonth(target.value)}
          >
            {months.map(({ value, label }) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </Select>
        </div>
      </div>
      {usage.data === undefined ? (
        usage.error === null ? (
          <SkeletonRows rows={2} label={t('usage.loading')} />
        ) : (
          <ErrorState
            title={t('page.failed')}
            message={toFailure(usage.error).message}
            onRetry={() => void usage.refetch()}
          />
        )
      ) : (
        <UsageList people={people} usage={usage.data} />
      )}
    </section>
  )
}

function UsageList({ people, usage }: Props & { usage: PeopleUsage }) {
  const names = trpc.models.list.useQuery()
  const [changing, setChanging] = useState<BudgetHolder | null>(null)
  const byPerson = new Map(usage.people.map((each) => [each.userId, each]))
  const { standard } = usage
  const byModel = ({ models }: PersonUsage) =>
    models.map(({ model, ...amount }) => `${modelName(model, names.data)}: ${amountText(amount)}`).join(', ')
  return (
    <>
      <p className="text-sm text-ink-soft">{t('usage.peopleHint', { budget: budgetText(standard) })}</p>
      <ul className="divide-y divide-line rounded-2xl border border-line bg-surface shadow-soft">
        {people.map(({ id, name }) => {
          const found = byPerson.get(id)
          const limited = found !== undefined && (found.own.tokens !== null || found.own.usd !== null)
          const line = [
            found === undefined ? t('usage.nothing') : amountText(found.total),
            ...(limited ? [t('usage.budgetIs', { budget: budgetText(budgetOf(found.own, standard)) })] : []),
          ]
          return (
            <li key={id} className="flex items-center gap-x-3 py-2.5 pr-2.5 pl-4">
              <div className="min-w-0 flex-1">
                <p className="truncate font-semibold">{name}</p>
                <p className="text-sm text-ink-soft tabular-nums">{line.join(' · ')}</p>
                {found !== undefined && found.models.length > 0 && (
                  <p className="text-sm text-ink-soft tabular-nums">{byModel(found)}</p>
                )}
              </div>
              <IconButton
                label={t('usage.setBudget', { name })}
                icon={<Gauge aria-hidden className="size-4" />}
                size="small"
                onClick={() => setChanging({ id, name, own: found?.own ?? { tokens: null, usd: null } })}
              />
            </li>
          )
        })}
        {people.length > 1 && (
          <li className="py-2.5 pr-2.5 pl-4">
            <p className="font-semibold">{t('usage.everybody')}</p>
            <p className="text-sm text-ink-soft tabular-nums">{amountText(usage.total)}</p>
          </li>
        )}
      </ul>
      {usage.total.estimated && <p className="text-xs text-ink-soft">{t('usage.estimated')}</p>}
      <BudgetDialog person={changing} standard={standard} onClose={() => setChanging(null)} />
    </>
  )
}
