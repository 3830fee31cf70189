// A collection's golden questions: questions that people ask, each with the documents they say are right. They are what
// `npm run eval -- --collection ID` and the test bench measure the search by.
// A document counts, whatever becomes of its versions and passages; the passage that was pointed at is kept to be shown.
import { LIMITS } from '../../../contract/limits.ts'
import { requireCollection } from '../access/collections.ts'
import type { Viewer } from '../access/port.ts'
import { type Pool, transaction } from '../database/pool.ts'
import { AppError } from '../errors.ts'
import { lockShared } from '../library/collections.ts'

export interface GoldenAnswer {
  readonly documentId: string
  readonly documentName: string
  /** The version whose passage was pointed at; it may be gone, or no longer the current one. */
  readonly versionId: string
  /** The page and the range are those of this reading. */
  readonly readingId: number
  readonly page: number
  /** UTF-16 code units in the page's text, end exclusive. */
  readonly charStart: number
  readonly charEnd: number
}

export interface GoldenQuestion {
  readonly id: string
  readonly text: string
  /** By name. Empty when every document that was right has been deleted. */
  readonly answers: readonly GoldenAnswer[]
}

/** Oldest first. @throws AppError NOT_FOUND */
export async function listGoldenQuestions(
  pool: Pool,
  viewer: Viewer,
  collectionId: string,
): Promise<GoldenQuestion[]> {
  await requireCollection(pool, viewer, collectionId, 'viewer')
  const { rows } = await pool.query<GoldenQuestion>({
    name: 'golden-questions',
    text: `${QUESTIONS_SQL} WHERE q.collection_id = $1 ORDER BY q.id`,
    values: [collectionId],
  })
  return rows
}

const QUESTIONS_SQL = `
  SELECT q.id, q.text, coalesce(a.answers, '[]') AS answers FROM golden_questions q
  LEFT JOIN LATERAL (
    SELECT json_agg(json_build_object('documentId', d.id, 'documentName', d.name, 'versionId', ga.version_id,
                                      'readingId', ga.reading_id, 'page', ga.page, 'charStart', ga.char_start, 'charEnd', ga.char_end) ORDER BY d.name, d.id) AS answers
    FROM golden_answers ga JOIN documents d ON d.id = ga.document_id AND d.deleted_at IS NULL
    WHERE ga.question_id = q.id) a ON true`

/** Null when it is not there (any more). @throws AppError NOT_FOUND of the collection */
export async function findGoldenQuestion(
  pool: Pool,
  viewer: Viewer,
  collectionId: string,
  id: string,
): Promise<GoldenQuestion | null> {
  await requireCollection(pool, viewer, collectionId, 'viewer')
  const { rows } = await pool.query<GoldenQuestion>({
    name: 'golden-question',
    text: `${QUESTIONS_SQL} WHERE q.collection_id = $1 AND q.id = $2`,
    values: [collectionId, id],
  })
  return rows[0] ?? null
}

/**
 * Says that a passage answers a question. A question that is there gets one more right document; said again of another
 * passage of the document, that is the one to show.
 * @throws AppError NOT_FOUND, FORBIDDEN for who may not upload, CONFLICT when the passage is no longer there, INVALID_INPUT
 *   when there are too many
 */
