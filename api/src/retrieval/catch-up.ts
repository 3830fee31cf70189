// What the asker has uploaded or seen, this server's index must have before it answers (promises P2 and P3). Usually it
// has; else it is waited for; else what is missing is read from the database and ranked with the rest; and where that
// is too much, the answer says that it is behind.

import { PersonSlots } from '../access/person-slots.ts'
import type { Viewer } from '../access/port.ts'
import type { Pool } from '../database/pool.ts'
import { AppError } from '../errors.ts'
import type { ExtraPassage, Index, IndexFilter, Position } from '../index/port.ts'
import { FIRST_READING } from '../ingest/reading.ts'
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
  /** Of the versions in `extra`: the reading that they are in. The index may still have others. */
  readonly readings: ReadonlyMap<string, number>
  /** Of the vectors in `extra`; null where there are none. */
  readonly generation: number | null
  readonly behind: boolean
}

const ended = (behind: boolean): CaughtUp => ({
  ...{ extra: [], readings: new Map(), generation: null, behind },
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
      return { ...extra, generation, behind: false, [Symbol.dispose]: () => held.dispose() }
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
  readonly version_id: string
  readonly reading_id: number
  readonly language: string
  readonly heading: string
  readonly text: string
  readonly vector: Buffer | null
}

/**
 * What was published in (from, to] and may count, as it is now; null when it is too much, or the log is cut. Of a version
 * that has several readings, the one whose words came last. Where only its vectors came, the index has the passages that
 * these are of: whichever generation is active by now, another reading's would be the same text once more.
 */
async function missing(
  pool: Pool,
  { kind, keys }: IndexFilter,
  from: number,
  to: number,
  generation: number | null,
): Promise<Pick<CaughtUp, 'extra' | 'readings'> | null> {
  const column = kind === 'collections' ? 'collection_key' : 'document_key'
  const { rows: counted } = await pool.query<{ entries: string }>(
    'SELECT count(*) AS entries FROM index_log WHERE seq > $1 AND seq <= $2',
    [from, to],
  )
  if (Number(counted[0]?.entries ?? 0) !== to - from) return null
  const { rows } = await pool.query<Row>(
    `SELECT p.id, p.version_id, p.reading_id, p.language, p.heading, p.text, pv.vector
     FROM (SELECT DISTINCT ON (l.version_id) l.version_id,
             coalesce(l.reading_id, g.reading_id, ${FIRST_READING}) AS reading_id
           FROM index_log l LEFT JOIN generations g ON g.id = l.generation_id
           WHERE l.seq > $1 AND l.seq <= $2 AND l.op LIKE 'publish-%' AND l.${column} = ANY($3::int[])
           ORDER BY l.version_id, l.op = 'publish-words' DESC, l.seq DESC) l
     JOIN document_versions v ON v.id = l.version_id
     JOIN documents d ON d.current_version_id = v.id AND d.deleted_at IS NULL
     JOIN passages p ON p.version_id = v.id AND p.reading_id = l.reading_id
     LEFT JOIN passage_vectors pv ON pv.passage_id = p.id AND pv.generation_id = $4 AND v.stage = 'searchable'
     LIMIT ${MOST_PASSAGES + 1}`,
    [from, to, keys, generation],
  )
  if (rows.length > MOST_PASSAGES) return null
  return {
    readings: new Map(rows.map((row) => [row.version_id, row.reading_id])),
    extra: rows.map(({ id, language, heading, text, vector }) => ({
      ...{ id: Number(id), language, heading, text },
      vector: vector === null ? null : new Float32Array(new Uint8Array(vector).buffer),
    })),
  }
}
