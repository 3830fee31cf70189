// What an attempt needs to know, read from the database when it begins, wherever that is: the server that continues
// an answer was not there when it was asked. Rights are those of the chat's owner now, not of the time of asking.
import { INSTALLATION_ROLES } from '../../../contract/stages.ts'
import { VISIBLE_COLLECTIONS_SQL } from '../access/collections.ts'
import type { Viewer } from '../access/port.ts'
import type { Queryable } from '../database/pool.ts'
import { AppError } from '../errors.ts'
import type { Offered } from './live.ts'
import type { Turn } from './prompt.ts'

export interface AnswerContext {
  /** The chat's owner, for whom everything is searched and read. */
  readonly viewer: Viewer
  readonly question: string
  /** The turns before, oldest first, without those that rest on what their reader may no longer read (promise P5), and
   * those whose text only a page vouches for. */
  readonly history: readonly Turn[]
  /**
   * Every question before, oldest first, also those that were answered by quotes alone or by what may no longer be read:
   * the answer is empty there. A person's own questions are searched with. Default: `history`.
   */
  readonly asked?: readonly Turn[]
  /** Collections of the chat that its owner may still see, its own one included. */
  readonly collectionIds: readonly string[]
  /** Set when only this document counts. */
  readonly documentId: string | null
  readonly model: string
  /** As of `AttemptIdentity`. */
  readonly offered?: Offered
}

const TURNS = 10

interface Row {
  userId: string
  name: string
  email: string
  role: string | null
  banned: boolean | null
  model: string
  documentId: string | null
  collectionIds: string[]
  messages: { role: string; text: string; readable: boolean }[]
}

/**
 * Whether it is said to its end, and not by a page's word alone; and whether all that an answer `said` cites, and all that its model was given, may still be read: an answer repeats
 * its passages, with or without citing them. Asked of documents, since passages go when documents are read anew, and of
 * what they were at the time: an answer by a version that was replaced, or taken back, since would be repeated as if it still held. Where
 * a build that does not note the documents wrote an answer, they are found by its passages.
 */
const READABLE_SQL = `NOT EXISTS (SELECT 1 FROM attempts WHERE message_id = said.id AND ended_at IS NULL)
  AND coalesce((
    SELECT NOT unverified FROM attempts WHERE message_id = said.id AND ended_at IS NOT NULL ORDER BY number DESC LIMIT 1), true)
  AND NOT EXISTS (
    SELECT 1 FROM (SELECT document_id AS id FROM citations WHERE message_id = said.id
                   UNION SELECT unnest(document_ids) FROM attempts WHERE message_id = said.id) used
    WHERE NOT EXISTS (
      SELECT 1 FROM documents d JOIN document_versions v ON v.id = d.current_version_id
      WHERE d.id = used.id AND d.deleted_at IS NULL AND (v.number = 1 OR v.words_at < said.created_at)
        AND NOT EXISTS (
          SELECT 1 FROM document_versions back WHERE back.document_id = d.id AND back.number > v.number
            AND back.words_at IS NOT NULL AND back.updated_at > said.created_at)
        AND d.collection_id IN ${VISIBLE_COLLECTIONS_SQL}))
  AND NOT EXISTS (
    SELECT 1 FROM (SELECT unnest(passage_ids) AS id FROM attempts
                   WHERE message_id = said.id AND coalesce(cardinality(document_ids), 0) = 0) used
    WHERE NOT EXISTS (
      SELECT 1 FROM passages p JOIN document_versions v ON v.id = p.version_id
      JOIN documents d ON d.id = v.document_id AND d.deleted_at IS NULL
      WHERE p.id = used.id AND d.collection_id IN ${VISIBLE_COLLECTIONS_SQL}))`

/** @throws AppError NOT_FOUND when the chat is gone, FORBIDDEN when its owner may no longer use the installation */
export async function loadContext(
  db: Queryable,
  attempt: { readonly id: string; readonly userId: string },
): Promise<AnswerContext> {
  const { rows } = await db.query<Row>({
    name: 'answer-context',
    text: `SELECT u.id AS "userId", u.name, u.email, u.role, u.banned, a.model, c.document_id AS "documentId",
             ARRAY(SELECT s.id FROM (
                 SELECT collection_id AS id FROM chat_collections WHERE chat_id = c.id
                 UNION SELECT c.collection_id WHERE c.collection_id IS NOT NULL) s
               WHERE s.id IN ${VISIBLE_COLLECTIONS_SQL}) AS "collectionIds",
             (SELECT json_agg(json_build_object('role', h.role, 'text', h.text, 'readable', h.readable)
                              ORDER BY h.position)
              FROM (SELECT role, text, position, ${READABLE_SQL} AS readable FROM messages said
                    WHERE chat_id = c.id AND position < m.position
                    ORDER BY position DESC LIMIT ${2 * TURNS + 1}) h) AS messages
           FROM attempts a JOIN messages m ON m.id = a.message_id
           JOIN chats c ON c.id = m.chat_id AND c.deleted_at IS NULL
           JOIN users u ON u.id = c.user_id AND u.id = $1
           WHERE a.id = $2`,
    values: [attempt.userId, attempt.id],
  })
  const row = rows[0]
  const question = row?.messages.at(-1)
  if (row === undefined || question === undefined) throw new AppError('NOT_FOUND')
  if (row.banned === true) throw new AppError('FORBIDDEN')
  const asked: Turn[] = []
  for (const [index, message] of row.messages.entries()) {
    const next = row.messages[index + 1]
    if (message.role === 'question' && next?.role === 'answer')
      asked.push({ question: message.text, answer: next.readable ? next.text : '' })
  }
  return {
    // No session asks: nothing that is done for an answer needs one.
    viewer: {
      userId: row.userId,
      sessionId: '',
      name: row.name,
      email: row.email,
      role: INSTALLATION_ROLES.find((role) => role === row.role) ?? 'member',
    },
    question: question.text,
    history: asked.filter(({ answer }) => answer !== ''),
    asked,
    collectionIds: row.collectionIds,
    documentId: row.documentId,
    model: row.model,
  }
}
