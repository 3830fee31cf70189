// One document's words, brought to what searches see of it: its current version in the reading that they see, or nothing.
// Compared with the tables and not with what was done before, so that it may be ended at any point and begun again. Its
// passages appear all at once, when `ready` is set, and take the place of another reading's in the same step (promise P7).
import { setTimeout as sleep } from 'node:timers/promises'
import { type Queryable, within } from '../../database/pool.ts'
import { SEEN_READING } from '../../ingest/reading.ts'
import { type Analysers, countTerms } from '../lexical/analysis.ts'
import { Pace } from '../pace.ts'
import { tsvectorOf } from './lexemes.ts'

/** Passages that are written, or removed, by one statement. */
const PORTION = 500
const PORTION_MS = 30_000
/** All documents are compared by one statement. */
const COMPARE_MS = 10 * 60_000
/** A pause between two portions is as long as the portion took, and no longer than this. */
const LONGEST_PAUSE_MS = 2_000

export interface FillOptions {
  /** The connection that holds the lock: whoever has lost it writes nothing more. */
  readonly client: Queryable
  readonly analysers: Analysers
  readonly signal: AbortSignal
}

const WANTED = `SELECT d.key AS document_key, c.key AS collection_key, vr.version_id, vr.reading_id, vr.at
  FROM documents d JOIN collections c ON c.id = d.collection_id AND c.deleted_at IS NULL
  JOIN document_versions v ON v.id = d.current_version_id
  JOIN version_readings vr ON vr.version_id = v.id AND vr.reading_id = ${SEEN_READING}
  WHERE d.deleted_at IS NULL`

const SAME = `h.document_key = w.document_key AND h.collection_key = w.collection_key AND h.version_id = w.version_id
  AND h.reading_id = w.reading_id AND h.read_at = w.at`

/** Keys of the documents whose words are not what searches see of them. */
export async function differing(client: Queryable): Promise<number[]> {
  const { rows } = await client.query<{ key: number }>(
    within(COMPARE_MS, {
      text: `SELECT DISTINCT coalesce(w.document_key, h.document_key) AS key
             FROM (${WANTED}) w FULL JOIN word_documents h ON ${SAME}
             WHERE h.id IS NULL OR w.document_key IS NULL OR NOT h.ready ORDER BY key`,
    }),
  )
  return rows.map(({ key }) => key)
}

interface Held {
  readonly id: number
  readonly ready: boolean
  /** It is what searches see. */
  readonly wanted: boolean
}

/** @throws what the database says, also when the version was purged meanwhile: to be begun again */
export async function fillDocument(options: FillOptions, documentKey: number): Promise<void> {
  const { client } = options
  const held = await heldOf(client, documentKey)
  const kept = held.find(({ wanted }) => wanted)
  const stale = held.filter(({ wanted }) => !wanted).map(({ id }) => id)
  if (kept?.ready !== true) {
    const id = kept?.id ?? (await begin(options, documentKey, stale))
    if (id !== null) {
      await fillPassages(options, id)
      await show(client, documentKey, id)
    }
  }
  for (const id of stale) await remove(options, id)
}

async function heldOf(client: Queryable, documentKey: number): Promise<Held[]> {
  const { rows } = await client.query<Held>(
    within(PORTION_MS, {
      text: `SELECT h.id, h.ready, w.document_key IS NOT NULL AS wanted FROM word_documents h
             LEFT JOIN (${WANTED} AND d.key = $1) w ON ${SAME} WHERE h.document_key = $1`,
      values: [documentKey],
    }),
  )
  return rows
}

/** @returns null when searches see nothing of it */
async function begin(
  options: FillOptions,
  documentKey: number,
  stale: readonly number[],
): Promise<number | null> {
  const { client } = options
  // What was read anew, or has changed its collection, is the same version in the same reading.
  const { rows: same } = await client.query<{ id: number }>(
    within(PORTION_MS, {
      text: `SELECT h.id FROM word_documents h JOIN (${WANTED} AND d.key = $1) w
               ON w.version_id = h.version_id AND w.reading_id = h.reading_id
             WHERE h.id = ANY($2::int[])`,
      values: [documentKey, stale],
    }),
  )
  for (const { id } of same) await remove(options, id)
  const { rows } = await client.query<{ id: number }>(
    within(PORTION_MS, {
      text: `INSERT INTO word_documents (document_key, collection_key, version_id, reading_id, read_at)
             ${WANTED} AND d.key = $1 RETURNING id`,
      values: [documentKey],
    }),
  )
  return rows[0]?.id ?? null
}

