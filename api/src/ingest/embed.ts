// The job `embed`: passages of a version get their vectors of the active generation, batch by batch, each batch kept as it
// is done; when none is missing, the version becomes searchable by meaning at once. A version keeps only a few passages
// ready; all versions under way share an embedder evenly (shares.ts), so that a short one is done soon.
import type { Logger } from 'pino'
import { type Pool, within } from '../database/pool.ts'
import { AppError } from '../errors.ts'
import { SMALL_PASSAGES } from '../jobs/jobs.ts'
import { embedPassages } from '../models/embed-passages.ts'
import type { Embedders } from '../models/embedders.ts'
import { type ActiveGeneration, activeGeneration } from '../models/generation.ts'
import type { Embedder } from '../models/port.ts'
import { Stopped } from './active.ts'
import { publishVectors, removeReplaced } from './publish.ts'
import type { ReadAgain } from './read-again.ts'
import { FIRST_READING } from './reading.ts'
import type { PassageEmbedder } from './shares.ts'
import { hasReading, noteReading } from './version-readings.ts'
import { Progress, readVersion, STEP_MS, type Version } from './versions.ts'

export interface EmbedDeps {
  readonly pool: Pool
  readonly embedders: Embedders
  readonly log: Logger
  /** This version's part of an embedder. */
  readonly share: (embedder: Embedder) => PassageEmbedder
  readonly readAgain: ReadAgain
  /** Asked after every SLICE passages: whether others wait for this one's place. */
  readonly othersWait: () => Promise<boolean>
}

/** Passages after which a version makes room for others that wait, if there are any; what it has is kept. */
const SLICE = SMALL_PASSAGES

/** Passages read in one statement. */
const BATCH = 64

interface PassageRow {
  readonly id: string
  readonly ordinal: number
  readonly heading: string
  readonly text: string
}

/** False when it made room for others and is to go on later. @throws Stopped, or what failures.ts judges */
export async function embedVersion(
  deps: EmbedDeps,
  versionId: string,
  signal: AbortSignal,
): Promise<boolean> {
  const version = await readVersion(deps.pool, versionId)
  if (version === null || !version.alive || !version.current) return true
  if (version.stage !== 'words') {
    // Whoever published it may have been killed before the last step.
    if (version.stage === 'searchable') await removeReplaced(deps.pool, versionId)
    return true
  }
  if (version.cancelRequested) throw new Stopped('cancelled')
  for (;;) {
    const generation = await activeGeneration(deps.pool, deps.embedders)
    if (generation === null) throw new AppError('EMBEDDER_MISSING')
    if (
      !(await isRead(deps.pool, version, generation)) &&
      !(await deps.readAgain(versionId, generation.reading, signal))
    )
      return true
    signal.throwIfAborted()
    const outcome = await embedFor(deps, generation, version, signal)
    if (outcome === 'cancelled') throw new Stopped('cancelled')
    // Another generation became the active one meanwhile: its vectors are what the version waits for now.
    if (outcome === 'switched') continue
    if (outcome === 'makes room') return false
    if (outcome === 'done' || outcome === 'already') await removeReplaced(deps.pool, versionId)
    return true
  }
}

async function embedFor(
  { pool, log, share, othersWait }: EmbedDeps,
  { id: generationId, embedder, reading }: ActiveGeneration,
  version: Version,
  signal: AbortSignal,
) {
  const { id: versionId } = version
  const progress = new Progress(pool, version, ['words'])
  try {
    const wanted = { versionId, readingId: reading.id, generationId }
    let embedded = await countVectors(pool, wanted)
    const turn = slices(passageReader(pool, wanted), othersWait)
    const write = async (ids: readonly string[], vectors: readonly Buffer[]) => {
      await writeVectors(pool, generationId, ids, vectors)
      embedded += ids.length
      progress.set({ passagesEmbedded: embedded })
    }
    await embedPassages({ embedder: share(embedder), kind: 'passage', next: turn.next, write }, signal)
    await progress.end()
    signal.throwIfAborted()
    if (turn.over) return 'makes room'
    const outcome = await publishVectors(pool, versionId, generationId)
    log.info({ versionId, outcome, passages: embedded }, 'embedded')
    return outcome
  } finally {
    await progress.end()
  }
}

