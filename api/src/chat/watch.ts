// Watching an answer: tracked events with ids `ATTEMPT:OFFSET`, so that a client which breaks off and comes back, to
// this server or another, goes on exactly where it was. Where the answer is written, from memory; elsewhere from the
// saved chunks, looked at every 250 ms.
import { setTimeout as sleep } from 'node:timers/promises'
import { tracked } from '@trpc/server'
import { ERRORS, type ErrorCode, type ErrorDetail, errorMessage } from '../../../contract/errors.ts'
import type { AttemptState } from '../../../contract/stages.ts'
import type { Viewer } from '../access/port.ts'
import type { Pool } from '../database/pool.ts'
import { AppError } from '../errors.ts'
import type { WordsOnly } from '../index/port.ts'
import type { Answers } from './answers.ts'
import type { LiveAttempt } from './live.ts'
import { type Citation, citationsOf } from './shown.ts'

export interface AttemptError {
  readonly code: ErrorCode
  readonly message: string
  readonly detail: ErrorDetail
}

export type AnswerEvent =
  /** `query` is what is searched for besides the question, as a model has written it out. */
  | { type: 'state'; attempt: number; state: AttemptState; passages?: number; query?: string }
  /** A new attempt began: what was shown of the answer is void. */
  | { type: 'reset'; attempt: number }
  /** `start` is the offset of `text` in the attempt's text, in UTF-16 units. */
  | { type: 'text'; attempt: number; start: number; text: string }
  | {
      type: 'end'
      state: AttemptState
      error: AttemptError | null
      citations: Citation[]
      text: string
      /** The newest changes may be missing in it (promise P2's exception). */
      behind: boolean
      /** Why it was searched for by words only. Null: nothing was away. */
      wordsOnly: WordsOnly | null
      /** Nobody but a page vouches for the text. */
      unverified: boolean
    }

export interface WatchDeps {
  readonly pool: Pool
  readonly answers: Answers
}

const POLL_MS = 250

/** Where a client is. */
interface Cursor {
  attempt: number
  offset: number
  /** The last state that was sent, with its number of passages and what was searched for. */
  state: string
}

/**
 * Yields until the answer has ended or the signal aborts.
 * @param lastEventId of a client that comes back; one that is not ours begins at the beginning
 * @throws AppError NOT_FOUND when the answer is not the viewer's
 */
export async function* watchAnswer(
  deps: WatchDeps,
  viewer: Viewer,
  answerId: string,
  lastEventId: string | null,
  signal: AbortSignal,
) {
  const [attempt, offset] = (/^(\d{1,9}):(\d{1,9})$/.exec(lastEventId ?? '')?.slice(1) ?? []).map(Number)
  const cursor: Cursor = { attempt: attempt ?? 0, offset: offset ?? 0, state: '' }
  await requireAnswer(deps.pool, viewer, answerId)
  while (!signal.aborted) {
    const live = deps.answers.live(answerId)
    if (live !== undefined && live.conclusion === null) yield* follow(live, cursor, signal)
    if (signal.aborted) return
    const saved = await readAnswer(deps.pool, answerId, cursor)
    if (saved === null) throw new AppError('NOT_FOUND')
    // It may have been begun here while the database was asked.
    const here = deps.answers.live(answerId)?.conclusion === null
    yield* begin(cursor, saved.number)
    if (saved.ended) {
      const citations = (await citationsOf(deps.pool, viewer, [answerId])).get(answerId) ?? []
      const { state, error, text, behind, wordsOnly, unverified } = saved
      const end: AnswerEvent = { type: 'end', state, error, citations, text, behind, wordsOnly, unverified }
      yield tracked(`${cursor.attempt}:${text.length}`, end)
      return
    }
    yield* progress(cursor, saved.state, saved.passages)
    if (saved.tail !== '') yield say(cursor, saved.tail)
    if (!here) await sleep(POLL_MS, undefined, { signal }).catch(() => {})
  }
}

/** Follows an attempt in this server's memory until it is concluded here. */
async function* follow(live: LiveAttempt, cursor: Cursor, signal: AbortSignal) {
  const follower = live.follow()
  const onAbort = () => live.unfollow(follower)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    yield* begin(cursor, live.number)
    if (cursor.offset > live.length) cursor.offset = live.length
    while (!signal.aborted) {
      yield* progress(cursor, live.state, live.passages, live.query)
      if (live.length > cursor.offset) {
        const text = live.read(cursor.offset)
        follower.sent()
        yield say(cursor, text)
      } else if (live.conclusion !== null) return
      else await follower.next()
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
    live.unfollow(follower)
  }
}

