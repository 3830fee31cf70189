// For tests: a small library in a test database, changed as ingestion and the library change it, each change in one
// transaction with its entry in the log.
import { randomUUID } from 'node:crypto'
import { type Client, type Pool, transaction } from '../database/pool.ts'
import { FIRST_READING } from '../ingest/reading.ts'
import { append } from './log.ts'
import type { Position } from './port.ts'

export const DIMENSIONS = 8

export interface FixturePassage {
  readonly text: string
  readonly heading?: string
  readonly language?: string
  /** Made unit length. Without one the passage can be found by words only. */
  readonly vector?: readonly number[]
}

export interface FixtureDocument {
  readonly id: string
  readonly key: number
  readonly collectionId: string
  readonly collectionKey: number
}

export interface FixtureVersion {
  readonly versionId: string
  /** Of the reading whose words were published. */
  readonly passageIds: readonly number[]
  /** Of the last entry. */
  readonly position: Position
}

export function unit(numbers: readonly number[]): Float32Array {
  const vector = new Float32Array(DIMENSIONS)
  for (const [i, value] of numbers.entries()) vector[i] = value
  const length = Math.hypot(...vector)
  return vector.map((value) => value / length)
}

export function bytesOf(vector: Float32Array): Buffer {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength)
}

export class FixtureLibrary {
  readonly #pool: Pool
  readonly #digest: string
  #generation: Promise<number> | undefined

  /** `digest` is that of the embedder that is to ask. */
  constructor(pool: Pool, digest = 'fixture') {
    this.#pool = pool
    this.#digest = digest
  }

  async collection(options: { owner?: string; kind?: string } = {}): Promise<{ id: string; key: number }> {
    const { rows } = await this.#pool.query<{ id: string; key: number }>(
      'INSERT INTO collections (name, kind) VALUES ($1, $2) RETURNING id, key',
      ['fixture', options.kind ?? 'shared'],
    )
    const [row] = rows
    if (row === undefined) throw new Error('no collection')
    if (options.owner !== undefined)
      await this.#pool.query(
        "INSERT INTO collection_members (collection_id, user_id, role) VALUES ($1, $2, 'owner')",
        [row.id, options.owner],
      )
    return row
  }

  async document(collection: { id: string; key: number }, name = 'fixture.txt'): Promise<FixtureDocument> {
    const { rows } = await this.#pool.query<{ id: string; key: number }>(
      'INSERT INTO documents (collection_id, name) VALUES ($1, $2) RETURNING id, key',
      [collection.id, name],
    )
    const [row] = rows
    if (row === undefined) throw new Error('no document')
    return { ...row, collectionId: collection.id, collectionKey: collection.key }
  }

  /** A new version: searchable by words, and by meaning where its passages have vectors. */
  async publish(
    document: FixtureDocument,
    passages: readonly FixturePassage[],
    by?: string,
    readingId = FIRST_READING,
  ): Promise<FixtureVersion> {
    const words = await this.publishWords(document, passages, undefined, by, readingId)
    if (passages.every(({ vector }) => vector === undefined)) return words
    return { ...words, position: await this.publishVectors(document, words) }
  }

  /** `beforeCommit` runs when the entry has its position and nobody can see it yet. */
  async publishWords(
    document: FixtureDocument,
    passages: readonly FixturePassage[],
    beforeCommit: () => Promise<void> = async () => {},
    by?: string,
    readingId = FIRST_READING,
  ): Promise<FixtureVersion> {
    const generation = await this.generation()
    return transaction(this.#pool, async (client) => {
      const versionId = randomUUID()
      await client.query(
        `INSERT INTO document_versions (id, document_id, number, filename, media_type, bytes, sha256, storage_key, stage, reading_id, created_by)
         SELECT $1, $2::uuid, 1 + count(*), 'fixture.txt', 'text/plain', 1, '', '', 'words', $4, $3
         FROM document_versions WHERE document_id = $2::uuid`,
        [versionId, document.id, by ?? null, readingId],
      )
      const passageIds = await insertReading(client, versionId, readingId, passages, generation)
      await client.query('UPDATE documents SET current_version_id = $2 WHERE id = $1', [
        document.id,
        versionId,
      ])
      const position = await append(client, { op: 'publish-words', ...keys(document), versionId, readingId })
      await beforeCommit()
      return { versionId, passageIds, position }
    })
  }

  /** Where its words were of another reading than this generation, they are published again. */
  async publishVectors(
    document: FixtureDocument,
    { versionId }: { versionId: string },
    generationId?: number,
  ): Promise<Position> {
    const generation = generationId ?? (await this.generation())
    return transaction(this.#pool, async (client) => {
      const { rows } = await client.query<{ before: number; after: number }>(
        `UPDATE document_versions v SET stage = 'searchable', searchable_at = now(), reading_id = g.reading_id
         FROM document_versions old, generations g WHERE v.id = $1 AND old.id = v.id AND g.id = $2
         RETURNING old.reading_id AS before, v.reading_id AS after`,
        [versionId, generation],
      )
      const place = { ...keys(document), versionId }
      const [{ before, after } = { before: FIRST_READING, after: FIRST_READING }] = rows
      if (before !== after) await append(client, { op: 'publish-words', ...place, readingId: after })
      return append(client, { op: 'publish-vectors', ...place, generationId: generation })
    })
  }

  /**
   * The version read in another way, beside what searches see of it, as it is done in the background: nothing is said in
   * the log. `vector`s are of `generationId`, or nobody's. @returns the passages' ids
   */
  read(
    { versionId }: { versionId: string },
    readingId: number,
    passages: readonly FixturePassage[],
    generationId?: number,
  ): Promise<readonly number[]> {
    return transaction(this.#pool, (client) =>
      insertReading(client, versionId, readingId, passages, generationId),
    )
  }

  retract(document: FixtureDocument): Promise<Position> {
    return transaction(this.#pool, async (client) => {
      await client.query('UPDATE documents SET deleted_at = now() WHERE id = $1', [document.id])
      return append(client, { op: 'retract', ...keys(document) })
    })
  }

  retractCollection(collection: { id: string; key: number }): Promise<Position> {
    return transaction(this.#pool, async (client) => {
      await client.query('UPDATE collections SET deleted_at = now() WHERE id = $1', [collection.id])
      return append(client, { op: 'retract-collection', collectionKey: collection.key })
    })
  }

  session(userId: string): Promise<Position> {
    return transaction(this.#pool, (client) => append(client, { op: 'session', userId }))
  }

  /** Removes what a purge job removes later. */
  async purge(document: FixtureDocument): Promise<void> {
    await this.#pool.query('DELETE FROM documents WHERE id = $1', [document.id])
  }

  /**
   * Another generation beside the active one, with a vector for every passage that there is of its reading. Of another
   * reading it is by this library's embedder; of the same one, by another. @returns its id
   */
  async buildGeneration(
    digest: string,
    vectorOf: (passageId: number) => readonly number[],
    readingId = FIRST_READING,
  ): Promise<number> {
    const { rows } = await this.#pool.query<{ id: number }>(
      `INSERT INTO generations (digest, key, dimensions, state, reading_id, embedder_digest)
       VALUES ($1, '{}', $2, 'building', $3, $4) RETURNING id`,
      [digest, DIMENSIONS, readingId, readingId === FIRST_READING ? null : this.#digest],
    )
    const id = rows[0]?.id ?? 0
    const { rows: passages } = await this.#pool.query<{ id: string }>(
      'SELECT id FROM passages WHERE reading_id = $1',
      [readingId],
    )
    await this.#pool.query(
      'INSERT INTO passage_vectors (passage_id, generation_id, vector) SELECT p, $1, v FROM unnest($2::bigint[], $3::bytea[]) AS t(p, v)',
      [id, passages.map((p) => p.id), passages.map((p) => bytesOf(unit(vectorOf(Number(p.id)))))],
    )
    return id
  }

  switchTo(generationId: number): Promise<Position> {
    return transaction(this.#pool, async (client) => {
      await client.query("UPDATE generations SET state = 'retired' WHERE state = 'active'")
      await client.query("UPDATE generations SET state = 'active' WHERE id = $1", [generationId])
      return append(client, { op: 'switch-generation', generationId })
    })
  }

  /** Made once, whoever asks first: several documents may be published at the same time. */
  generation(): Promise<number> {
    this.#generation ??= this.#pool
      .query<{ id: number }>(
        `INSERT INTO generations (digest, key, dimensions, state) VALUES ($2, '{}', $1, 'active')
         ON CONFLICT (digest) DO UPDATE SET state = 'active' RETURNING id`,
        [DIMENSIONS, this.#digest],
      )
      .then(({ rows }) => rows[0]?.id ?? 0)
    return this.#generation
  }
}

