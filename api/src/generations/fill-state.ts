// How far the background work on a generation is, as everybody sees it: the table `generation_fills`.
import type { Pool, Queryable } from '../database/pool.ts'
import { AppError } from '../errors.ts'
import { READING_COLUMNS, type Reading, type ReadingRow, readingOf } from '../ingest/reading.ts'
import { EMBEDDER_DIGEST } from '../models/generation.ts'
import {
  HAS_VECTOR,
  IS_READ,
  READING_OF,
  SEARCHABLE_PASSAGES,
  SEARCHABLE_VERSIONS,
  type TotalCoverage,
  totalCoverage,
} from './coverage.ts'

export interface FilledGeneration {
  readonly id: number
  readonly embedderDigest: string
  readonly reading: Reading
  readonly state: 'building' | 'retired' | 'removing'
}

/** What there is to do besides the active one. */
export async function readBackground(db: Queryable): Promise<FilledGeneration[]> {
  const { rows } = await db.query<Omit<FilledGeneration, 'reading'> & ReadingRow>(
    `SELECT g.id, ${EMBEDDER_DIGEST} AS "embedderDigest", g.state, ${READING_COLUMNS}
     FROM generations g JOIN readings r ON r.id = g.reading_id
     WHERE g.state IN ('building', 'retired', 'removing') ORDER BY g.id`,
  )
  return rows.map((row) => {
    const { id, embedderDigest, state } = row
    return { id, embedderDigest, state, reading: readingOf(row) }
  })
}

/** @throws NotWanted */
export async function checkWanted(db: Queryable, generationId: number): Promise<void> {
  const { rowCount } = await db.query(
    "SELECT 1 FROM generations WHERE id = $1 AND state IN ('building', 'retired')",
    [generationId],
  )
  if (!rowCount) throw new NotWanted()
}

/** The generation is not filled any more: it was switched to, cancelled or removed. */
export class NotWanted extends Error {}

/** Seconds in which a rate forgets: short enough to see a change, longer than a batch of a slow endpoint. */
export const RATE_SECONDS = 30

/**
 * Keeps vectors of passages that are still there, and counts them. With the locks taken here no vector comes after a
 * removal has begun, or for a passage that is being deleted.
 * @throws NotWanted
 */
export async function keepVectors(
  pool: Pool,
  generationId: number,
  ids: readonly string[],
  vectors: readonly Buffer[],
): Promise<void> {
  const { rowCount } = await pool.query({
    name: 'fill-vectors',
    text: `WITH g AS MATERIALIZED (SELECT id FROM generations WHERE id = $1 AND state IN ('building', 'retired') FOR SHARE),
      p AS MATERIALIZED (SELECT id FROM passages WHERE id = ANY($2::bigint[]) ORDER BY id FOR KEY SHARE),
      made AS (INSERT INTO passage_vectors (passage_id, generation_id, vector)
        SELECT p.id, g.id, t.vector FROM g CROSS JOIN unnest($2::bigint[], $3::bytea[]) AS t (id, vector)
        JOIN p ON p.id = t.id ON CONFLICT DO NOTHING RETURNING 1)
      UPDATE generation_fills f SET embedded = f.embedded + n.made, rate_at = clock_timestamp(),
        rate = f.rate * exp(-greatest(0, extract(epoch FROM clock_timestamp() - f.rate_at)) / ${RATE_SECONDS})
          + n.made / ${RATE_SECONDS}.0,
        error_code = NULL, error_detail = NULL, retry_at = NULL
      FROM (SELECT count(*)::int AS made FROM made) n WHERE f.generation_id = $1 AND EXISTS (SELECT 1 FROM g)`,
    values: [generationId, ids, vectors],
  })
  if (rowCount === 0) throw new NotWanted()
}

/** Counts anew. Deletions are not counted as they happen: this is where they show. */
export async function recount(db: Queryable, generationId: number): Promise<TotalCoverage> {
  const coverage = await totalCoverage(db, generationId)
  const { passages, missing, unread } = coverage
  await db.query(
    `INSERT INTO generation_fills AS f (generation_id, embedded, complete_at) VALUES ($1, $2, $3)
     ON CONFLICT (generation_id) DO UPDATE SET embedded = excluded.embedded, complete_at = excluded.complete_at,
       error_code = CASE WHEN excluded.complete_at IS NULL THEN f.error_code END,
       error_detail = CASE WHEN excluded.complete_at IS NULL THEN f.error_detail END,
       retry_at = CASE WHEN excluded.complete_at IS NULL THEN f.retry_at END`,
    [generationId, passages - missing, missing === 0 && unread === 0 ? new Date() : null],
  )
  return coverage
}

