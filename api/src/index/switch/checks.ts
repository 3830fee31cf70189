// Comparisons of the two engines that an operator has ordered: only a server that runs both can make one. Whoever claims one
// renews its claim while it works; where it was killed, another server begins anew.
import { z } from 'zod'
import { BRIEF_MS, type Queryable, within } from '../../database/pool.ts'
import { ENGINE_NAMES } from '../../engine-names.ts'

const CLAIM_SECONDS = 30
export const RENEW_MS = 10_000
/** Whose command is gone need not be answered any more. */
const WANTED_MINUTES = 60

const counts = z.object({
  ...{ documents: z.number(), passages: z.number(), vectors: z.number() },
  generation: z.number().nullable(),
})
export type Counts = z.infer<typeof counts>

const difference = z.object({
  /** Where the question comes from, with its id: never its words. */
  question: z.string(),
  /** Of the ten best: the share that both engines found. */
  overlap: z.number(),
  /** Ids of passages that only the one of them found. */
  only: z.record(z.enum(ENGINE_NAMES), z.array(z.number())),
})

const comparison = z.object({
  /** Place of the log at which both were counted. */
  seq: z.number(),
  counts: z.record(z.enum(ENGINE_NAMES), counts),
  questions: z.number(),
  /** Mean of all questions, 0 to 1. */
  overlap: z.number(),
  /** Worst first, those that differ only. */
  worst: z.array(difference),
})
export type Comparison = z.infer<typeof comparison>
export type Difference = z.infer<typeof difference>

export interface Check {
  readonly id: string
  /** Questions to ask. */
  readonly sample: number
}

/** @returns its id */
export async function orderCheck(db: Queryable, sample: number): Promise<string> {
  await db.query(
    `DELETE FROM search_engine_checks WHERE asked_at < now() - interval '${WANTED_MINUTES} minutes'`,
  )
  const { rows } = await db.query<{ id: string }>(
    'INSERT INTO search_engine_checks (sample) VALUES ($1) RETURNING id',
    [sample],
  )
  if (rows[0] === undefined) throw new Error('the comparison was not noted')
  return rows[0].id
}

/** Null: nobody has finished it yet. @throws Error: why it could not be made */
export async function readCheck(db: Queryable, id: string): Promise<Comparison | null> {
  const { rows } = await db.query<{ result: unknown; trouble: string | null }>(
    within(BRIEF_MS, {
      text: 'SELECT result, trouble FROM search_engine_checks WHERE id = $1',
      values: [id],
    }),
  )
  const [row] = rows
  if (row === undefined) throw new Error('The comparison is not there any more.')
  if (row.trouble !== null) throw new Error(`The engines could not be compared: ${row.trouble}`)
  return row.result === null ? null : comparison.parse(row.result)
}

/** The oldest that nobody works on; null where there is none. */
export async function claimCheck(db: Queryable, server: string): Promise<Check | null> {
  const { rows } = await db.query<Check>(
    within(BRIEF_MS, {
      text: `UPDATE search_engine_checks SET claimed_by = $1,
               claimed_until = clock_timestamp() + make_interval(secs => ${CLAIM_SECONDS})
             WHERE id = (SELECT id FROM search_engine_checks
                         WHERE result IS NULL AND trouble IS NULL
                           AND asked_at > now() - interval '${WANTED_MINUTES} minutes'
                           AND (claimed_until IS NULL OR claimed_until < clock_timestamp())
                         ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
             RETURNING id, sample`,
      values: [server],
    }),
  )
  return rows[0] ?? null
}

export async function renewCheck(db: Queryable, id: string, server: string): Promise<void> {
  await db.query(
    within(BRIEF_MS, {
      text: `UPDATE search_engine_checks
             SET claimed_until = clock_timestamp() + make_interval(secs => ${CLAIM_SECONDS})
             WHERE id = $1 AND claimed_by = $2`,
      values: [id, server],
    }),
  )
}

/** The first who finishes it counts. */
export async function finishCheck(
  db: Queryable,
  id: string,
  outcome: { readonly result: Comparison } | { readonly trouble: string },
): Promise<void> {
  const [result, trouble] =
    'result' in outcome ? [JSON.stringify(outcome.result), null] : [null, outcome.trouble]
  await db.query(
    within(BRIEF_MS, {
      text: `UPDATE search_engine_checks SET result = $2, trouble = $3
             WHERE id = $1 AND result IS NULL AND trouble IS NULL`,
      values: [id, result, trouble],
    }),
  )
}