function* begin(cursor: Cursor, attempt: number) {
  if (cursor.attempt === attempt) return
  const known = cursor.attempt > 0
  cursor.attempt = attempt
  cursor.offset = 0
  cursor.state = ''
  if (!known) return
  const event: AnswerEvent = { type: 'reset', attempt }
  yield tracked(`${attempt}:0`, event)
}

function* progress(
  cursor: Cursor,
  state: AttemptState,
  passages: number | null,
  written: string | null = null,
) {
  // Who looks from another server does not hear of it: it is of no interest once the passages are there.
  const query = state === 'searching' ? written : null
  const seen = `${state}:${passages}:${query ?? ''}`
  if (cursor.state === seen) return
  cursor.state = seen
  const { attempt } = cursor
  const event: AnswerEvent = {
    ...{ type: 'state', attempt, state },
    ...(passages === null ? {} : { passages }),
    ...(query === null ? {} : { query }),
  }
  yield tracked(`${attempt}:${cursor.offset}`, event)
}

function say(cursor: Cursor, text: string) {
  const start = cursor.offset
  cursor.offset += text.length
  const event: AnswerEvent = { type: 'text', attempt: cursor.attempt, start, text }
  return tracked(`${cursor.attempt}:${cursor.offset}`, event)
}

async function requireAnswer(pool: Pool, viewer: Viewer, answerId: string): Promise<void> {
  const { rowCount } = await pool.query({
    name: 'require-answer',
    text: `SELECT 1 FROM messages m JOIN chats c ON c.id = m.chat_id
           WHERE m.id = $1 AND m.role = 'answer' AND c.user_id = $2 AND c.deleted_at IS NULL`,
    values: [answerId, viewer.userId],
  })
  if (rowCount === 0) throw new AppError('NOT_FOUND')
}

interface SavedAnswer {
  readonly number: number
  readonly state: AttemptState
  readonly ended: boolean
  readonly passages: number | null
  readonly error: AttemptError | null
  /** The answer's text once it has ended. */
  readonly text: string
  /** What is saved of a running attempt after the cursor. */
  readonly tail: string
  readonly behind: boolean
  readonly wordsOnly: WordsOnly | null
  readonly unverified: boolean
}

async function readAnswer(pool: Pool, answerId: string, cursor: Cursor): Promise<SavedAnswer | null> {
  const { rows } = await pool.query<{
    number: number
    state: AttemptState
    ended: boolean
    passages: number
    code: string | null
    detail: ErrorDetail | null
    text: string
    behind: boolean
    wordsOnly: WordsOnly | null
    unverified: boolean
    chunks: { start: number; text: string }[] | null
  }>({
    name: 'read-answer',
    text: `SELECT a.number, a.state, a.ended_at IS NOT NULL AS ended, cardinality(a.passage_ids) AS passages,
             a.error_code AS code, a.error_detail AS detail, m.text, a.behind, a.words_only AS "wordsOnly",
             a.unverified,
             CASE WHEN a.ended_at IS NULL THEN (
               SELECT json_agg(json_build_object('start', c.start, 'text', c.text) ORDER BY c.start)
               FROM attempt_chunks c WHERE c.attempt_id = a.id AND c.start >= coalesce((
                 SELECT max(start) FROM attempt_chunks WHERE attempt_id = a.id AND start <= v.offset_), 0)) END AS chunks
           FROM messages m JOIN attempts a ON a.message_id = m.id
           CROSS JOIN LATERAL (SELECT CASE WHEN a.number = $2 THEN $3::int ELSE 0 END AS offset_) v
           WHERE m.id = $1 ORDER BY a.number DESC LIMIT 1`,
    values: [answerId, cursor.attempt, cursor.offset],
  })
  const row = rows[0]
  if (row === undefined) return null
  // Offsets count UTF-16 units, PostgreSQL counts characters: so the cut is made here.
  const from = row.number === cursor.attempt ? cursor.offset : 0
  const first = row.chunks?.[0]?.start ?? from
  const tail = (row.chunks ?? []).map(({ text }) => text).join('')
  return {
    number: row.number,
    state: row.state,
    ended: row.ended,
    passages: row.passages > 0 ? row.passages : null,
    error: attemptError(row.code, row.detail),
    text: row.text,
    tail: tail.slice(from - first),
    behind: row.behind,
    wordsOnly: row.wordsOnly,
    unverified: row.unverified,
  }
}

/** A saved code with its sentence; one that this build does not know (of a newer one) is INTERNAL to it. */
export function attemptError(code: string | null, detail: ErrorDetail | null): AttemptError | null {
  if (code === null) return null
  const known: ErrorCode = code in ERRORS ? (code as ErrorCode) : 'INTERNAL'
  return { code: known, message: errorMessage(known, detail ?? {}), detail: detail ?? {} }
}
