// The job `embed`: passages of a version get their vectors, batch by batch, each batch kept as it is done; when none
// is missing, the version becomes searchable by meaning at once. A version keeps only a few passages ready; all
// versions under way share the embedder's threads evenly (shares.ts), so that a short one is done soon.
import type { Logger } from 'pino'
import type { Pool } from '../database/pool.ts'
import { SMALL_PASSAGES } from '../jobs/jobs.ts'
import type { ActiveGeneration } from '../models/generation.ts'
import { Stopped } from './active.ts'
import { publishVectors, removeReplaced } from './publish.ts'
import type { PassageEmbedder } from './shares.ts'
import { Progress, readVersion } from './versions.ts'

export interface EmbedDeps {
  readonly pool: Pool
  readonly embedder: PassageEmbedder
  readonly generation: ActiveGeneration
  readonly log: Logger
  /** Asked after every SLICE passages: whether others wait for this one's place. */
  readonly othersWait: () => Promise<boolean>
  /** Passages of one version that are embedded or wait for it. */
  readonly window: number
}

/** Passages after which a version makes room for others that wait, if there are any; what it has is kept. */
const SLICE = SMALL_PASSAGES

/** Passages read, and vectors written, in one statement. */
const BATCH = 64

interface PassageRow {
  readonly id: string
  readonly ordinal: number
  readonly heading: string
  readonly text: string
}

/** What is embedded of a passage. */
export function embeddedText(passage: { readonly heading: string; readonly text: string }): string {
  return passage.heading === '' ? passage.text : `${passage.heading}\n${passage.text}`
}

/** False when it made room for others and is to go on later. @throws Stopped, or what failures.ts judges */
export async function embedVersion(
  deps: EmbedDeps,
  versionId: string,
  signal: AbortSignal,
): Promise<boolean> {
  const version = await readVersion(deps.pool, versionId)
  if (version === null || !version.alive || !version.current || version.stage !== 'words') return true
  if (version.cancelRequested) throw new Stopped('cancelled')
  const progress = new Progress(deps.pool, version, ['words'])
  try {
    let embedded = await countVectors(deps, versionId)
    const next = passageReader(deps, versionId)
    const writer = new VectorWriter(deps, (written) => {
      embedded += written
      progress.set({ passagesEmbedded: embedded })
    })
    // One lane's failure is all lanes' end: none may go on writing when the job is over.
    const failed = new AbortController()
    const either = AbortSignal.any([signal, failed.signal])
    let begun = 0
    let makesRoom = false
    const lane = async () => {
      try {
        for (let passage = await next(); passage !== undefined; passage = await next()) {
          either.throwIfAborted()
          begun++
          const vector = await deps.embedder.embed(embeddedText(passage), 'passage', either)
          await writer.add(passage.id, vector)
          if (begun >= SLICE) {
            begun = 0
            makesRoom = await deps.othersWait()
          }
          if (makesRoom) return
        }
      } catch (error) {
        failed.abort(error)
        throw error
      }
    }
    const ends = await Promise.allSettled(Array.from({ length: deps.window }, lane))
    signal.throwIfAborted()
    if (ends.some(({ status }) => status === 'rejected')) throw failed.signal.reason
    await writer.end()
    await progress.end()
    signal.throwIfAborted()
    if (makesRoom) return false
    const outcome = await publishVectors(deps.pool, versionId, deps.generation.id)
    if (outcome === 'cancelled') throw new Stopped('cancelled')
    deps.log.info({ versionId, outcome, passages: embedded }, 'searchable by meaning')
    if (outcome === 'done') await removeReplaced(deps.pool, versionId)
    return true
  } finally {
    await progress.end()
  }
}

async function countVectors({ pool, generation }: EmbedDeps, versionId: string): Promise<number> {
  const { rows } = await pool.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM passages p JOIN passage_vectors pv ON pv.passage_id = p.id AND pv.generation_id = $2
     WHERE p.version_id = $1`,
    [versionId, generation.id],
  )
  return rows[0]?.n ?? 0
}

/** Hands out the passages without a vector one by one; the next batch is read while this one is embedded. */
function passageReader(deps: EmbedDeps, versionId: string): () => Promise<PassageRow | undefined> {
  let batch: PassageRow[] = []
  let at = 0
  let following: Promise<PassageRow[]> | undefined = readBatch(deps, versionId, -1)
  let turning: Promise<void> | undefined
  const turn = async () => {
    batch = (await following) ?? []
    at = 0
    const last = batch.at(-1)
    following = last === undefined ? undefined : readBatch(deps, versionId, last.ordinal)
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
  { pool, generation }: EmbedDeps,
  versionId: string,
  ordinal: number,
): Promise<PassageRow[]> {
  const { rows } = await pool.query<PassageRow>({
    name: 'ingest-to-embed',
    text: `SELECT p.id, p.ordinal, p.heading, p.text FROM passages p
           WHERE p.version_id = $1 AND p.ordinal > $3
             AND NOT EXISTS (SELECT 1 FROM passage_vectors pv WHERE pv.passage_id = p.id AND pv.generation_id = $2)
           ORDER BY p.ordinal LIMIT ${BATCH}`,
    values: [versionId, generation.id, ordinal],
  })
  return rows
}

/** Writes vectors in batches, one statement at a time, while the next are made. */
class VectorWriter {
  readonly #deps: EmbedDeps
  readonly #onWritten: (vectors: number) => void
  #ids: string[] = []
  #vectors: Buffer[] = []
  #writing: Promise<void> = Promise.resolve()

  constructor(deps: EmbedDeps, onWritten: (vectors: number) => void) {
    this.#deps = deps
    this.#onWritten = onWritten
  }

  async add(id: string, vector: Float32Array): Promise<void> {
    this.#ids.push(id)
    // passage_vectors holds little-endian float32, as every platform that we run on does.
    this.#vectors.push(Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength))
    if (this.#ids.length >= BATCH) await this.#flush()
  }

  async end(): Promise<void> {
    if (this.#ids.length > 0) await this.#flush()
    await this.#writing
  }

  /** Resolves once the batch before is written: at most one waits. */
  async #flush(): Promise<void> {
    const [ids, vectors, before] = [this.#ids, this.#vectors, this.#writing]
    this.#ids = []
    this.#vectors = []
    this.#writing = before.then(async () => {
      await this.#deps.pool.query({
        name: 'ingest-vectors',
        text: `INSERT INTO passage_vectors (passage_id, generation_id, vector)
               SELECT id, $1, vector FROM unnest($2::bigint[], $3::bytea[]) AS t (id, vector) ON CONFLICT DO NOTHING`,
        values: [this.#deps.generation.id, ids, vectors],
      })
      this.#onWritten(ids.length)
    })
    this.#writing.catch(() => {})
    await before
  }
}