/** @param generationId whose the vectors are, if it is of this reading */
async function insertReading(
  client: Client,
  versionId: string,
  readingId: number,
  passages: readonly FixturePassage[],
  generationId: number | undefined,
): Promise<number[]> {
  await client.query(
    'INSERT INTO version_readings (version_id, reading_id, pages, passages, tokens) VALUES ($1, $2, 1, $3, $3)',
    [versionId, readingId, passages.length],
  )
  const { rows } = await client.query<{ id: string }>(
    `INSERT INTO passages (version_id, reading_id, ordinal, page, char_start, char_end, heading, text, tokens, language)
     SELECT $1, $2, n - 1, 1, 0, length(text), heading, text, 1, language
     FROM unnest($3::text[], $4::text[], $5::text[]) WITH ORDINALITY AS t(heading, text, language, n)
     ORDER BY n RETURNING id`,
    [
      ...[versionId, readingId],
      passages.map(({ heading }) => heading ?? ''),
      passages.map(({ text }) => text),
      passages.map(({ language }) => language ?? 'en'),
    ],
  )
  const passageIds = rows.map(({ id }) => Number(id))
  const embedded = passages.flatMap(({ vector }, i) =>
    vector === undefined ? [] : [{ id: passageIds[i], bytes: bytesOf(unit(vector)) }],
  )
  await client.query(
    `INSERT INTO passage_vectors (passage_id, generation_id, vector)
     SELECT t.id, g.id, v FROM unnest($3::bigint[], $4::bytea[]) AS t(id, v)
     JOIN generations g ON g.id = $1 AND g.reading_id = $2`,
    [generationId ?? null, readingId, embedded.map(({ id }) => id), embedded.map(({ bytes }) => bytes)],
  )
  return passageIds
}

function keys(document: FixtureDocument): { collectionKey: number; documentKey: number } {
  return { collectionKey: document.collectionKey, documentKey: document.key }
}
