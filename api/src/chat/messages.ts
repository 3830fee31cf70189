// A chat as its owner reads it: questions, answers with their newest attempt, and citations fetched with a check.

import type { ErrorDetail } from '../../../contract/errors.ts'
import type { AttemptState } from '../../../contract/stages.ts'
import { requireChat } from '../access/collections.ts'
import type { Viewer } from '../access/port.ts'
import type { Pool } from '../database/pool.ts'
import type { WordsOnly } from '../index/port.ts'
import type { Answers } from './answers.ts'
import { type Citation, citationsOf } from './shown.ts'
import { type AttemptError, attemptError } from './watch.ts'

export interface Message {
  readonly id: string
  /** From 1. */
  readonly position: number
  readonly role: 'question' | 'answer'
  /** Of an answer that is being written: what there is of it now. */
  readonly text: string
  readonly createdAt: Date
  readonly attempt: {
    readonly id: string
    readonly number: number
    readonly state: AttemptState
    /** The one that answers, or answered. */
    readonly model: string | null
    /** The one that was to answer. Null: not known. */
    readonly askedModel: string | null
    readonly error: AttemptError | null
    /** The newest changes may be missing in the answer. */
    readonly behind: boolean
    /** Why it was searched for by words only. Null: nothing was away. */
    readonly wordsOnly: WordsOnly | null
    /** Nobody but a page vouches for the text. */
    readonly unverified: boolean
    /** UTF-16 units of `text`: `number:offset` is the id after which `chats.watch` goes on. */
    readonly offset: number
  } | null
  readonly citations: Citation[]
}

export interface ChatWithMessages {
  readonly id: string
  readonly title: string
  readonly model: string | null
  readonly collectionIds: string[]
  readonly documentId: string | null
  readonly ownCollectionId: string | null
  readonly messages: Message[]
}

interface Row {
  id: string
  position: number
  role: 'question' | 'answer'
  text: string
  createdAt: Date
  attemptId: string | null
  number: number
  state: AttemptState
  model: string | null
  askedModel: string | null
  ended: boolean
  code: string | null
  detail: ErrorDetail | null
  behind: boolean
  wordsOnly: WordsOnly | null
  unverified: boolean
  chunks: string | null
}

/** @throws AppError NOT_FOUND when the chat is not the viewer's */
export async function getChat(
  deps: { pool: Pool; answers: Answers },
  viewer: Viewer,
  id: string,
): Promise<ChatWithMessages> {
  const chat = await requireChat(deps.pool, viewer, id)
  const [{ rows: scope }, { rows }] = await Promise.all([
    deps.pool.query<{ id: string }>({
      name: 'chat-scope',
      text: `SELECT cc.collection_id AS id FROM chat_collections cc
             JOIN collections c ON c.id = cc.collection_id AND c.deleted_at IS NULL
             WHERE cc.chat_id = $1 ORDER BY c.name`,
      values: [id],
    }),
    deps.pool.query<Row>({
      name: 'chat-messages',
      text: `SELECT m.id, m.position, m.role, m.text, m.created_at AS "createdAt", a.id AS "attemptId", a.number,
               a.state, a.model, a.asked_model AS "askedModel", a.ended_at IS NOT NULL AS ended, a.error_code AS code,
               a.error_detail AS detail, a.behind, a.words_only AS "wordsOnly", a.unverified,
               CASE WHEN a.ended_at IS NULL THEN (
                 SELECT string_agg(c.text, '' ORDER BY c.start) FROM attempt_chunks c WHERE c.attempt_id = a.id
               ) END AS chunks
             FROM messages m LEFT JOIN LATERAL (
               SELECT * FROM attempts WHERE message_id = m.id ORDER BY number DESC LIMIT 1) a ON true
             WHERE m.chat_id = $1 ORDER BY m.position`,
      values: [id],
    }),
  ])
  const answered = rows.filter(({ role, ended }) => role === 'answer' && ended).map((row) => row.id)
  const citations = await citationsOf(deps.pool, viewer, answered)
  return {
    ...chat,
    collectionIds: scope.map((row) => row.id),
    messages: rows.map((row) => message(deps.answers, row, citations.get(row.id) ?? [])),
  }
}

function message(answers: Answers, row: Row, citations: Citation[]): Message {
  const { id, position, role, createdAt } = row
  if (row.attemptId === null)
    return { id, position, role, text: row.text, createdAt, attempt: null, citations }
  const live = answers.live(id)
  const here = !row.ended && live?.id === row.attemptId ? live : undefined
  const text = row.ended ? row.text : (here?.read(0) ?? row.chunks ?? '')
  const attempt = {
    id: row.attemptId,
    number: row.number,
    state: here?.state ?? row.state,
    model: row.model,
    askedModel: row.askedModel,
    error: attemptError(row.code, row.detail),
    behind: row.behind,
    wordsOnly: row.wordsOnly,
    unverified: row.unverified,
    offset: text.length,
  }
  return { id, position, role, text, createdAt, attempt, citations }
}
