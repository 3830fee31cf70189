// Tokens, dollars and budgets in words, and read from what somebody has typed.
import { LIMITS } from '../../../contract/limits.ts'
import { LOCALE, t } from '../../lib/t.ts'
import type { Outputs } from '../../lib/trpc.ts'

export type OwnUsage = Outputs['usage']['mine']
export type Amount = OwnUsage['total']
export type Budget = OwnUsage['budget']

/** An answer costs parts of a cent: below a dollar they are shown. */
export function formatDollars(dollars: number): string {
  const parts = dollars > 0 && dollars < 1
  return new Intl.NumberFormat(LOCALE, {
    ...{ style: 'currency', currency: 'USD' },
    maximumFractionDigits: parts ? 4 : 2,
  }).format(parts ? Math.max(dollars, 0.0001) : dollars)
}

export const costText = (cost: number | null): string =>
  cost === null ? t('usage.noPrice') : formatDollars(cost)

export const tokensOf = ({ inputTokens, outputTokens }: Amount): number => inputTokens + outputTokens

/** Tokens, and what they cost where that is known. */
export function amountText(amount: Amount): string {
  if (amount.calls === 0) return t('usage.nothing')
  const tokens = t('usage.tokens', { count: tokensOf(amount) })
  return amount.cost === null ? tokens : `${tokens} · ${formatDollars(amount.cost)}`
}

export function budgetText({ tokens, usd }: Budget): string {
  if (tokens === 0 || usd === 0) return t('usage.noneAtAll')
  if (tokens === null) return usd === null ? t('usage.unlimited') : formatDollars(usd)
  const text = t('usage.tokens', { count: tokens })
  return usd === null ? text : t('usage.either', { tokens: text, cost: formatDollars(usd) })
}

/** What holds for a person: what is null in their own is the installation's. */
export const budgetOf = (own: Budget | undefined, standard: Budget): Budget => ({
  tokens: own?.tokens ?? standard.tokens,
  usd: own?.usd ?? standard.usd,
})

/** "December 1": of a day as the API writes it, `2026-12-01`. */
export const dayText = (day: string): string =>
  new Intl.DateTimeFormat(LOCALE, { day: 'numeric', month: 'long', timeZone: 'UTC' }).format(new Date(day))

/** This month and the eleven before, newest first: in UTC, as the API counts. */
export function lastMonths(now = new Date()): { value: string; label: string }[] {
  const words = new Intl.DateTimeFormat(LOCALE, { month: 'long', year: 'numeric', timeZone: 'UTC' })
  return Array.from({ length: 12 }, (_, back) => {
    const first = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - back, 1))
    return {
      value: first.toISOString().slice(0, 7),
      label: words.format(first),
    }
  })
}

/** Null for nothing, undefined for what is no such number. Commas and spaces part thousands. */
export function readTokens(typed: string): number | null | undefined {
  const text = typed.replace(/[\s,]/g, '')
  if (text === '') return null
  return /^\d+$/.test(text) && Number(text) <= LIMITS.budgetTokens ? Number(text) : undefined
}

/** As `readTokens`, with cents. */
export function readDollars(typed: string): number | null | undefined {
  const text = typed.replace(/[\s,$]/g, '')
  if (text === '') return null
  return /^\d+(\.\d{1,6})?$/.test(text) && Number(text) <= LIMITS.budgetUsd ? Number(text) : undefined
}
