// How an attempt ends, in the database: its text becomes the answer's.
import type { ErrorDetail } from '../../../contract/errors.ts'
import { type Pool, type Queryable, transaction } from '../database/pool.ts'
import type { WordsOnly } from '../index/port.ts'
import { notifyChat } from '../library/notices.ts'
import type { AttemptIdentity } from './live.ts'

export interface CitedPassage {
  /** The number in the answer's text. */
  readonly number: number
  readonly passageId: number
  readonly documentId: string
  readonly versionId: string
  readonly readingId: number
  readonly page: number
  readonly charStart: number
  readonly charEnd: number
}

export interface AttemptEnd {
  readonly state: 'done' | 'stopped' | 'failed'
  readonly text: string
  readonly citations: readonly CitedPassage[]
  /** Which model answered; empty when it did not come to that. */
  readonly model: string
  /** The newest changes may be missing in it. */
  readonly behind: boolean
  /** Why it was searched for by words only; null when it was not, or nothing was away. Default: null. */
  readonly wordsOnly?: WordsOnly | null
  readonly error: { readonly code: string; readonly detail: ErrorDetail } | null
  readonly inputTokens: number | null
  readonly outputTokens: number | null
  /** Of an answer that a page brought: what the model endpoint signed of its text. */
  readonly receipt?: string | null
  /** It has a text that nobody but a page vouches for. Default: false. */
  readonly unverified?: boolean
}

/**
 * Ends an attempt: its text becomes the answer's, with the citations; the chunks have done their work.
 * @returns false when the attempt is no longer this owner's: nothing was changed
 */
export function saveEnd(
  pool: Pool,
  owner: string,
  attempt: AttemptIdentity,
  end: AttemptEnd,
): Promise<boolean> {
  return transaction(pool, (client) => save(client, OWNED, owner, attempt, end))
}

/**
 * The whole answer to an attempt that was ended as interrupted, because its page was not heard of for longer than its lease.
 * @returns false when something newer stands in its place, or it has ended otherwise: nothing was changed
 */
export function saveLateEnd(pool: Pool, attempt: AttemptIdentity, end: AttemptEnd): Promise<boolean> {
  return transaction(pool, async (client) => {
    // Whoever begins another attempt by request has the chat locked (ask.ts): either it is seen here, or comes after this.
    await client.query({
      name: 'lock-late-chat',
      text: 'SELECT 1 FROM chats c JOIN messages m ON m.chat_id = c.id WHERE m.id = $1 FOR UPDATE OF c',
      values: [attempt.answerId],
    })
    return await save(client, LATE, null, attempt, end)
  })
}

/** Whether `saveLateEnd` would be taken now. */
export async function mayBeLate(db: Queryable, attemptId: string): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'may-be-late',
    text: `SELECT 1 FROM attempts WHERE id = $1 AND owner IS NULL AND ${GIVEN_UP}`,
    values: [attemptId],
  })
  return rowCount === 1
}

/** Interrupted while a page had it, and nothing newer in its place. */
const GIVEN_UP = `state = 'interrupted' AND offer IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM attempts b WHERE b.message_id = attempts.message_id AND b.number > attempts.number)`

/** Whose end it may be; $1 is the attempt, $2 its owner. */
interface Claim {
  readonly name: string
  readonly where: string
}

const OWNED: Claim = { name: 'end-attempt', where: 'owner = $2 AND ended_at IS NULL' }
const LATE: Claim = { name: 'end-attempt-late', where: `owner IS NOT DISTINCT FROM $2 AND ${GIVEN_UP}` }

async function save(
  client: Queryable,
  { name, where }: Claim,
  owner: string | null,
  attempt: AttemptIdentity,
  end: AttemptEnd,
): Promise<boolean> {
  const { rows } = await client.query<{ userId: string; chatId: string }>({
    name,
    text: `WITH ended AS (
             UPDATE attempts SET state = $3, error_code = $4, error_detail = $5, model = coalesce(nullif($6, ''), model), input_tokens = $7,
               output_tokens = $8, behind = $10, receipt = $11, unverified = $12, words_only = $13, owner = NULL, lease_until = NULL, ended_at = now()
             WHERE id = $1 AND ${where} RETURNING message_id),
           answered AS (
             UPDATE messages m SET text = $9 FROM ended WHERE m.id = ended.message_id RETURNING m.chat_id)
           UPDATE chats c SET updated_at = now() FROM answered WHERE c.id = answered.chat_id
           RETURNING c.id AS "chatId", c.user_id AS "userId"`,
    values: [
      attempt.id,
      owner,
      end.state,
      end.error?.code ?? null,
      end.error === null ? null : JSON.stringify(end.error.detail),
      end.model,
      end.inputTokens,
      end.outputTokens,
      end.text,
      end.behind,
      end.receipt ?? null,
      end.unverified ?? false,
      end.wordsOnly ?? null,
    ],
  })
  const chat = rows[0]
  if (chat === undefined) return false
  await client.query({
    name: 'drop-chunks',
    text: `DELETE FROM attempt_chunks WHERE attempt_id IN (SELECT id FROM attempts WHERE message_id = $1)`,
    values: [attempt.answerId],
  })
  await client.query({
    name: 'drop-citations',
    text: 'DELETE FROM citations WHERE message_id = $1',
    values: [attempt.answerId],
  })
  if (end.citations.length > 0)
    await client.query({
      name: 'insert-citations',
      text: `INSERT INTO citations (message_id, number, passage_id, document_id, version_id, reading_id, page, char_start,
               char_end)
             SELECT $1, number, "passageId", "documentId", "versionId", "readingId", page, "charStart", "charEnd"
             FROM json_to_recordset($2) AS c (number int, "passageId" bigint, "documentId" uuid, "versionId" uuid,
               "readingId" int, page int, "charStart" int, "charEnd" int)`,
      values: [attempt.answerId, JSON.stringify(end.citations)],
    })
  await notifyChat(client, chat.userId, chat.chatId)
  return true
}
