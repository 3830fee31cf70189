// Fills a database with searchable documents, as ingestion would have left them, in bulk. Texts and vectors are made, 384
// dimensions in clusters, where none are given: to embed 100,000 passages of that length takes more than an hour.

import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { randomNumbers, readSentences, type TextMaker, textMaker } from './text.ts'

const PER_DOCUMENT = 200
const WORDS = 115
const CLUSTERS = 400

export interface BenchLibrary {
  readonly collectionIds: readonly string[]
  readonly text: TextMaker
}

export interface LibraryOptions {
  readonly passages: number
  readonly dimensions?: number
  readonly collections?: number
  /** Passages of a document. */
  readonly perDocument?: number
  /** Instead of made ones, as many as `passages`: vectors one after the other. */
  readonly real?: { readonly texts: readonly string[]; readonly vectors: Float32Array }
  /** Of the embedder that will ask: its generation's digest and key. */
  readonly generation: { readonly digest: string; readonly key: object }
  /** Who may see everything. */
  readonly userId: string
}

export async function fillLibrary(databaseUrl: string, options: LibraryOptions): Promise<BenchLibrary> {
  const { passages, dimensions = 384, collections = 5, perDocument = PER_DOCUMENT, real } = options
  const { generation, userId } = options
  const client = new pg.Client(databaseUrl)
  await client.connect()
  try {
    const sources = readSentences()
    const text = textMaker(sources, 1)
    await client.query('BEGIN')
    const { rows: made } = await client.query<{ id: string }>(
      `INSERT INTO collections (name, created_by) SELECT 'Bench ' || n, $2 FROM generate_series(1, $1) n RETURNING id`,
      [collections, userId],
    )
    const collectionIds = made.map(({ id }) => id)
    await client.query(
      `INSERT INTO collection_members (collection_id, user_id, role) SELECT unnest($1::uuid[]), $2, 'owner'`,
      [collectionIds, userId],
    )
    const generationId = await client
      .query<{ id: number }>(
        `INSERT INTO generations (digest, key, dimensions, state) VALUES ($1, $2, $3, 'active') RETURNING id`,
        [generation.digest, JSON.stringify(generation.key), dimensions],
      )
      .then(({ rows }) => rows[0]?.id ?? 0)
    const documents = Math.ceil(passages / perDocument)
    const { rows: versions } = await client.query<{ id: string }>(
      `WITH d AS (
         INSERT INTO documents (collection_id, name)
         SELECT ($1::uuid[])[1 + n % $2], 'document-' || n || '.txt' FROM generate_series(1, $3) n RETURNING id),
       v AS (
         INSERT INTO document_versions (document_id, number, filename, media_type, bytes, sha256, storage_key, stage,
                                        words_at, searchable_at, pages, passages)
         SELECT id, 1, 'bench.txt', 'text/plain', 1, '', '', 'searchable', now(), now(), 1, $4 FROM d
         RETURNING id, document_id)
       SELECT id FROM v`,
      [collectionIds, collections, documents, perDocument],
    )
    // A data-modifying WITH does not see its own rows: the pointer is set afterwards.
    await client.query(
      'UPDATE documents d SET current_version_id = v.id FROM document_versions v WHERE v.document_id = d.id',
    )
    const copy = async (sql: string, rows: Iterable<string>) =>
      pipeline(Readable.from(rows), client.query(copyFrom(sql)))
    await copy(
      'COPY passages (version_id, ordinal, page, char_start, char_end, heading, text, tokens, language) FROM STDIN',
      passageRows(
        versions.map(({ id }) => id),
        { passages, perDocument },
        real === undefined ? () => [text.heading(), text.passage(WORDS)] : (i) => ['', real.texts[i] ?? ''],
      ),
    )
    const { rows: first } = await client.query<{ least: string }>('SELECT min(id) AS least FROM passages')
    await copy(
      'COPY passage_vectors (passage_id, generation_id, vector) FROM STDIN',
      vectorRows(
        Number(first[0]?.least),
        generationId,
        real === undefined ? clusteredVectors(passages, dimensions) : partsOf(real.vectors, dimensions),
      ),
    )
    await client.query('COMMIT')
    await client.query('ANALYZE')
    return { collectionIds, text }
  } finally {
    await client.end()
  }
}

function* passageRows(
  versions: readonly string[],
  { passages, perDocument }: { readonly passages: number; readonly perDocument: number },
  content: (passage: number) => readonly [heading: string, body: string],
): Generator<string> {
  for (let i = 0; i < passages; i++) {
    const [heading, body] = content(i)
    const fields = [versions[Math.floor(i / perDocument)] ?? '', i % perDocument, 1, 0, body.length]
    yield `${[...fields, quoted(heading), quoted(body), 170, 'en'].join('\t')}\n`
  }
}

function quoted(text: string): string {
  return text.replaceAll('\0', '').replaceAll('\\', '\\\\').replaceAll('\t', ' ').replaceAll('\n', '\\n')
}

function* vectorRows(
  firstId: number,
  generationId: number,
  vectors: Iterable<readonly [number, Float32Array]>,
): Generator<string> {
  for (const [i, vector] of vectors) {
    const bytes = Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength)
    yield `${firstId + i}\t${generationId}\t\\\\x${bytes.toString('hex')}\n`
  }
}

function* partsOf(vectors: Float32Array, dimensions: number): Generator<readonly [number, Float32Array]> {
  for (let i = 0; i * dimensions < vectors.length; i++)
    yield [i, vectors.subarray(i * dimensions, (i + 1) * dimensions)]
}

/** Unit vectors around a few hundred centres; the same object each time. */
export function* clusteredVectors(
  count: number,
  dimensions: number,
  seed = 2,
): Generator<readonly [number, Float32Array]> {
  const random = randomNumbers(seed)
  const normal = () => random() + random() + random() - 1.5
  const centres = Float32Array.from({ length: CLUSTERS * dimensions }, normal)
  const vector = new Float32Array(dimensions)
  for (let i = 0; i < count; i++) {
    const centre = Math.floor(random() * CLUSTERS) * dimensions
    let sum = 0
    for (let d = 0; d < dimensions; d++) {
      const value = (centres[centre + d] ?? 0) + 1.2 * normal()
      vector[d] = value
      sum += value * value
    }
    const scale = 1 / Math.sqrt(sum)
    for (let d = 0; d < dimensions; d++) vector[d] = (vector[d] ?? 0) * scale
    yield [i, vector]
  }
}
