// What people's questions have taken in a month, by model: to themselves, and to the installation's owners.
// Read on the replica where there is one; whether a call may be made is never decided by this (usage.ts).
import type { Viewer } from '../access/port.ts'
import type { Queryable } from '../database/pool.ts'
import type { Lists } from '../database/reads.ts'
import { type Budget, MICRO } from './budget.ts'

/** Of some calls. Those that are under way count as what was reserved for them. */
export interface Amount {
  readonly calls: number
  readonly inputTokens: number
  readonly outputTokens: number
  /** US dollars; null when the price of none of them is known. */
  readonly cost: number | null
  /** Some of it is guessed from lengths. */
  readonly estimated: boolean
}

export interface ModelAmount extends Amount {
  /** As in MODELS, of that time. */
  readonly model: string
}

export interface Month {
  /** `2026-11` */
  readonly month: string
  /** The first day of the next one: `2026-12-01`. */
  readonly resets: string
}

export interface OwnUsage extends Month {
  /** Those that took most first. */
  readonly models: readonly ModelAmount[]
  readonly total: Amount
  /** What holds for this person. Null: no limit. */
  readonly budget: Budget
  /** Never below 0; null: no limit. */
  readonly left: Budget
}

export interface PersonUsage {
  readonly userId: string
  /** Null in it: the installation's default. */
  readonly own: Budget
  readonly models: readonly ModelAmount[]
  readonly total: Amount
}

export interface PeopleUsage extends Month {
  /** Who has used something or has a budget of their own. */
  readonly people: readonly PersonUsage[]
  readonly total: Amount
  readonly standard: Budget
}

/** What the viewer has used this month. @param standard what people have who have no budget of their own */
export async function readOwnUsage(
  { reads, budget: standard }: { readonly reads: Lists; readonly budget: Budget },
  viewer: Viewer,
): Promise<OwnUsage> {
  const { month, amounts, budgets } = await reads.read((db) => readMonth(db, null, viewer.userId))
  const own = budgets.get(viewer.userId) ?? NO_BUDGET
  const budget = { tokens: own.tokens ?? standard.tokens, usd: own.usd ?? standard.usd }
  const models = amounts.map(({ userId: _, ...amount }) => amount)
  const total = sum(models)
  const left = {
    tokens: rest(budget.tokens, total.inputTokens + total.outputTokens),
    usd: rest(budget.usd, total.cost ?? 0),
  }
  return { ...month, models, total, budget, left }
}

/** @param month `2026-11`; null: this one */
export async function readPeopleUsage(
  { reads, budget: standard }: { readonly reads: Lists; readonly budget: Budget },
  month: string | null,
): Promise<PeopleUsage> {
  const found = await reads.read((db) => readMonth(db, month, null))
  const byPerson = Map.groupBy(found.amounts, ({ userId }) => userId)
  const people = [...new Set([...byPerson.keys(), ...found.budgets.keys()])].map((userId) => {
    const models = (byPerson.get(userId) ?? []).map(({ userId: _, ...amount }) => amount)
    return { userId, own: found.budgets.get(userId) ?? NO_BUDGET, models, total: sum(models) }
  })
  return { ...found.month, people, total: sum(found.amounts), standard }
}

const NO_BUDGET: Budget = { tokens: null, usd: null }

const rest = (limit: number | null, used: number) => (limit === null ? null : Math.max(0, limit - used))

const fromMicro = (cost: number | null) => (cost === null ? null : cost / MICRO)

/** Dollars are summed as the whole micro-dollars that they are. */
function sum(amounts: readonly Amount[]): Amount {
  const costs = amounts.flatMap(({ cost }) => (cost === null ? [] : [Math.round(cost * MICRO)]))
  const all = (of: (amount: Amount) => number) => amounts.reduce((total, amount) => total + of(amount), 0)
  return {
    calls: all(({ calls }) => calls),
    inputTokens: all(({ inputTokens }) => inputTokens),
    outputTokens: all(({ outputTokens }) => outputTokens),
    cost: costs.length === 0 ? null : costs.reduce((total, cost) => total + cost, 0) / MICRO,
    estimated: amounts.some(({ estimated }) => estimated),
  }
}

interface MonthRead {
  readonly month: Month
  readonly amounts: readonly (ModelAmount & { readonly userId: string })[]
  readonly budgets: ReadonlyMap<string, Budget>
}

/** @param userId null: everybody */
async function readMonth(db: Queryable, wanted: string | null, userId: string | null): Promise<MonthRead> {
  const months = await db.query<Month>(
    `SELECT to_char(start, 'YYYY-MM') AS month, to_char(start + interval '1 month', 'YYYY-MM-DD') AS resets
     FROM (SELECT coalesce(to_date($1, 'YYYY-MM'), date_trunc('month', now() AT TIME ZONE 'UTC')) AS start) AS first`,
    [wanted],
  )
  const month = months.rows[0]
  if (month === undefined) throw new Error('a month has no reply')
  const amounts = await db.query<ModelAmount & { userId: string; cost: number | null }>(
    `SELECT user_id AS "userId", model, count(*)::int AS calls, sum(input_tokens)::float8 AS "inputTokens",
       sum(output_tokens)::float8 AS "outputTokens", sum(cost)::float8 AS cost, bool_or(estimated) AS estimated
     FROM usage_calls
     WHERE at >= $1::timestamp AT TIME ZONE 'UTC' AND at < $2::timestamp AT TIME ZONE 'UTC'
       AND ($3::text IS NULL OR user_id = $3)
     GROUP BY user_id, model ORDER BY sum(input_tokens::bigint + output_tokens) DESC, model`,
    [`${month.month}-01`, month.resets, userId],
  )
  const budgets = await db.query<{ userId: string; tokens: number | null; cost: number | null }>(
    `SELECT user_id AS "userId", tokens::float8 AS tokens, cost::float8 AS cost FROM budgets
     WHERE num_nonnulls(tokens, cost) > 0 AND ($1::text IS NULL OR user_id = $1)`,
    [userId],
  )
  return {
    month,
    amounts: amounts.rows.map((row) => ({ ...row, cost: fromMicro(row.cost) })),
    budgets: new Map(
      budgets.rows.map((row) => [row.userId, { tokens: row.tokens, usd: fromMicro(row.cost) }]),
    ),
  }
}