export async function addGoldenAnswer(
  pool: Pool,
  viewer: Viewer,
  given: { readonly collectionId: string; readonly question: string; readonly passageId: number },
): Promise<{ id: string }> {
  const { collectionId, passageId } = given
  const text = given.question.toWellFormed().replaceAll('\0', '').trim()
  if (text === '') throw new AppError('INVALID_INPUT', { reason: 'the question is empty' })
  return transaction(pool, async (client) => {
    // The collection's row is held: the same question is not inserted twice, nor one too many.
    await lockShared(client, viewer, collectionId, 'editor')
    const { rows: passages } = await client.query<Passage>(
      `SELECT d.id AS "documentId", p.version_id AS "versionId", p.reading_id AS "readingId", p.page,
         p.char_start AS "charStart", p.char_end AS "charEnd"
       FROM passages p JOIN document_versions v ON v.id = p.version_id JOIN documents d ON d.id = v.document_id
       WHERE p.id = $1 AND d.collection_id = $2 AND d.deleted_at IS NULL`,
      [passageId, collectionId],
    )
    const passage = passages[0]
    if (passage === undefined)
      throw new AppError('CONFLICT', { reason: 'the passage is no longer there. Search again.' })
    const { rows: counted } = await client.query<{ id: string | null; questions: number; answers: number }>(
      `SELECT same.id, (SELECT count(*)::int FROM golden_questions WHERE collection_id = $1) AS questions,
         (SELECT count(*)::int FROM golden_answers WHERE question_id = same.id AND document_id <> $3) AS answers
       FROM (SELECT (SELECT id FROM golden_questions WHERE collection_id = $1 AND text = $2 LIMIT 1) AS id) same`,
      [collectionId, text, passage.documentId],
    )
    const { id: known = null, questions = 0, answers = 0 } = counted[0] ?? {}
    if (known === null && questions >= LIMITS.goldenQuestions)
      throw tooMany(`a collection has at most ${LIMITS.goldenQuestions} golden questions`)
    if (answers >= LIMITS.goldenAnswers)
      throw tooMany(`a question has at most ${LIMITS.goldenAnswers} right documents`)
    const id = known ?? (await insertQuestion(client, viewer, collectionId, text))
    await client.query(
      `INSERT INTO golden_answers (question_id, document_id, version_id, reading_id, page, char_start, char_end)
       VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (question_id, document_id) DO UPDATE
       SET version_id = excluded.version_id, reading_id = excluded.reading_id, page = excluded.page,
         char_start = excluded.char_start, char_end = excluded.char_end`,
      [
        ...[id, passage.documentId, passage.versionId, passage.readingId],
        ...[passage.page, passage.charStart, passage.charEnd],
      ],
    )
    return { id }
  })
}

interface Passage {
  readonly documentId: string
  readonly versionId: string
  readonly readingId: number
  readonly page: number
  readonly charStart: number
  readonly charEnd: number
}

async function insertQuestion(
  client: Pick<Pool, 'query'>,
  viewer: Viewer,
  collectionId: string,
  text: string,
): Promise<string> {
  const { rows } = await client.query<{ id: string }>(
    'INSERT INTO golden_questions (collection_id, text, created_by) VALUES ($1, $2, $3) RETURNING id',
    [collectionId, text, viewer.userId],
  )
  if (rows[0] === undefined) throw new Error('the question was not inserted')
  return rows[0].id
}

function tooMany(reason: string): AppError {
  return new AppError('INVALID_INPUT', { reason })
}

/**
 * Takes back that a document is right. A question that has none left goes with it. What is not there is no error.
 * @throws AppError NOT_FOUND, FORBIDDEN for who may not upload
 */
export async function removeGoldenAnswer(
  pool: Pool,
  viewer: Viewer,
  given: { readonly collectionId: string; readonly id: string; readonly documentId: string },
): Promise<void> {
  await transaction(pool, async (client) => {
    await lockShared(client, viewer, given.collectionId, 'editor')
    await client.query(
      `DELETE FROM golden_answers a USING golden_questions q
       WHERE q.id = a.question_id AND q.collection_id = $1 AND q.id = $2 AND a.document_id = $3`,
      [given.collectionId, given.id, given.documentId],
    )
    await client.query(
      `DELETE FROM golden_questions q WHERE q.collection_id = $1 AND q.id = $2
         AND NOT EXISTS (SELECT 1 FROM golden_answers a WHERE a.question_id = q.id)`,
      [given.collectionId, given.id],
    )
  })
}

/** What is not there is no error. @throws AppError NOT_FOUND of the collection, FORBIDDEN for who may not upload */
export async function removeGoldenQuestion(
  pool: Pool,
  viewer: Viewer,
  collectionId: string,
  id: string,
): Promise<void> {
  await transaction(pool, async (client) => {
    await lockShared(client, viewer, collectionId, 'editor')
    await client.query('DELETE FROM golden_questions WHERE collection_id = $1 AND id = $2', [
      collectionId,
      id,
    ])
  })
}
