// The state from the tables alone, at one snapshot: every current version with the passages that searches see of it,
// vectors where they are published, and the log's head as that same snapshot has it. What commits later is in the log
// after that head.

import type { PoolClient } from 'pg'
import { to as copyTo } from 'pg-copy-streams'
import { BRIEF_MS, type Pool, type Queryable, within } from '../database/pool.ts'
import { ACTIVE_READING, FIRST_READING } from '../ingest/reading.ts'
import { DocumentWriter, VectorWriter } from './apply.ts'
import { copyRows } from './copy-binary.ts'
import { activeGeneration } from './database-source.ts'
import { Pace } from './pace.ts'
import { IndexState, type LogPosition } from './state.ts'
import type { VectorEngine } from './vectors/port.ts'

/** Vectors in memory before they go to a segment file. */
const SEAL_VECTORS = 16_384

/**
 * Passages as searches see them: SEEN_READING, taken apart. Of one expression to join by the planner expects so few rows
 * that it would look up every vector by itself.
 */
export const seen = (activeReading: number) => `FROM documents d
  JOIN collections c ON c.id = d.collection_id AND c.deleted_at IS NULL
  JOIN document_versions v ON v.id = d.current_version_id
  JOIN passages p ON p.version_id = v.id
    AND (v.stage = 'searchable' AND p.reading_id = ${activeReading}
      OR v.stage <> 'searchable' AND p.reading_id = v.reading_id)`

export interface RebuildOptions {
  /** Asked before anything is read: throws when a state of this snapshot is of no use. */
  readonly accept?: (state: Pick<IndexState, 'position' | 'generation'>) => Promise<void>
  /**
   * Milliseconds without a word of the server, then it is given up. Default: no limit, since there may be much to sort;
   * one that has vanished is noticed by the kernel, which asks idle connections.
   */
  readonly silenceMs?: number
}

/** Searches of another state may run meanwhile. Segment files go to `dir`. */
export async function rebuild(
  pool: Pool,
  engine: VectorEngine,
  dir: string,
  signal: AbortSignal,
  options: RebuildOptions = {},
): Promise<IndexState> {
  const heard = (stream: AsyncIterable<Buffer>) => unlessSilent(stream, options.silenceMs)
  const client = await pool.connect()
  let broken = true
  let begun: IndexState | undefined
  try {
    await client.query(within(BRIEF_MS, { text: 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY' }))
    const state = await startState(client, engine)
    begun = state
    await options.accept?.(state)
    const pace = new Pace(signal)
    const reading = await activeReading(client)
    await loadPassages(client, state, reading, pace, heard)
    await loadVectors(client, state, reading, pace, dir, heard)
    await client.query(within(BRIEF_MS, { text: 'COMMIT' }))
    broken = false
    return state
  } catch (error) {
    // Its vectors are the engine's memory and open files: tried again and again, they would add up.
    begun?.close()
    throw error
  } finally {
    client.release(broken)
  }
}

async function startState(client: PoolClient, engine: VectorEngine): Promise<IndexState> {
  return IndexState.empty(engine, await snapshotPosition(client), await activeGeneration(client))
}

/** Where the log ends in this transaction's snapshot. */
export async function snapshotPosition(client: Queryable): Promise<LogPosition> {
  const { rows } = await client.query<{ epoch: string; seq: string; id: string | null }>(
    within(BRIEF_MS, {
      text: `SELECT h.epoch, h.seq, l.id FROM index_head h LEFT JOIN index_log l ON l.seq = h.seq WHERE h.id = 1`,
    }),
  )
  const head = rows[0]
  if (head === undefined) throw new Error('index_head has no row: the first migration did not run')
  return { epoch: head.epoch, seq: Number(head.seq), entryId: head.id }
}

export async function activeReading(client: Queryable): Promise<number> {
  const { rows } = await client.query<{ id: number }>(
    within(BRIEF_MS, { text: `SELECT ${ACTIVE_READING} AS id` }),
  )
  return rows[0]?.id ?? FIRST_READING
}

type Heard = (stream: AsyncIterable<Buffer>) => AsyncIterable<Buffer>

async function loadPassages(
  client: PoolClient,
  state: IndexState,
  reading: number,
  pace: Pace,
  heard: Heard,
): Promise<void> {
  let writer: DocumentWriter | undefined
  let document = { key: -1, versionId: '' }
  const stream = client.query(
    copyTo(`COPY (SELECT d.key, c.key, v.id::text, p.id, p.language, p.heading, p.text ${seen(reading)}
            WHERE d.deleted_at IS NULL ORDER BY d.key, p.ordinal) TO STDOUT (FORMAT binary)`),
  )
  for await (const row of copyRows(heard(stream))) {
    const key = row.int4(0)
    if (writer === undefined || key !== document.key) {
      writer?.publish(document.key, document.versionId)
      writer = new DocumentWriter(state, row.int4(1))
      document = { key, versionId: row.text(2) }
    }
    await writer.add({ id: row.int8(3), language: row.text(4), heading: row.text(5), text: row.text(6) })
    if (pace.due) await pace.pause()
  }
  writer?.publish(document.key, document.versionId)
}

/** Only of versions whose vectors were published: the others' come by the log, all at once. */
async function loadVectors(
  client: PoolClient,
  state: IndexState,
  reading: number,
  pace: Pace,
  dir: string,
  heard: Heard,
): Promise<void> {
  if (state.generation === null) return
  let writer: VectorWriter | undefined
  let key = -1
  const stream = client.query(
    copyTo(`COPY (SELECT d.key, p.id, pv.vector ${seen(reading)}
            JOIN passage_vectors pv ON pv.passage_id = p.id AND pv.generation_id = ${state.generation.id}
            WHERE d.deleted_at IS NULL AND v.stage = 'searchable' ORDER BY d.key, p.ordinal)
            TO STDOUT (FORMAT binary)`),
  )
  for await (const row of copyRows(heard(stream))) {
    if (row.int4(0) !== key) {
      writer?.publish()
      key = row.int4(0)
      const document = state.passages.documentAt[state.passages.documents.get(key) ?? -1]
      writer = document === undefined ? undefined : new VectorWriter(state, document)
    }
    writer?.add(row.int8(1), row.bytes(2))
    if ((state.vectors?.tail.count ?? 0) >= SEAL_VECTORS) await state.vectors?.seal(dir)
    if (pace.due) await pace.pause()
  }
  writer?.publish()
}

/** Only the server's time counts, not that of who takes what it sends. @throws Error */
async function* unlessSilent(
  stream: AsyncIterable<Buffer>,
  silenceMs: number | undefined,
): AsyncGenerator<Buffer> {
  if (silenceMs === undefined) return yield* stream
  const chunks = stream[Symbol.asyncIterator]()
  for (;;) {
    const silent = Promise.withResolvers<never>()
    const timer = setTimeout(() => silent.reject(new Error('the server says nothing any more')), silenceMs)
    try {
      const chunk = await Promise.race([chunks.next(), silent.promise])
      if (chunk.done) return
      yield chunk.value
    } finally {
      clearTimeout(timer)
    }
  }
}
