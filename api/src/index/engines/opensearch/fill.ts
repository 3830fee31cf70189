// A new index from the tables alone, at one snapshot: every current version with the passages that searches see of it,
// vectors where they are published, and the log's head as that snapshot has it. Searches go to another index meanwhile.
import type { PoolClient } from 'pg'
import { to as copyTo } from 'pg-copy-streams'
import { BRIEF_MS, type Pool, within } from '../../../database/pool.ts'
import { copyRows } from '../../copy-binary.ts'
import { activeGeneration } from '../../database-source.ts'
import { Pace } from '../../pace.ts'
import { activeReading, seen, snapshotPosition } from '../../rebuild.ts'
import { createIndex, type IndexPlace } from './mapping.ts'
import { Throttle } from './throttle.ts'
import { floats } from './vectors.ts'
import { IndexWriter, type WriterOptions } from './writer.ts'

export interface FillOptions extends Omit<WriterOptions, 'index' | 'generation' | 'position'> {
  /** Passages a second at most, asked again and again; null: as fast as it goes. Default: null. */
  readonly rate?: () => number | null
  /** Told of passages that are on their way, and of how many there are. */
  readonly progress?: (done: number, total: number) => void
}

/** @returns its writer, at the snapshot's place of the log; complete, and searched by nobody. @throws Trouble, or what the database says */
export async function fillIndex(pool: Pool, place: IndexPlace, options: FillOptions): Promise<IndexWriter> {
  const { cluster, signal } = options
  const client = await pool.connect()
  let broken = true
  let index: string | undefined
  try {
    await client.query(within(BRIEF_MS, { text: 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY' }))
    const position = await snapshotPosition(client)
    const generation = await activeGeneration(client)
    const reading = await activeReading(client)
    index = await createIndex(cluster, place, generation)
    const writer = new IndexWriter({ ...options, index, generation, position })
    const total = await countPassages(client, reading)
    let done = 0
    options.progress?.(done, total)
    const throttle = new Throttle(options.rate ?? (() => null))
    const stream = client.query(
      copyTo(`COPY (SELECT d.key, c.key, v.id::text, p.id, p.language, p.heading, p.text, coalesce(pv.vector, '')
              ${seen(reading)}
              LEFT JOIN passage_vectors pv ON pv.passage_id = p.id AND pv.generation_id = ${generation?.id ?? 0}
                AND v.stage = 'searchable'
              WHERE d.deleted_at IS NULL) TO STDOUT (FORMAT binary)`),
    )
    const pace = new Pace(signal)
    for await (const row of copyRows(stream)) {
      const [documentKey, collectionKey, versionId] = [row.int4(0), row.int4(1), row.text(2)]
      const [passageId, language, heading, text] = [row.int8(3), row.text(4), row.text(5), row.text(6)]
      const vector = floats(row.bytes(7))
      const words = await writer.analyse({ id: passageId, language, heading, text })
      const passage = {
        passageId,
        documentKey,
        collectionKey,
        versionId,
        language,
        ...words,
        embedded: false,
      }
      await writer.add(passage, vector, position.seq)
      options.progress?.(++done, total)
      await throttle.passed(signal)
      if (pace.due) await pace.pause()
    }
    await client.query(within(BRIEF_MS, { text: 'COMMIT' }))
    broken = false
    await writer.show()
    return writer
  } catch (error) {
    if (index !== undefined) await cluster.send({ method: 'DELETE', path: `/${index}` }).catch(() => {})
    throw error
  } finally {
    client.release(broken)
  }
}

async function countPassages(client: PoolClient, reading: number): Promise<number> {
  const { rows } = await client.query<{ passages: string }>(
    `SELECT count(*) AS passages ${seen(reading)} WHERE d.deleted_at IS NULL`,
  )
  return Number(rows[0]?.passages ?? 0)
}
