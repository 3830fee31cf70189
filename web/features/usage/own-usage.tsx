// What the person's questions have taken this month, by model, and what is left of their budget.
import { ErrorState } from '../../components/ui/error-state.tsx'
import { Progress } from '../../components/ui/progress.tsx'
import { SkeletonRows } from '../../components/ui/skeleton.tsx'
import { toFailure } from '../../lib/errors.ts'
import { addSentences, LOCALE, t } from '../../lib/t.ts'
import { trpc } from '../../lib/trpc.ts'
import { usage as sentences } from '../../locales/en/usage.ts'
import { Section } from '../account/section.tsx'
import { modelName } from '../chat/models.ts'
import { type Amount, costText, dayText, formatDollars, type OwnUsage, tokensOf } from './wording.ts'

addSentences(sentences)

const numbers = new Intl.NumberFormat(LOCALE)

export function OwnUsageSection() {
  // Every answer changes it, and no event tells of that.
  const usage = trpc.usage.mine.useQuery(undefined, { staleTime: 0 })
  return (
    <Section title={t('usage.title')} hint={t('usage.hint')} wide>
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
        <div className="flex flex-col gap-4">
          <BudgetLeft usage={usage.data} />
          <ModelTable usage={usage.data} />
        </div>
      )}
    </Section>
  )
}

function BudgetLeft({ usage }: { usage: OwnUsage }) {
  const { budget, left, total } = usage
  if (budget.tokens === 0 || budget.usd === 0) return <p>{t('usage.noBudget')}</p>
  if (budget.tokens === null && budget.usd === null)
    return <p className="text-ink-soft">{t('usage.noLimit')}</p>
  return (
    <div className="flex max-w-sm flex-col gap-3">
      {budget.tokens !== null && (
        <Spent
          label={t('usage.budgetTokens')}
          text={t('usage.spentTokens', {
            ...{ used: tokensOf(total), limit: budget.tokens, left: left.tokens ?? 0 },
          })}
          share={tokensOf(total) / budget.tokens}
        />
      )}
      {budget.usd !== null && (
        <Spent
          label={t('usage.budgetDollars')}
          text={t('usage.spentDollars', {
            used: formatDollars(total.cost ?? 0),
            limit: formatDollars(budget.usd),
            left: formatDollars(left.usd ?? 0),
          })}
          share={(total.cost ?? 0) / budget.usd}
        />
      )}
      <p className="text-sm text-ink-soft">{t('usage.resets', { date: dayText(usage.resets) })}</p>
    </div>
  )
}

function Spent({ label, text, share }: { label: string; text: string; share: number }) {
  return (
    <div className="flex flex-col gap-1.5">
      <p className="tabular-nums">{text}</p>
      <Progress label={label} value={share} text={text} />
    </div>
  )
}

function ModelTable({ usage: { models, total } }: { usage: OwnUsage }) {
  const names = trpc.models.list.useQuery()
  if (models.length === 0) return <p className="text-ink-soft">{t('usage.none')}</p>
  const cells = ({ inputTokens, outputTokens, cost }: Amount) =>
    [numbers.format(inputTokens), numbers.format(outputTokens), costText(cost)] as const
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what is wider than the screen is scrolled by the keyboard, too */}
      <section className="overflow-x-auto" tabIndex={0} aria-label={t('usage.title')}>
        <table className="w-full text-sm">
          <thead className="text-left text-ink-soft">
            <tr>
              <th scope="col" className="py-1 pr-4 font-medium">
                {t('usage.model')}
              </th>
              {(['usage.read', 'usage.written', 'usage.cost'] as const).map((key) => (
                <th key={key} scope="col" className="py-1 pl-4 text-right font-medium">
                  {t(key)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {models.map(({ model, ...amount }) => (
              <Row key={model} name={modelName(model, names.data)} cells={cells(amount)} />
            ))}
            {models.length > 1 && <Row name={t('usage.total')} cells={cells(total)} />}
          </tbody>
        </table>
      </section>
      {total.estimated && <p className="text-xs text-ink-soft">{t('usage.estimated')}</p>}
    </>
  )
}

function Row({
  name,
  cells: [read, written, cost],
}: {
  name: string
  cells: readonly [string, string, string]
}) {
  const cell = 'py-1.5 pl-4 text-right tabular-nums'
  return (
    <tr className="border-t border-line">
      <th scope="row" className="py-1.5 pr-4 text-left font-normal">
        {name}
      </th>
      <td className={cell}>{read}</td>
      <td className={cell}>{written}</td>
      <td className={cell}>{cost}</td>
    </tr>
  )
}