/** Ends after a slice when others wait. */
function slices(read: () => Promise<PassageRow | undefined>, othersWait: () => Promise<boolean>) {
  let begun = 0
  let over = false
  return {
    get over() {
      return over
    },
    async next(): Promise<PassageRow | undefined> {
      if (begun >= SLICE && !over) {
        begun = 0
        over = await othersWait()
      }
      if (over) return undefined
      begun++
      return await read()
    },
  }
}

/** Whether it has passages of this generation's reading. */
async function isRead(
  pool: Pool,
  { id, readingId }: Version,
  { reading }: ActiveGeneration,
): Promise<boolean> {
  if (await hasReading(pool, id, reading.id)) return true
  if (reading.id !== FIRST_READING || readingId !== FIRST_READING) return false
  await noteReading(pool, id, reading.id)
  return true
}

interface Wanted {
  readonly versionId: string
  readonly readingId: number
  readonly generationId: number
}

async function countVectors(pool: Pool, { versionId, readingId, generationId }: Wanted): Promise<number> {
  const { rows } = await pool.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM passages p JOIN passage_vectors pv ON pv.passage_id = p.id AND pv.generation_id = $3
     WHERE p.version_id = $1 AND p.reading_id = $2`,
    [versionId, readingId, generationId],
  )
  return rows[0]?.n ?? 0
}

/** Hands out the passages without a vector one by one; the next batch is read while this one is embedded. */
function passageReader(pool: Pool, wanted: Wanted): () => Promise<PassageRow | undefined> {
  let batch: PassageRow[] = []
  let at = 0
  let following: Promise<PassageRow[]> | undefined = readBatch(pool, wanted, -1)
  let turning: Promise<void> | undefined
  const turn = async () => {
    batch = (await following) ?? []
    at = 0
    const last = batch.at(-1)
    following = last === undefined ? undefined : readBatch(pool, wanted, last.ordinal)
    // Whoever turns next sees its failure; until then it is not unhandled.
    following?.catch(() => {})
  }
  return async () => {
    while (at >= batch.length && following !== undefined) {
      turning ??= turn().finally(() => {
        turning = undefined
      })
      await turning
    }
    return batch[at++]
  }
}

/** Passages after `ordinal` that have no vector yet. */
async function readBatch(
  pool: Pool,
  { versionId, readingId, generationId }: Wanted,
  ordinal: number,
): Promise<PassageRow[]> {
  const { rows } = await pool.query<PassageRow>(
    within(STEP_MS, {
      name: 'ingest-to-embed',
      text: `SELECT p.id, p.ordinal, p.heading, p.text FROM passages p
             WHERE p.version_id = $1 AND p.reading_id = $4 AND p.ordinal > $3
               AND NOT EXISTS (SELECT 1 FROM passage_vectors pv WHERE pv.passage_id = p.id AND pv.generation_id = $2)
             ORDER BY p.ordinal LIMIT ${BATCH}`,
      values: [versionId, generationId, ordinal, readingId],
    }),
  )
  return rows
}

async function writeVectors(
  pool: Pool,
  generationId: number,
  ids: readonly string[],
  vectors: readonly Buffer[],
): Promise<void> {
  await pool.query(
    within(STEP_MS, {
      name: 'ingest-vectors',
      // Held: it may be removed meanwhile, and nothing may come after that.
      text: `WITH g AS MATERIALIZED (SELECT id FROM generations WHERE id = $1 AND state IN ('active', 'retired') FOR SHARE)
             INSERT INTO passage_vectors (passage_id, generation_id, vector)
             SELECT t.id, g.id, t.vector FROM g CROSS JOIN unnest($2::bigint[], $3::bytea[]) AS t (id, vector)
             ON CONFLICT DO NOTHING`,
      values: [generationId, ids, vectors],
    }),
  )
}
