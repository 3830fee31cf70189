// A new index from the tables alone: every current version with the passages that searches see of it, vectors where they are
// published. It takes hours where there are millions, so that it is done in portions that hold nothing open, and goes on
// where it was when its writer is killed (fill-state.ts). Searches go to another index meanwhile.
//
// What makes it right: a change of what searches see of a document is an entry of the log in the same transaction. Everything
// is written with the place of the log where the fill began as version. Where a document was not changed since, it is the
// same whenever it is read; where it was, the log after that place says so, and what it says has a greater version. So with
// the log applied up to where rows were read last, the index is what the tables held there, and not before: until then nobody
// may search it (IndexWriter.isWhole).
import { setTimeout as sleep } from 'node:timers/promises'
import { BRIEF_MS, type Pool, type Queryable, within } from '../../../database/pool.ts'
import { furthest } from '../../apply.ts'
import { activeGeneration } from '../../database-source.ts'
import { Pace } from '../../pace.ts'
import { activeReading, seen, snapshotPosition } from '../../rebuild.ts'
import type { LogEnd, LogPosition } from '../../state.ts'
import { type FilledPassage, nextDocuments, readPassages } from './fill-portion.ts'
import { endOf, type Fill, type FillState, findFill, whyNot, writeFillState } from './fill-state.ts'
import { createIndex, type IndexPlace } from './mapping.ts'
import { Throttle } from './throttle.ts'
import { floats } from './vectors.ts'
import { IndexWriter, type WriterOptions } from './writer.ts'

/**
 * What the writer before has sent may arrive so long after its lock was given to another: the time in which it notices, and
 * that of a request. Later, an entry that removes a passage could come before what writes it.
 */
const SETTLE_MS = 120_000

export interface FillOptions extends Omit<WriterOptions, 'index' | 'generation' | 'position'> {
  /** Passages a second at most, asked again and again; null: as fast as it goes. Default: null. */
  readonly rate?: () => number | null
  /** Told of passages that are on their way, and of how many there are. */
  readonly progress?: (done: number, total: number) => void
  /** Told again and again, and first before anything is read, from which place on the log is needed. */
  readonly needs?: (seq: number) => Promise<void>
  /** The place of the log that the index has to begin at, at least. Default: any. */
  readonly from?: number
  /** Milliseconds from where a fill is gone on with to where the log is applied to it. Default: two minutes. */
  readonly settleMs?: number
}

/**
 * Begins a fill, or goes on with the one that is there; what else nobody searches is removed. Where it ends before the end, what is
 * there stays for whoever is the writer next.
 * @returns its writer, at the place of the log where it began, or further; complete, and searched by nobody
 * @throws Trouble; Error where it is of no use any more, by a switch of the search model; or what the database says
 */
export async function fillIndex(pool: Pool, place: IndexPlace, options: FillOptions): Promise<IndexWriter> {
  const { cluster, log, from = 0 } = options
  const found = await findFill(pool, cluster, place, from, (index, why) =>
    log.info({ index }, `an index that was being filled is not gone on with: ${why}`),
  )
  if (found !== null) {
    const { done, total, complete } = found.state
    log.info({ index: found.name, done, total, complete }, 'an index that was being filled is gone on with')
  }
  const fill = found ?? (await begin(pool, place, options))
  const { name: index, generation, reached } = fill
  const writer = new IndexWriter({ ...options, index, generation, position: reached ?? fill.state.position })
  await options.needs?.(fill.state.position.seq)
  const settled = found === null ? 0 : performance.now() + (options.settleMs ?? SETTLE_MS)
  if (!fill.state.complete) writer.position = await fillPortions(pool, fill, writer, settled, options)
  if (reached === null) await writer.show()
  return writer
}

async function begin(pool: Pool, place: IndexPlace, options: FillOptions): Promise<Fill> {
  const { cluster, needs } = options
  const { position, generation, reading } = await snapshot(pool)
  await needs?.(position.seq)
  const total = await countPassages(pool, reading)
  const name = await createIndex(cluster, place, generation)
  const state = { position, reading, lastKey: 0, complete: false, done: 0, total }
  await writeFillState(cluster, name, state)
  return { name, generation, state, reached: null }
}

/** Place, generation and reading of one moment. */
async function snapshot(pool: Pool) {
  const client = await pool.connect()
  let broken = true
  try {
    await client.query(within(BRIEF_MS, { text: 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY' }))
    const position = await snapshotPosition(client)
    const generation = await activeGeneration(client)
    const reading = await activeReading(client)
    await client.query(within(BRIEF_MS, { text: 'COMMIT' }))
    broken = false
    return { position, generation, reading }
  } finally {
    client.release(broken)
  }
}

/**
 * @param settled performance.now() before which it is not called complete
 * @returns its place of the log, with the end that rows were read at last
 */
async function fillPortions(
  pool: Pool,
  { name, generation, state: found }: Fill,
  writer: IndexWriter,
  settled: number,
  options: FillOptions,
): Promise<LogPosition> {
  const { cluster, signal, needs, rate } = options
  const throttle = new Throttle(rate ?? (() => null))
  for (let state = found; ; ) {
    signal.throwIfAborted()
    await needs?.(state.position.seq)
    let seen: LogEnd | undefined
    const noted = (end: LogEnd) => {
      seen = furthest(seen, end)
    }
    const documents = await nextDocuments(pool, state.lastKey, state.reading, noted)
    const done = await writePortion(readPassages(pool, documents, generation?.id ?? 0, noted), {
      ...{ state, writer, throttle, options },
    })
    // By what was seen before: a history that does not lead there is none that this portion is of.
    const why = await whyNot(pool, { ...state, since: endOf(state.position), generation })
    if (why !== null) throw new Error(`an index that was being filled is given up: ${why}`)
    const position = seen === undefined ? state.position : { ...state.position, seen }
    const lastKey = documents.at(-1)?.documentKey
    if (lastKey === undefined) await sleep(Math.max(0, settled - performance.now()), undefined, { signal })
    state = { ...state, position, done, lastKey: lastKey ?? state.lastKey, complete: lastKey === undefined }
    await writeFillState(cluster, name, state)
    if (state.complete) return position
  }
}

interface Portion {
  readonly state: FillState
  readonly writer: IndexWriter
  readonly throttle: Throttle
  readonly options: FillOptions
}

/** @returns how many passages are written by now; all of them are in the index */
async function writePortion(passages: AsyncIterable<FilledPassage>, portion: Portion): Promise<number> {
  const { state, writer, throttle, options } = portion
  const { signal, progress } = options
  const { total, position } = state
  let { done } = state
  progress?.(done, Math.max(done, total))
  const pace = new Pace(signal)
  for await (const passage of passages) {
    const { document, id: passageId, language, vector } = passage
    const { documentKey, collectionKey, versionId } = document
    const words = await writer.analyse(passage)
    const written = { passageId, documentKey, collectionKey, versionId, language, ...words, embedded: false }
    await writer.add(written, vector === null ? null : floats(vector), position.seq)
    done++
    progress?.(done, Math.max(done, total))
    await throttle.passed(signal)
    if (pace.due) await pace.pause()
  }
  await writer.flush()
  return done
}

async function countPassages(db: Queryable, reading: number): Promise<number> {
  const { rows } = await db.query<{ passages: string }>(
    `SELECT count(*) AS passages ${seen(reading)} WHERE d.deleted_at IS NULL`,
  )
  return Number(rows[0]?.passages ?? 0)
}