/** Those that are missing: an earlier try may have come some of the way. */
async function fillPassages({ client, analysers, signal }: FillOptions, id: number): Promise<void> {
  for (let after = -1; ; ) {
    const since = performance.now()
    const { rows } = await client.query<{
      id: string
      ordinal: number
      language: string
      heading: string
      text: string
    }>(
      within(PORTION_MS, {
        name: 'words-missing',
        text: `SELECT p.id, p.ordinal, p.language, p.heading, p.text
               FROM word_documents h JOIN passages p ON p.version_id = h.version_id AND p.reading_id = h.reading_id
               LEFT JOIN passage_words w ON w.passage_id = p.id AND w.word_document_id = h.id
               WHERE h.id = $1 AND p.ordinal > $2 AND w.passage_id IS NULL ORDER BY p.ordinal LIMIT ${PORTION}`,
        values: [id, after],
      }),
    )
    const pace = new Pace(signal)
    const words: { length: number; words: string }[] = []
    for (const { language, heading, text } of rows) {
      const { terms, length } = countTerms(await analysers.load(language), heading, text)
      words.push({ length, words: tsvectorOf(terms) })
      if (pace.due) await pace.pause()
    }
    if (rows.length > 0)
      await client.query(
        within(PORTION_MS, {
          name: 'words-write',
          text: `INSERT INTO passage_words (passage_id, word_document_id, collection_key, language, length, words)
                 SELECT t.id, h.id, h.collection_key, t.language, t.length, t.words::tsvector
                 FROM word_documents h,
                   unnest($2::bigint[], $3::text[], $4::int[], $5::text[]) AS t(id, language, length, words)
                 WHERE h.id = $1
                 ON CONFLICT (passage_id) DO UPDATE SET word_document_id = excluded.word_document_id,
                   collection_key = excluded.collection_key, language = excluded.language,
                   length = excluded.length, words = excluded.words`,
          values: [
            ...[id, rows.map((row) => row.id), rows.map(({ language }) => language)],
            ...[words.map(({ length }) => length), words.map((one) => one.words)],
          ],
        }),
      )
    if (rows.length < PORTION) return
    after = rows.at(-1)?.ordinal ?? after
    await breathe(since, signal)
  }
}

/** From here on searches see it, and nothing else of this document. */
async function show(client: Queryable, documentKey: number, id: number): Promise<void> {
  await client.query(
    within(PORTION_MS, {
      text: `UPDATE word_documents h SET ready = h.id = $2,
               passages = CASE WHEN h.id = $2 THEN n.passages ELSE h.passages END,
               length = CASE WHEN h.id = $2 THEN n.length ELSE h.length END,
               languages = CASE WHEN h.id = $2 THEN n.languages ELSE h.languages END
             FROM (SELECT count(*)::int AS passages, coalesce(sum(length), 0) AS length,
                     coalesce(array_agg(DISTINCT language), '{}') AS languages
                   FROM passage_words WHERE word_document_id = $2) n
             WHERE h.document_key = $1`,
      values: [documentKey, id],
    }),
  )
}

async function remove({ client, signal }: FillOptions, id: number): Promise<void> {
  await client.query(
    within(PORTION_MS, { text: 'UPDATE word_documents SET ready = false WHERE id = $1', values: [id] }),
  )
  for (;;) {
    const since = performance.now()
    const { rowCount } = await client.query(
      within(PORTION_MS, {
        text: `DELETE FROM passage_words WHERE passage_id IN (
                 SELECT passage_id FROM passage_words WHERE word_document_id = $1 LIMIT ${PORTION})`,
        values: [id],
      }),
    )
    if ((rowCount ?? 0) < PORTION) break
    await breathe(since, signal)
  }
  await client.query(within(PORTION_MS, { text: 'DELETE FROM word_documents WHERE id = $1', values: [id] }))
}

/** However much there is to fill, half of the time is left to others. */
async function breathe(since: number, signal: AbortSignal): Promise<void> {
  await sleep(Math.min(LONGEST_PAUSE_MS, performance.now() - since), undefined, { signal })
}
