// The table that says which readings of a version are whole.
import type { Queryable } from '../database/pool.ts'
import { FIRST_READING, SEEN_READING } from './reading.ts'

/** In SQL: the row of a version `v` whose text is there, as an older build left it, which does not know the table. */
const noteRow = (
  reading: string,
) => `INSERT INTO version_readings (version_id, reading_id, pages, passages, tokens)
  SELECT v.id, ${reading}, coalesce(v.pages, 0), coalesce(v.passages, 0), coalesce(v.tokens, 0) FROM document_versions v`

/** In SQL: whether a version `v` has text of a reading. */
const HAS_TEXT = (reading: string) =>
  `EXISTS (SELECT 1 FROM pages p WHERE p.version_id = v.id AND p.reading_id = ${reading})`

export async function hasReading(db: Queryable, versionId: string, readingId: number): Promise<boolean> {
  const { rowCount } = await db.query(
    'SELECT 1 FROM version_readings WHERE version_id = $1 AND reading_id = $2',
    [versionId, readingId],
  )
  return rowCount === 1
}

/** Whether searches see the version by this reading, and its text is there. */
export async function isSeen(db: Queryable, versionId: string, readingId: number): Promise<boolean> {
  const { rowCount } = await db.query(
    `SELECT 1 FROM document_versions v WHERE v.id = $1 AND $2 = ${SEEN_READING} AND ${HAS_TEXT('$2')}`,
    [versionId, readingId],
  )
  return rowCount === 1
}

/** Of a version that an older build read so. */
export async function noteReading(db: Queryable, versionId: string, readingId: number): Promise<void> {
  await db.query(`${noteRow('$2')} WHERE v.id = $1 ON CONFLICT DO NOTHING`, [versionId, readingId])
}

/** Of all that older builds read: by the first reading. */
export async function noteReadings(db: Queryable): Promise<void> {
  await db.query(
    `${noteRow('v.reading_id')} WHERE v.stage IN ('words', 'searchable') AND v.reading_id = ${FIRST_READING}
       AND NOT EXISTS (SELECT 1 FROM version_readings r WHERE r.version_id = v.id AND r.reading_id = v.reading_id)
       AND ${HAS_TEXT('v.reading_id')} ON CONFLICT DO NOTHING`,
  )
}
