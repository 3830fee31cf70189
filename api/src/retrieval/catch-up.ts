// What the asker has uploaded or seen, this server's index must have before it answers (promises P2 and P3). Usually it
// has; else it is waited for; else what is missing is read from the database and ranked with the rest; and where that
// is too much, the answer says that it is behind.

import { PersonSlots } from '../access/person-slots.ts'
import type { Viewer } from '../access/port.ts'
import type { Pool } from '../database/pool.ts'
import { AppError } from '../errors.ts'
import type { ExtraPassage, Index, IndexFilter, Position } from '../index/port.ts'
import type { ResolvedScope } from './scope.ts'

/** A publication reaches every index within milliseconds. */
const WAIT_MS = 150
/** In all, when there is more to read than is worth it. */
const LONGEST_MS = 2_000
const MOST_PASSAGES = 2_000

/** What is missing is megabytes in memory, here and in the index process, while its search lasts. */
const OF_ONE_PERSON = { atOnce: 2, waiting: 300, waitMs: 60_000 }
const OF_ALL = { atOnce: 8, waiting: 3_000, waitMs: 60_000 }
const places = new WeakMap<Index, { person: PersonSlots; all: PersonSlots }>()

/** To be disposed of when the search is over: others wait for its place. */
export interface CaughtUp extends Disposable {
  readonly extra: readonly ExtraPassage[]
  /** Of the vectors in `extra`; null where there are none. */
  readonly generation: number | null
  readonly behind: boolean
}

const ended = (behind: boolean): CaughtUp => ({
  ...{ extra: [], generation: null, behind },
  [Symbol.dispose]() {},
})

/** @throws AppError TOO_MANY_REQUESTS when hundreds of a person's searches wait for what is missing */
export async function catchUp(
  deps: { readonly pool: Pool; readonly index: Index },
  viewer: Viewer,
  { filter, head, own }: Pick<ResolvedScope, 'filter' | 'head' | 'own'>,
  seen: Position | 'head' | undefined,
  signal?: AbortSignal,
): Promise<CaughtUp> {
  const wanted = seen === 'head' ? head.seq : Math.max(own, seen?.epoch === head.epoch ? seen.seq : 0)
  // A client may say anything; nobody has seen what is not committed.
  const target = { epoch: head.epoch, seq: Math.min(wanted, head.seq) }
  const { index } = deps
  if (isAt(index, target) || index.status().position === null) return ended(false)
  if (await reached(index, target, WAIT_MS)) return ended(false)
  signal?.throwIfAborted()
  using stack = new DisposableStack()
  stack.defer(await takePlace(index, viewer))
  signal?.throwIfAborted()
  const { position: from, generation } = index.status()
  if (isAt(index, target)) return ended(false)
  if (from?.epoch === target.epoch) {
    const extra = await missing(deps.pool, filter, from.seq, target.seq, generation)
    if (extra !== null) {
      const held = stack.move()
      return { extra, generation, behind: false, [Symbol.dispose]: () => held.dispose() }
    }
  }
  stack.dispose()
  return ended(!(await reached(index, target, LONGEST_MS - WAIT_MS)))
}

/** @returns what gives the place back */
async function takePlace(index: Index, viewer: Viewer): Promise<() => void> {
  const { person, all } = places.get(index) ?? {
    person: new PersonSlots(OF_ONE_PERSON),
    all: new PersonSlots(OF_ALL),
  }
  places.set(index, { person, all })
  const release = await person.take(viewer.userId)
  try {
    const releaseAll = await all.take('all')
    return () => {
      releaseAll()
      release()
    }
  } catch (error) {
    release()
    throw error
  }
}

function isAt(index: Index, { epoch, seq }: Position): boolean {
  const { position } = index.status()
  return position !== null && position.epoch === epoch && position.seq >= seq
}

async function reached(index: Index, target: Position, timeoutMs: number): Promise<boolean> {
  try {
    await index.waitFor(target, timeoutMs)
    return true
  } catch (error) {
    if (error instanceof AppError && error.code === 'UNAVAILABLE') return false
    throw error
  }
}

interface Row {
  readonly id: string
  readonly language: string
  readonly heading: string
  readonly text: string
  readonly vector: Buffer | null
}

/** What was published in (from, to] and may count, as it is now; null when it is too much, or the log is cut. */
async function missing(
  pool: Pool,
  { kind, keys }: IndexFilter,
  from: number,
  to: number,
  generation: number | null,
): Promise<ExtraPassage[] | null> {
  const column = kind === 'collections' ? 'collection_key' : 'document_key'
  const { rows: counted } = await pool.query<{ entries: string }>(
    'SELECT count(*) AS entries FROM index_log WHERE seq > $1 AND seq <= $2',
    [from, to],
  )
  if (Number(counted[0]?.entries ?? 0) !== to - from) return null
  const { rows } = await pool.query<Row>(
    `SELECT p.id, p.language, p.heading, p.text, pv.vector
     FROM document_versions v JOIN documents d ON d.current_version_id = v.id AND d.deleted_at IS NULL
     JOIN passages p ON p.version_id = v.id
     LEFT JOIN passage_vectors pv ON pv.passage_id = p.id AND pv.generation_id = $4 AND v.stage = 'searchable'
     WHERE v.id IN (SELECT version_id FROM index_log
                    WHERE seq > $1 AND seq <= $2 AND op LIKE 'publish-%' AND ${column} = ANY($3::int[]))
     LIMIT ${MOST_PASSAGES + 1}`,
    [from, to, keys, generation],
  )
  if (rows.length > MOST_PASSAGES) return null
  return rows.map(({ id, vector, ...row }) => ({
    ...{ ...row, id: Number(id) },
    vector: vector === null ? null : new Float32Array(new Uint8Array(vector).buffer),
  }))
}
