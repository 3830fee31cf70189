// What language models are asked for people, one row a call: reserved before it begins with what it may take at most,
// settled afterwards with what it took. A reservation counts like the rest, so that nobody's parallel questions spend
// more than one budget. Any server may settle or take back what another one has reserved.
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import type { Logger } from 'pino'
import { databaseIsAway } from '../database/away.ts'
import { type Pool, transaction, within } from '../database/pool.ts'
import type { Counted, ModelInfo } from '../models/port.ts'
import { estimateTokens } from '../models/tokens.ts'
import { type Budget, budgetSpent, MICRO, type Standing } from './budget.ts'

export type Purpose = 'answer' | 'rewriting'

export interface Reservation {
  readonly personId: string
  readonly model: Pick<ModelInfo, 'id' | 'price'>
  readonly purpose: Purpose
  /** A UUID by which the call is settled elsewhere, such as its attempt's. Default: a new one. */
  readonly id?: string
  /** Of the prompt, estimated from above. */
  readonly inputTokens: number
  readonly maxOutputTokens: number
  /** Ends the waiting for a database that is away. */
  readonly signal?: AbortSignal
}

export interface Usage {
  /**
   * Makes room in the person's budget of this month. Asked again with the same id it changes nothing.
   * @returns the call's id, for `settle` or `release`
   * @throws AppError BUDGET_SPENT, BUDGET_NONE; the signal's reason; CallSettled for an id that was settled already
   */
  reserve(reservation: Reservation): Promise<string>
  /**
   * What a call took, in place of what was reserved for it. Where the provider did not count, it is guessed from `said`,
   * which is all that its model wrote, thoughts included.
   * What was settled stays, unless it was a guess and `counted` is none. Never throws: a failure is logged and tried
   * again beside; in the end the reservation stands.
   */
  settle(id: string, counted: Counted | null, said: string): Promise<void>
  /** Takes a reservation back whose call never reached its model. Never throws, as `settle`. */
  release(id: string): Promise<void>
  /** Waits for what is being tried again. */
  close(): Promise<void>
}

export class CallSettled extends Error {
  constructor(id: string) {
    super(`the usage of ${id} was settled already`)
    this.name = 'CallSettled'
  }
}

export interface UsageDependencies {
  readonly pool: Pool
  readonly log: Logger
  /** Of everybody who has none of their own. */
  readonly budget: Budget
}

/** A question waits so long for a database that is away: 8 s in all. */
const AWAY_PAUSES_MS = [250, 500, 1_000, 2_000, 4_000]
const SETTLE_PAUSES_MS = [500, 2_000, 8_000]
/** An answer waits so long for its end to be counted. */
const SETTLE_MS = 2_000
/** What a provider counts can't be more; other numbers are none. */
const MOST_TOKENS = 1_000_000_000

export function createUsage({ pool, log, budget }: UsageDependencies): Usage {
  const inTurn = createTurns()
  const pending = new Set<Promise<void>>()
  const closing = new AbortController()

  async function written(id: string, query: pg.QueryConfig): Promise<void> {
    const write = () => pool.query(within(SETTLE_MS, query))
    try {
      await write()
    } catch (err) {
      log.warn({ err, call: id }, 'what a model was asked was not counted yet')
      const later = again(id, write).finally(() => pending.delete(later))
      pending.add(later)
    }
  }

  async function again(id: string, write: () => Promise<unknown>): Promise<void> {
    for (const pause of SETTLE_PAUSES_MS) {
      await sleep(pause, undefined, { signal: closing.signal }).catch(() => {})
      try {
        await write()
        return
      } catch (err) {
        log.warn({ err, call: id }, 'what a model was asked was not counted yet')
      }
    }
    log.error(
      { call: id },
      'what a model was asked counts as what was reserved for it: it could not be settled',
    )
  }

  return {
    async reserve({ id = randomUUID(), signal, ...call }) {
      for (let tries = 0; ; tries++) {
        try {
          await reserveOnce({ pool, budget, inTurn }, { id, ...call })
          return id
        } catch (error) {
          // With the same id it may be asked again, also when only the reply was lost.
          const pause = AWAY_PAUSES_MS[tries]
          if (pause === undefined || !databaseIsAway(error)) throw error
          log.warn({ err: error, call: id }, 'the database is away: a reservation waits for it')
          await sleep(pause, undefined, signal === undefined ? {} : { signal }).catch(() => {})
          signal?.throwIfAborted()
        }
      }
    },
    settle(id, counted, said) {
      const values = [
        id,
        tokensOf(counted?.inputTokens),
        tokensOf(counted?.outputTokens),
        estimateTokens(said),
      ]
      return written(id, { name: 'settle-usage', text: SETTLE, values })
    },
    release: (id) => written(id, { name: 'release-usage', text: RELEASE, values: [id] }),
    async close() {
      closing.abort()
      await Promise.all(pending)
    },
  }
}

function tokensOf(count: number | null | undefined): number | null {
  return Number.isInteger(count) && Number(count) >= 0 && Number(count) <= MOST_TOKENS ? Number(count) : null
}

type Reserved = Omit<Reservation, 'id' | 'signal'> & { readonly id: string }

