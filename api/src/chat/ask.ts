// Taking a question: stored with its answer and that answer's first attempt in one transaction, then begun here at
// once, or left to the page that asked, where the page can get it from the model endpoint itself (direct/).
// What was accepted gets an answer, whatever happens to this server.
import { LIMITS } from '../../../contract/limits.ts'
import type { Viewer } from '../access/port.ts'
import { type Client, type Pool, transaction } from '../database/pool.ts'
import { AppError } from '../errors.ts'
import { notifyChat } from '../library/notices.ts'
import type { Models, OfferedModel } from '../models/registry.ts'
import type { Answers } from './answers.ts'
import { insertAttempt, PAGE_OWNER, requestStop } from './attempts.ts'
import { cleanText, storable } from './clean.ts'
import { titleFrom } from './title.ts'

export interface AskDeps {
  readonly pool: Pool
  readonly models: Models
  readonly answers: Answers
}

export interface Question {
  readonly chatId: string
  readonly text: string
  /** Default: the chat's, then the installation's. */
  readonly model?: string | undefined
  /** Chosen by the client, a uuid: the same request again, after a reply that got lost, asks nothing twice. */
  readonly requestId: string
  /** The page that asks is able and willing to get the answer itself. Default: false. */
  readonly direct?: boolean | undefined
}

export interface Asked {
  readonly questionId: string
  readonly answerId: string
  readonly attemptId: string
  /** No server writes it: the page goes on with `chats.prepare`. */
  readonly direct: boolean
}

interface LockedChat {
  title: string
  model: string | null
  empty: boolean
}

/**
 * @throws AppError QUESTION_TOO_LONG, INVALID_INPUT when it has no visible character, NOT_FOUND, MODEL_UNKNOWN,
 *   NOTHING_TO_SEARCH for a chat without a scope, CONFLICT while the answer before is being written
 */
export async function ask(deps: AskDeps, viewer: Viewer, question: Question): Promise<Asked> {
  if (question.text.length > LIMITS.questionLength)
    throw new AppError('QUESTION_TOO_LONG', { limit: LIMITS.questionLength })
  const text = storable(question.text).trim()
  if (cleanText(text).trim() === '')
    throw new AppError('INVALID_INPUT', { reason: 'text: it has no visible character' })
  const { asked, begun } = await transaction(deps.pool, async (client) => {
    const chat = await lockChat(client, viewer, question.chatId)
    const before = await findAsked(client, question)
    if (before !== null) return { asked: before, begun: null }
    if (chat.empty) throw new AppError('NOTHING_TO_SEARCH')
    const model = await chooseModel(deps.models, question.model, chat.model)
    const answerId = await insertMessages(client, question, text)
    const attempt = await insertAttempt(client, {
      answerId,
      userId: viewer.userId,
      number: 1,
      model: model.info.id,
      owner: ownerOf(deps, model, question.direct),
    })
    await client.query({
      name: 'asked-chat',
      text: `UPDATE chats SET updated_at = now(), title = CASE WHEN title = '' THEN $2 ELSE title END WHERE id = $1`,
      values: [question.chatId, titleFrom(text)],
    })
    await notifyChat(client, viewer.userId, question.chatId)
    const direct = attempt.owner === PAGE_OWNER
    const asked = { questionId: question.requestId, answerId, attemptId: attempt.id, direct }
    return { asked, begun: direct ? null : attempt }
  })
  if (begun !== null) deps.answers.start(begun)
  return asked
}

/** A page that can, for a model that pages may ask; else this server. */
function ownerOf({ answers }: AskDeps, { info, forPages }: OfferedModel, direct = false): string {
  return direct && forPages !== null && info.available ? PAGE_OWNER : answers.serverId
}

/** What a person asks for has to exist; what was remembered may have left MODELS since, then the default answers. */
async function chooseModel(
  models: Models,
  asked: string | undefined,
  remembered: string | null,
): Promise<OfferedModel> {
  if (asked !== undefined) return models.get(asked)
  const { models: offered, defaultId } = await models.list()
  return models.get(offered.find(({ id }) => id === remembered)?.id ?? defaultId)
}

/** Locks the chat, so that its messages get their positions one after another. */
async function lockChat(client: Client, viewer: Viewer, chatId: string): Promise<LockedChat> {
  const { rows } = await client.query<LockedChat>({
    name: 'lock-chat',
    text: `SELECT title, model,
             document_id IS NULL AND collection_id IS NULL
               AND NOT EXISTS (SELECT 1 FROM chat_collections WHERE chat_id = chats.id) AS empty
           FROM chats WHERE id = $1 AND user_id = $2 AND deleted_at IS NULL FOR UPDATE`,
    values: [chatId, viewer.userId],
  })
  if (rows[0] === undefined) throw new AppError('NOT_FOUND')
  return rows[0]
}

