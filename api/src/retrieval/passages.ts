// The only way a passage's text leaves by its id: current version, not deleted, visible to this person, all in the
// statement that reads it, on the primary (promise P5). An id that fails any of these is simply not in the answer.
// Of which reading it is does not matter: what an older index still finds, and what was cited, is readable as long as it is
// there.
import { VISIBLE_COLLECTIONS_SQL } from '../access/collections.ts'
import type { Viewer } from '../access/port.ts'
import type { Queryable } from '../database/pool.ts'

export interface Passage {
  readonly passageId: number
  readonly documentId: string
  readonly documentName: string
  readonly versionId: string
  readonly readingId: number
  readonly collectionId: string
  readonly page: number
  /** UTF-16 code units in the page's text, end exclusive. */
  readonly charStart: number
  readonly charEnd: number
  readonly heading: string
  readonly text: string
}

/** In the order of `ids`, without those that may not be read. */
export async function fetchPassages(
  db: Queryable,
  viewer: Viewer,
  ids: readonly number[],
): Promise<Passage[]> {
  const { rows } = await db.query<Omit<Passage, 'passageId'> & { passageId: string }>({
    name: 'read-passages',
    text: `SELECT p.id AS "passageId", d.id AS "documentId", d.name AS "documentName", p.version_id AS "versionId",
                  p.reading_id AS "readingId", d.collection_id AS "collectionId", p.page, p.char_start AS "charStart", p.char_end AS "charEnd",
                  p.heading, p.text
           FROM passages p JOIN documents d ON d.current_version_id = p.version_id
           WHERE p.id = ANY($2::bigint[]) AND d.deleted_at IS NULL
             AND d.collection_id IN ${VISIBLE_COLLECTIONS_SQL}`,
    values: [viewer.userId, ids],
  })
  const byId = new Map(rows.map((row) => [Number(row.passageId), row]))
  return ids.flatMap((id) => {
    const row = byId.get(id)
    return row === undefined ? [] : [{ ...row, passageId: id }]
  })
}
