// Which engine answers searches: one row for all servers. Beside it there may be a second engine, which is built, kept for the
// way back, or dropped. A command writes what is wished (commands.ts), every server goes by it (conductor.ts), and each change
// has a number that only grows, so that a server can say how far it has heard.
//
// The room: choice.ts and servers.ts are what is in the database; switching-index.ts is the index port over both engines;
// conductor.ts is a server's side; compare.ts, questions.ts and checks.ts compare the two; command.ts is what an operator types.
import { BRIEF_MS, type Queryable, within } from '../../database/pool.ts'
import { ENGINE_NAMES, type EngineName } from '../../engine-names.ts'

export const CHOICE_CHANNEL = 'terrace_engine'

export const PHASES = ['building', 'way-back', 'dropping'] as const
export type Phase = (typeof PHASES)[number]

export interface Beside {
  readonly engine: EngineName
  readonly phase: Phase
}

export interface Choice {
  /** Answers. */
  readonly engine: EngineName
  readonly beside: Beside | null
  /** Passages a second that a cluster is filled with at most; null: as fast as it goes. */
  readonly rate: number | null
  /** Of the change that made it so. */
  readonly number: number
}

interface Row {
  readonly engine: string
  readonly beside: string | null
  readonly phase: string | null
  readonly rate: number | null
  readonly number: string
}

/** Null: nobody has ever switched, and INDEX_ENGINE says it. @throws Error at what this build does not know */
export async function readChoice(db: Queryable): Promise<Choice | null> {
  const { rows } = await db.query<Row>(
    within(BRIEF_MS, {
      name: 'search-engine',
      text: 'SELECT engine, beside, phase, rate, number FROM search_engine WHERE id = 1',
    }),
  )
  return rows[0] === undefined ? null : choiceOf(rows[0])
}

function choiceOf({ engine, beside, phase, rate, number }: Row): Choice {
  const known = { engine: engineOf(engine), rate, number: Number(number) }
  if (beside === null) return { ...known, beside: null }
  const found = PHASES.find((one) => one === phase)
  if (found === undefined)
    throw new Error(`search_engine is in the phase ${phase}, which this build does not know`)
  return { ...known, beside: { engine: engineOf(beside), phase: found } }
}

function engineOf(name: string): EngineName {
  const found = ENGINE_NAMES.find((one) => one === name)
  if (found === undefined) throw new Error(`search_engine names ${name}, which this build does not know`)
  return found
}

/** Whether a server has this engine running: it answers, is built or is kept up to date. */
export function runs({ engine, beside }: Choice, name: EngineName): boolean {
  return name === engine || (name === beside?.engine && beside.phase !== 'dropping')
}

/**
 * Builds the engine beside the one that answers, or goes on with it at another rate. What an earlier copy says of the log it
 * needs no longer counts.
 * @returns null: the choice is another one than `from` meanwhile
 */
export function beginBuilding(
  db: Queryable,
  from: { readonly engine: EngineName; readonly number: number },
  beside: EngineName,
  rate: number | null,
): Promise<Choice | null> {
  return change(
    db,
    `INSERT INTO search_engine (id, engine, beside, phase, rate, number)
     SELECT 1, $2, $3, 'building', $4, 1 WHERE $1::bigint = 0
       OR EXISTS (SELECT FROM search_engine WHERE number = $1 AND engine = $2
                    AND (beside IS NULL OR (beside = $3 AND phase = 'building')))
     ON CONFLICT (id) DO UPDATE SET beside = $3, phase = 'building', rate = $4, number = search_engine.number + 1, since = now()
       WHERE search_engine.number = $1`,
    [from.number, from.engine, beside, rate],
    `DELETE FROM index_log_floors WHERE copy = '${beside}' AND EXISTS (SELECT FROM changed)`,
  )
}

/** The other engine answers from now on, and the one before is kept. @returns null: the choice is another one meanwhile */
export function exchange(db: Queryable, { number }: Choice): Promise<Choice | null> {
  return change(
    db,
    `UPDATE search_engine SET engine = beside, beside = engine, phase = 'way-back', number = number + 1, since = now()
     WHERE id = 1 AND number = $1 AND phase IN ('building', 'way-back')`,
    [number],
  )
}

/** The engine beside is given up, with its copy. @returns null: the choice is another one meanwhile */
export function beginDropping(db: Queryable, { number }: Choice): Promise<Choice | null> {
  return change(
    db,
    `UPDATE search_engine SET phase = 'dropping', number = number + 1, since = now()
     WHERE id = 1 AND number = $1 AND phase IN ('building', 'way-back')`,
    [number],
  )
}

/** Its copy is gone. @returns null: somebody else has said so */
export function endDropping(db: Queryable, { number, beside }: Choice): Promise<Choice | null> {
  return change(
    db,
    `UPDATE search_engine SET beside = NULL, phase = NULL, rate = NULL, number = number + 1, since = now()
     WHERE id = 1 AND number = $1 AND phase = 'dropping' AND beside = $2`,
    [number, beside?.engine ?? ''],
    'DELETE FROM index_log_floors WHERE copy = $2 AND EXISTS (SELECT FROM changed)',
  )
}

/** Changes the row and tells the servers, in one statement. */
async function change(
  db: Queryable,
  sql: string,
  values: readonly unknown[],
  besides = 'SELECT',
): Promise<Choice | null> {
  const { rows } = await db.query<Row>(
    `WITH changed AS (${sql} RETURNING engine, beside, phase, rate, number), besides AS (${besides})
     SELECT changed.*, pg_notify('${CHOICE_CHANNEL}', number::text) FROM changed`,
    [...values],
  )
  return rows[0] === undefined ? null : choiceOf(rows[0])
}
