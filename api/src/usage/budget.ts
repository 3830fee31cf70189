// What a person may spend on language models in a calendar month (UTC): tokens, dollars, or both. The installation has
// a default (BUDGET_TOKENS, BUDGET_USD), and an owner may give a person another one.
import type { Queryable } from '../database/pool.ts'
import { AppError } from '../errors.ts'

/** Null: no limit; of a person's own: the installation's default. 0 of either: no language model at all. */
export interface Budget {
  /** Read and written. */
  readonly tokens: number | null
  /** US dollars. */
  readonly usd: number | null
}

/** Micro-dollars in a dollar: what a token costs is not to be had in cents. */
export const MICRO = 1_000_000

/** How a person stands when they ask; costs in micro-dollars, null where there is no limit. */
export interface Standing {
  readonly usedTokens: number
  readonly usedCost: number
  readonly mostTokens: number | null
  readonly mostCost: number | null
  /** Used, with what is asked for now. */
  readonly wantedTokens: number
  /** The day on which the next month begins: `2026-12-01`. */
  readonly resets: string
  /** The same in words: `1 December`. */
  readonly day: string
}

/** Why a call was refused. */
export function budgetSpent(standing: Standing): AppError {
  const { usedTokens, usedCost, mostTokens, mostCost, wantedTokens, resets, day } = standing
  if (mostTokens === 0 || mostCost === 0) return new AppError('BUDGET_NONE')
  if (mostTokens !== null && wantedTokens > mostTokens)
    return new AppError('BUDGET_SPENT', { limit: mostTokens, used: usedTokens, unit: 'tokens', resets, day })
  const limit = (mostCost ?? 0) / MICRO
  return new AppError('BUDGET_SPENT', { limit, used: usedCost / MICRO, unit: 'US dollars', resets, day })
}

/** @param own replaces what the person had; null in it: the installation's default @throws AppError NOT_FOUND */
export async function setBudget(
  { pool }: { readonly pool: Queryable },
  personId: string,
  own: Budget,
): Promise<void> {
  const { rowCount } = await pool.query(
    `INSERT INTO budgets (user_id, tokens, cost) SELECT id, $2::bigint, $3::bigint FROM users WHERE id = $1
     ON CONFLICT (user_id) DO UPDATE SET tokens = excluded.tokens, cost = excluded.cost, updated_at = now()`,
    [personId, own.tokens, own.usd === null ? null : Math.round(own.usd * MICRO)],
  )
  if (rowCount === 0) throw new AppError('NOT_FOUND')
}
