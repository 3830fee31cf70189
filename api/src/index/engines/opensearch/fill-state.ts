// How far an index is filled, kept in that index: whoever is the writer next goes on from there, or sweeps it where what was
// written is not of this log, model and reading any more.
import { z } from 'zod'
import type { Queryable } from '../../../database/pool.ts'
import { activeGeneration, readLog, switchedSince } from '../../database-source.ts'
import { activeReading } from '../../rebuild.ts'
import type { Generation } from '../../source.ts'
import type { LogPosition } from '../../state.ts'
import { checkHistory, HistoryChanged } from '../../tail.ts'
import { type Cluster, Trouble } from './cluster.ts'
import { logPosition, readFacts } from './documents.ts'
import { type IndexIdentity, type IndexPlace, sweep, unsearchedIndexes } from './mapping.ts'

export interface FillState {
  /** Where the log ended when it began, and what everything is written with as version; `seen`: when rows were read last. */
  readonly position: LogPosition
  /** Of the generation that was active when it began. */
  readonly reading: number
  /** Key of the last document that is in the index as a whole, 0 before the first. All before it are, too. */
  readonly lastKey: number
  /** All documents are: from here on the log is applied. */
  readonly complete: boolean
  /** Passages: written so far, and as many as there were when it began. */
  readonly done: number
  readonly total: number
}

/** A fill, and the index that it is in. */
export interface Fill extends IndexIdentity {
  readonly state: FillState
  /** Of the log that was applied to it since it was complete; null: none was. */
  readonly reached: LogPosition | null
}

const FILL = 'fill'
/** Beyond every document's key. */
const COMPLETE = 2 ** 31

const stateOf = z.object({
  ...{ position: logPosition, reading: z.number(), lastKey: z.number(), complete: z.boolean() },
  ...{ done: z.number(), total: z.number() },
})
const found = z.object({ _source: z.object({ state: stateOf }) })

/** After everything that it speaks of was acknowledged. @throws Trouble */
export async function writeFillState(cluster: Cluster, index: string, state: FillState): Promise<void> {
  const version = state.complete ? COMPLETE : state.lastKey
  const query = { routing: FILL, version, version_type: 'external_gte' }
  const path = `/${index}/_doc/${FILL}`
  try {
    await cluster.send({ method: 'PUT', path, query, body: { state }, idempotent: true })
  } catch (error) {
    // Who was the writer before has got further in its last moments.
    if (error instanceof Trouble && error.type === 'version_conflict_engine_exception') return
    throw error
  }
}

/** @returns null: there is none that this build can read. @throws Trouble */
async function readFillState(cluster: Cluster, index: string): Promise<FillState | null> {
  try {
    const query = { routing: FILL }
    const answer = await cluster.send({ method: 'GET', path: `/${index}/_doc/${FILL}`, query })
    return found.safeParse(answer).data?._source.state ?? null
  } catch (error) {
    if (error instanceof Trouble && error.kind === 'missing') return null
    throw error
  }
}

/**
 * The fill that can be gone on with; what else nobody searches is removed.
 * @param from the place of the log that it has to be at, at least
 * @param left told of each that can not, and why
 * @throws Trouble, or what the database says
 */
export async function findFill(
  db: Queryable,
  cluster: Cluster,
  place: IndexPlace,
  from: number,
  left: (index: string, why: string) => void,
): Promise<Fill | null> {
  let best: Fill | null = null
  for (const index of await unsearchedIndexes(cluster, place)) {
    const state = await readFillState(cluster, index.name)
    // To begin anew is sooner done than to wait for what may be under way.
    if (state === null || state.lastKey === 0) continue
    const reached = state.complete ? ((await readFacts(cluster, index.name))?.facts.position ?? null) : null
    const position = reached ?? state.position
    const why =
      position.seq < from
        ? `entry ${from} of the log can not be applied to it`
        : await whyNot(db, { ...state, position, since: endOf(state.position), generation: index.generation })
    if (why !== null) left(index.name, why)
    else if (best === null || best.state.done < state.done) best = { ...index, state, reached }
  }
  await sweep(cluster, place, new Set(best === null ? [] : [best.name]), false)
  return best
}

interface Continued extends Pick<FillState, 'position' | 'reading'> {
  /** Entries up to here are known to be no switch. */
  readonly since: number
  readonly generation: Generation | null
}

/** The end of the log that is behind all that was read. */
export const endOf = ({ seq, seen }: LogPosition): number => seen?.seq ?? seq

/**
 * Why a fill can not be gone on with, in words for the log; null: it can. An epoch ends it even where the past is the same:
 * of a portion that was under way when the writer was killed nobody knows what end of the log it had seen.
 * @throws what the database says
 */
export async function whyNot(db: Queryable, fill: Continued): Promise<string | null> {
  const { position, since, generation } = fill
  const log = await readLog(db, position)
  if (log.head.epoch !== position.epoch) return 'the log is in another epoch'
  try {
    checkHistory(position, log)
  } catch (error) {
    if (error instanceof HistoryChanged) return error.message
    throw error
  }
  const active = await activeGeneration(db)
  // The first generation's vectors come by the log.
  const isOther = generation !== null && generation.id !== active?.id
  if (isOther || (await switchedSince(db, since))) return 'another search model was switched to'
  return (await activeReading(db)) === fill.reading ? null : 'documents are read in another way'
}
