// Citations as people see them: the saved ids and ranges, with the quote fetched under the viewer's rights now.
// What was deleted, replaced or forbidden since is shown as no longer available, without a word of its text.
import type { Viewer } from '../access/port.ts'
import type { Queryable } from '../database/pool.ts'
import { fetchPassages } from '../retrieval/passages.ts'

export interface Citation {
  readonly number: number
  readonly passageId: number
  readonly documentId: string
  /** Empty when it may not be shown. */
  readonly documentName: string
  readonly versionId: string
  readonly readingId: number
  readonly page: number
  /** UTF-16 code units in the page's text, end exclusive. */
  readonly charStart: number
  readonly charEnd: number
  readonly quote: string | null
  readonly available: boolean
}

interface Row {
  messageId: string
  number: number
  passageId: string
  documentId: string
  versionId: string
  readingId: number
  page: number
  charStart: number
  charEnd: number
}

/** The citations of answers, by message id. The caller has checked that the viewer may see these messages. */
export async function citationsOf(
  db: Queryable,
  viewer: Viewer,
  answerIds: readonly string[],
): Promise<Map<string, Citation[]>> {
  const shown = new Map<string, Citation[]>(answerIds.map((id) => [id, []]))
  if (answerIds.length === 0) return shown
  const { rows } = await db.query<Row>({
    name: 'citations-of',
    text: `SELECT message_id AS "messageId", number, passage_id AS "passageId", document_id AS "documentId",
                  version_id AS "versionId", reading_id AS "readingId", page, char_start AS "charStart", char_end AS "charEnd"
           FROM citations WHERE message_id = ANY($1::uuid[]) ORDER BY message_id, number`,
    values: [answerIds],
  })
  const ids = [...new Set(rows.map(({ passageId }) => Number(passageId)))]
  const passages = ids.length === 0 ? [] : await fetchPassages(db, viewer, ids)
  const byId = new Map(passages.map((passage) => [passage.passageId, passage]))
  for (const { messageId, passageId, ...row } of rows) {
    const passage = byId.get(Number(passageId))
    shown.get(messageId)?.push({
      ...row,
      passageId: Number(passageId),
      // A build that does not know readings says the first of all that it cites.
      readingId: passage?.readingId ?? row.readingId,
      documentName: passage?.documentName ?? '',
      quote: passage?.text ?? null,
      available: passage !== undefined,
    })
  }
  return shown
}
