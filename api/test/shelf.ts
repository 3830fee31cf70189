// Documents put straight into the tables, as ingest leaves them once they are searchable: for tests of what comes
// after ingestion.
import { randomUUID } from 'node:crypto'
import type { Queryable } from '../src/database/pool.ts'

export interface ShelvedDocument {
  readonly documentId: string
  readonly versionId: string
  readonly passageIds: number[]
}

export async function shelveCollection(
  pool: Queryable,
  userId: string,
  role: 'viewer' | 'editor' | 'owner' = 'owner',
): Promise<string> {
  const { rows } = await pool.query<{ id: string }>(
    `WITH c AS (INSERT INTO collections (name) VALUES ('Shelf') RETURNING id),
          m AS (INSERT INTO collection_members (collection_id, user_id, role) SELECT id, $1, $2 FROM c)
     SELECT id FROM c`,
    [userId, role],
  )
  return rows[0]?.id ?? ''
}

/** One page; each text is a passage of its own, in order. */
export async function shelveDocument(
  pool: Queryable,
  collectionId: string,
  name: string,
  texts: readonly string[],
  heading = name,
): Promise<ShelvedDocument> {
  const documentId = randomUUID()
  const versionId = randomUUID()
  await pool.query('INSERT INTO documents (id, collection_id, name) VALUES ($1, $2, $3)', [
    documentId,
    collectionId,
    name,
  ])
  await pool.query(
    `INSERT INTO document_versions (id, document_id, number, filename, media_type, bytes, sha256, storage_key, stage,
       pages, pages_parsed, passages, words_at, searchable_at)
     VALUES ($1, $2, 1, $3, 'text/plain', 1, $4, $4, 'searchable', 1, 1, $5, now(), now())`,
    [versionId, documentId, name, versionId, texts.length],
  )
  await pool.query('INSERT INTO pages (version_id, number, text) VALUES ($1, 1, $2)', [
    versionId,
    texts.join('\n\n'),
  ])
  const passageIds: number[] = []
  let start = 0
  for (const [ordinal, text] of texts.entries()) {
    const { rows } = await pool.query<{ id: string }>(
      `INSERT INTO passages (version_id, ordinal, page, char_start, char_end, heading, text, tokens)
       VALUES ($1, $2, 1, $3, $4, $5, $6, $7) RETURNING id`,
      [versionId, ordinal, start, start + text.length, heading, text, Math.ceil(text.length / 4)],
    )
    passageIds.push(Number(rows[0]?.id))
    start += text.length + 2
  }
  await pool.query('UPDATE documents SET current_version_id = $2 WHERE id = $1', [documentId, versionId])
  return { documentId, versionId, passageIds }
}