/** $1 … $7 are the values of `valuesOf`. */
const ROW = `INSERT INTO usage_calls (id, user_id, model, purpose, input_tokens, output_tokens, input_price, output_price, cost)
  SELECT $1::uuid, $2, $3, $4, $5::int, $6::int, $7::numeric, $8::numeric, ceil($5 * $7::numeric + $6 * $8::numeric)::bigint`

/** Where no limit holds there is nothing to wait for. */
const RESERVE_FREELY = `${ROW}
  WHERE NOT EXISTS (SELECT 1 FROM budgets WHERE user_id = $2 AND num_nonnulls(tokens, cost) > 0)
  ON CONFLICT (id) DO NOTHING`

/** A budget of 0 is for no language model at all; without a price only tokens count. */
const RESERVE = `
  WITH used AS (
    SELECT coalesce(sum(input_tokens::bigint + output_tokens), 0) AS tokens, coalesce(sum(cost), 0) AS cost FROM usage_calls
    WHERE user_id = $2 AND at >= date_trunc('month', now(), 'UTC')),
  most AS (
    SELECT coalesce(b.tokens, $9::bigint) AS tokens, coalesce(b.cost, $10::bigint) AS cost
    FROM (VALUES ($2)) AS person (id) LEFT JOIN budgets b ON b.user_id = person.id),
  asked AS (
    SELECT $5::bigint + $6 AS tokens, coalesce(ceil($5 * $7::numeric + $6 * $8::numeric), 0) AS cost),
  reserved AS (
    ${ROW} FROM used, most, asked
    WHERE (most.tokens IS NULL OR (most.tokens > 0 AND used.tokens + asked.tokens <= most.tokens))
      AND (most.cost IS NULL OR (most.cost > 0 AND (asked.cost = 0 OR used.cost + asked.cost <= most.cost)))
    ON CONFLICT (id) DO NOTHING RETURNING id)
  SELECT used.tokens::float8 AS "usedTokens", used.cost::float8 AS "usedCost", most.tokens::float8 AS "mostTokens",
    most.cost::float8 AS "mostCost", (used.tokens + asked.tokens)::float8 AS "wantedTokens", EXISTS (SELECT 1 FROM reserved) AS made,
    (SELECT state FROM usage_calls WHERE id = $1 AND user_id = $2) AS state,
    to_char(next, 'YYYY-MM-DD') AS resets, to_char(next, 'FMDD FMMonth') AS day
  FROM used, most, asked, (SELECT date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month' AS next) AS month`

const INPUT = 'coalesce($2::int, input_tokens)'
/** No model says more than it may, however its text is guessed. */
const OUTPUT = 'coalesce($3::int, least($4::int, output_tokens))'

const SETTLE = `
  UPDATE usage_calls SET state = 'settled', estimated = num_nulls($2::int, $3::int) > 0, input_tokens = ${INPUT}, output_tokens = ${OUTPUT},
    cost = ceil(${INPUT} * input_price + ${OUTPUT} * output_price)::bigint
  WHERE id = $1 AND (state = 'reserved' OR (estimated AND num_nulls($2::int, $3::int) = 0))`

const RELEASE = "DELETE FROM usage_calls WHERE id = $1 AND state = 'reserved'"

function valuesOf({ id, personId, model, purpose, inputTokens, maxOutputTokens }: Reserved): unknown[] {
  const { price } = model
  return [id, personId, model.id, purpose, inputTokens, maxOutputTokens, price?.input, price?.output]
}

interface Reserving extends Pick<UsageDependencies, 'pool' | 'budget'> {
  readonly inTurn: InTurn
}

async function reserveOnce({ pool, budget, inTurn }: Reserving, call: Reserved): Promise<void> {
  const values = valuesOf(call)
  if (budget.tokens === null && budget.usd === null) {
    const free = await pool.query({ name: 'reserve-usage-freely', text: RESERVE_FREELY, values })
    if (free.rowCount === 1) return
  }
  const usd = budget.usd === null ? null : Math.round(budget.usd * MICRO)
  const standing = await inTurn(call.personId, () =>
    transaction(pool, async (client) => {
      // A statement of its own: the sum has to be of what was committed when the lock was there.
      await client.query("SELECT pg_advisory_xact_lock(hashtextextended('usage ' || $1, 0))", [call.personId])
      const { rows } = await client.query<Standing & { made: boolean; state: string | null }>({
        name: 'reserve-usage',
        text: RESERVE,
        values: [...values, budget.tokens, usd],
      })
      return rows[0]
    }),
  )
  if (standing === undefined) throw new Error('a reservation has no reply')
  if (standing.made || standing.state === 'reserved') return
  if (standing.state !== null) throw new CallSettled(call.id)
  throw budgetSpent(standing)
}

type InTurn = <T>(personId: string, work: () => Promise<T>) => Promise<T>

/** One after the other for each person: who asks a hundred questions at once holds one of the pool's connections, not all. */
function createTurns(): InTurn {
  const last = new Map<string, Promise<unknown>>()
  return async (personId, work) => {
    const before = last.get(personId) ?? Promise.resolve()
    const mine = before.then(work, work)
    last.set(personId, mine)
    try {
      return await mine
    } finally {
      if (last.get(personId) === mine) last.delete(personId)
    }
  }
}
