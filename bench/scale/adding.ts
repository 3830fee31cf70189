// Small documents, published one after the other as ingestion publishes them: words and vectors, each in a transaction
// with its entry in the log. At most so many a second that ingestion could have embedded them on many machines.
import { type Pool, transaction } from '../../api/src/database/pool.ts'
import { append } from '../../api/src/index/log.ts'
import { FIRST_READING } from '../../api/src/ingest/reading.ts'
import { clusteredVectors } from '../search/library.ts'
import type { TextMaker } from '../search/text.ts'

export interface Adding {
  done(): boolean
  /** Milliseconds it took. */
  readonly finished: Promise<number>
}

export function addDocuments(pool: Pool, count: number, text: TextMaker): Adding {
  let done = false
  const finished = add(pool, count, text).finally(() => {
    done = true
  })
  finished.catch(() => {})
  return { done: () => done, finished }
}

async function add(pool: Pool, count: number, text: TextMaker): Promise<number> {
  const began = performance.now()
  const { rows: found } = await pool.query<{ id: string; key: number; generation: number }>(
    "SELECT c.id, c.key, (SELECT id FROM generations WHERE state = 'active') AS generation FROM collections c LIMIT 1",
  )
  const collection = found[0]
  if (collection === undefined) throw new Error('no collection')
  for (const [i, vector] of clusteredVectors(count, 384, 5)) {
    const bytes = Buffer.from(vector.slice().buffer)
    await transaction(pool, async (client) => {
      const { rows } = await client.query<{ key: number; version: string; document: string }>(
        `WITH d AS (INSERT INTO documents (collection_id, name) VALUES ($1, 'added-' || $2::int || '.txt') RETURNING id, key)
         INSERT INTO document_versions (document_id, number, filename, media_type, bytes, sha256, storage_key, stage)
         SELECT id, 1, 'added.txt', 'text/plain', 1, '', '', 'searchable' FROM d
         RETURNING id AS version, document_id AS document, (SELECT key FROM d) AS key`,
        [collection.id, i],
      )
      const made = rows[0]
      if (made === undefined) throw new Error('no document')
      await client.query(
        `WITH p AS (INSERT INTO passages (version_id, ordinal, page, char_start, char_end, heading, text, tokens)
                    VALUES ($1, 0, 1, 0, 1, '', $2, 170) RETURNING id)
         INSERT INTO passage_vectors (passage_id, generation_id, vector) SELECT id, $3, $4 FROM p`,
        [made.version, text.passage(115), collection.generation, bytes],
      )
      await client.query('UPDATE documents SET current_version_id = $2 WHERE id = $1', [
        made.document,
        made.version,
      ])
      const place = { collectionKey: collection.key, documentKey: made.key, versionId: made.version }
      await append(client, { op: 'publish-words', ...place, readingId: FIRST_READING })
      await append(client, { op: 'publish-vectors', ...place, generationId: collection.generation })
    })
  }
  return performance.now() - began
}