/** What the same request made before. The request's id is the question's. */
async function findAsked(
  client: Client,
  { requestId, chatId, direct = false }: Question,
): Promise<Asked | null> {
  const { rows } = await client.query<Asked & { chatId: string }>({
    name: 'find-asked',
    text: `SELECT q.id AS "questionId", q.chat_id AS "chatId", m.id AS "answerId", a.id AS "attemptId",
             coalesce(a.owner = '${PAGE_OWNER}' AND a.state = 'waiting', false) AS direct
           FROM messages q LEFT JOIN messages m ON m.chat_id = q.chat_id AND m.position = q.position + 1
           LEFT JOIN attempts a ON a.message_id = m.id
           WHERE q.id = $1 ORDER BY a.number DESC LIMIT 1`,
    values: [requestId],
  })
  const row = rows[0]
  if (row === undefined) return null
  if (row.chatId !== chatId)
    throw new AppError('CONFLICT', { reason: 'this request was made before, elsewhere' })
  const { chatId: _, ...asked } = row
  return { ...asked, direct: asked.direct && direct }
}

async function insertMessages(client: Client, question: Question, text: string): Promise<string> {
  const { rows } = await client.query<{ id: string }>({
    name: 'insert-question',
    text: `WITH last AS (
             SELECT coalesce(max(m.position), 0) AS position, coalesce(bool_or(a.id IS NOT NULL), false) AS busy
             FROM messages m LEFT JOIN attempts a ON a.message_id = m.id AND a.ended_at IS NULL
             WHERE m.chat_id = $1),
           question AS (
             INSERT INTO messages (id, chat_id, position, role, text)
             SELECT $2, $1, position + 1, 'question', $3 FROM last WHERE NOT busy)
           INSERT INTO messages (chat_id, position, role)
           SELECT $1, position + 2, 'answer' FROM last WHERE NOT busy RETURNING id`,
    values: [question.chatId, question.requestId, text],
  })
  const id = rows[0]?.id
  if (id === undefined) throw new AppError('CONFLICT', { reason: 'the answer before is still being written' })
  return id
}

/**
 * Another attempt at an answer that has ended.
 * @param direct as of `Question`
 * @throws AppError NOT_FOUND, CONFLICT while one is running
 */
export async function retry(
  deps: AskDeps,
  viewer: Viewer,
  answerId: string,
  direct?: boolean,
): Promise<{ attemptId: string; direct: boolean }> {
  const attempt = await transaction(deps.pool, async (client) => {
    const { rows } = await client.query<{ chatId: string; model: string | null }>({
      name: 'lock-answer',
      text: `SELECT c.id AS "chatId", c.model FROM messages m JOIN chats c ON c.id = m.chat_id
             WHERE m.id = $1 AND m.role = 'answer' AND c.user_id = $2 AND c.deleted_at IS NULL FOR UPDATE OF c`,
      values: [answerId, viewer.userId],
    })
    const chat = rows[0]
    if (chat === undefined) throw new AppError('NOT_FOUND')
    const { rows: newest } = await client.query<{ number: number; model: string; running: boolean }>({
      name: 'newest-attempt',
      // The one that was asked for: another may have answered in its place.
      text: `SELECT number, coalesce(asked_model, model) AS model, ended_at IS NULL AS running FROM attempts
             WHERE message_id = $1 ORDER BY number DESC LIMIT 1`,
      values: [answerId],
    })
    const last = newest[0]
    if (last?.running === true)
      throw new AppError('CONFLICT', { reason: 'the answer is still being written' })
    // The chat's model, since a person may have chosen another because this one failed.
    const model = await chooseModel(deps.models, undefined, chat.model ?? last?.model ?? null)
    const begun = await insertAttempt(client, {
      answerId,
      userId: viewer.userId,
      number: (last?.number ?? 0) + 1,
      model: model.info.id,
      owner: ownerOf(deps, model, direct),
    })
    await notifyChat(client, viewer.userId, chat.chatId)
    return begun
  })
  const byPage = attempt.owner === PAGE_OWNER
  if (!byPage) deps.answers.start(attempt)
  return { attemptId: attempt.id, direct: byPage }
}

/** Stops the running attempt at an answer, wherever it is written. One that has ended stays as it is. */
export async function stop(deps: AskDeps, viewer: Viewer, answerId: string): Promise<void> {
  const { rowCount } = await deps.pool.query({
    name: 'stoppable-answer',
    text: `SELECT 1 FROM messages m JOIN chats c ON c.id = m.chat_id
           WHERE m.id = $1 AND c.user_id = $2 AND c.deleted_at IS NULL`,
    values: [answerId, viewer.userId],
  })
  if (rowCount === 0) throw new AppError('NOT_FOUND')
  const asked = await requestStop(deps.pool, answerId)
  if (asked !== null) deps.answers.stopAttempt(asked.id)
}