export async function noteIncomplete(db: Queryable, generationId: number): Promise<void> {
  await db.query('UPDATE generation_fills SET complete_at = NULL WHERE generation_id = $1', [generationId])
}

export async function noteComplete(db: Queryable, generationId: number): Promise<void> {
  await db.query(
    `UPDATE generation_fills SET complete_at = now(), error_code = NULL, error_detail = NULL, retry_at = NULL
     WHERE generation_id = $1 AND complete_at IS NULL`,
    [generationId],
  )
}

/** It stands still for so many seconds, and why. */
export async function notePause(
  db: Queryable,
  generationId: number,
  error: unknown,
  seconds: number,
): Promise<void> {
  const known = error instanceof AppError ? error : new AppError('EMBEDDER_UNAVAILABLE')
  await db.query(
    `UPDATE generation_fills SET error_code = $2, error_detail = $3, retry_at = now() + make_interval(secs => $4)
     WHERE generation_id = $1`,
    [generationId, known.code, JSON.stringify(known.detail), seconds],
  )
}

/** Ids looked at in one statement, and those claimed by one process at a time. */
const SPAN = 16_384
export const BLOCK = 512

/** Ids after `from` without a vector, ascending, and up to where that was looked at; null at the end. */
export async function missingAfter(
  db: Queryable,
  generationId: number,
  from: number,
): Promise<{ ids: number[]; end: number } | null> {
  const next = await db.query<{ first: string | null; last: string | null }>(
    'SELECT min(id) AS first, (SELECT max(id) FROM passages) AS last FROM passages WHERE id > $1',
    [from],
  )
  const { first = null, last = null } = next.rows[0] ?? {}
  if (first === null) return null
  // Of so few that no plan can be a bad one. Not beyond the last one: more are made while this goes on.
  const end = Math.min(Number(first) + SPAN, Number(last) + 1)
  const { rows } = await db.query<{ id: string }>({
    name: 'fill-missing',
    text: `SELECT p.id FROM ${SEARCHABLE_PASSAGES('$1')}
           WHERE p.id >= $2 AND p.id < $3 AND NOT ${HAS_VECTOR('$1')} ORDER BY p.id`,
    values: [generationId, first, end],
  })
  return { ids: rows.map(({ id }) => Number(id)), end: end - 1 }
}

/**
 * The same, of versions that became searchable, or current again, or were read, since a time: by when their transactions
 * began, so with a minute for them to end.
 */
export async function missingSince(db: Queryable, generationId: number, since: string): Promise<number[]> {
  const { rows } = await db.query<{ id: string }>({
    name: 'fill-missing-since',
    text: `SELECT p.id FROM ${SEARCHABLE_PASSAGES('$1')}
           LEFT JOIN version_readings r ON r.version_id = v.id
             AND r.reading_id = ${READING_OF('$1')}
           WHERE greatest(v.updated_at, d.updated_at, r.at) > $2::timestamptz - interval '1 minute'
             AND NOT ${HAS_VECTOR('$1')} ORDER BY p.id LIMIT ${SPAN}`,
    values: [generationId, since],
  })
  return rows.map(({ id }) => Number(id))
}

export interface UnreadVersion {
  readonly id: string
  readonly documentKey: number
  readonly documentId: string
}

const AT_ONCE = 16

/**
 * The next versions after one, by their ids, that were not read for this generation; only such as became searchable, or
 * current again, since a time, when there is one.
 */
export async function unreadAfter(
  db: Queryable,
  generationId: number,
  versionId: string,
  since: string | null,
): Promise<UnreadVersion[]> {
  const { rows } = await db.query<UnreadVersion>({
    name: 'fill-unread',
    text: `SELECT v.id, d.key AS "documentKey", d.id AS "documentId" FROM ${SEARCHABLE_VERSIONS}
           WHERE v.id > $2 AND NOT ${IS_READ('$1')}
             AND ($3::timestamptz IS NULL OR greatest(v.updated_at, d.updated_at) > $3::timestamptz - interval '1 minute')
           ORDER BY v.id LIMIT ${AT_ONCE}`,
    values: [generationId, versionId, since],
  })
  return rows
}

/** Those of the ids that are (still) without a vector, with what is embedded of them. */
export async function readMissing(db: Queryable, generationId: number, ids: readonly number[]) {
  const { rows } = await db.query<{ id: string; heading: string; text: string }>({
    name: 'fill-texts',
    text: `SELECT p.id, p.heading, p.text FROM passages p
           WHERE p.id = ANY($2::bigint[]) AND NOT ${HAS_VECTOR('$1')} ORDER BY p.id`,
    values: [generationId, ids],
  })
  return rows
}
