// Attempts that a page writes, in the database. The page is their owner as a server is of others (attempts.ts): by a
// lease, which its pushes renew. Its requests may arrive at any server, so nothing of it is kept in memory.
import { z } from 'zod'
import type { AttemptState } from '../../../../contract/stages.ts'
import type { Viewer } from '../../access/port.ts'
import { type Pool, type Queryable, transaction } from '../../database/pool.ts'
import { AppError } from '../../errors.ts'
import type { WordsOnly } from '../../index/port.ts'
import type { Passage } from '../../retrieval/passages.ts'
import { mayBeLate } from '../attempt-end.ts'
import { PAGE_LEASE, PAGE_OWNER } from '../attempts.ts'
import type { AttemptIdentity, Offered } from '../live.ts'

const place = z.object({
  passageId: z.int(),
  documentId: z.string(),
  versionId: z.string(),
  readingId: z.int(),
  page: z.int(),
  charStart: z.int(),
  charEnd: z.int(),
})

/** What is remembered of an offer until its answer is here: ids and ranges, never the text of a document (promise P5). */
const offerSchema = z.object({
  /** `requestHash` of the request. */
  prompt: z.string(),
  /** As the endpoint calls it. */
  model: z.string(),
  /** Passage n is element n - 1. */
  passages: z.array(place),
  /** The token's end, in seconds since 1970; missing in those of older builds. */
  expires: z.int().optional(),
  /** What writing the question out took. */
  rewriting: z.object({ inputTokens: z.int(), outputTokens: z.int() }),
})
export type Offer = z.infer<typeof offerSchema>

/** No answer takes so long: a page that is still at it has lost its stream, and the chat takes no question meanwhile. */
const LONGEST = '15 minutes'

export interface PageAttempt extends AttemptIdentity {
  /** Its id in MODELS. */
  readonly model: string
  readonly state: AttemptState
  /** Still the page's. */
  readonly owned: boolean
  readonly behind: boolean
  readonly wordsOnly: WordsOnly | null
  readonly offer: Offer | null
  /** Null: it has shown words, which were counted. */
  readonly askedAt: number | null
}

/** @throws AppError NOT_FOUND when it is not an attempt in a chat of the viewer's */
export async function findPageAttempt(
  db: Queryable,
  viewer: Viewer,
  attemptId: string,
): Promise<PageAttempt> {
  const { rows } = await db.query<
    Omit<PageAttempt, 'offer' | 'askedAt'> & { offer: unknown; waitedMs: number | null }
  >({
    name: 'page-attempt',
    text: `SELECT a.id, a.number, a.message_id AS "answerId", c.user_id AS "userId", coalesce(a.model, '') AS model, a.state,
             a.behind, a.words_only AS "wordsOnly", a.offer, coalesce(a.owner = '${PAGE_OWNER}', false) AS owned,
             CASE WHEN a.first_token_at IS NULL THEN extract(epoch FROM now() - a.created_at)::float8 * 1000 END AS "waitedMs"
           FROM attempts a JOIN messages m ON m.id = a.message_id JOIN chats c ON c.id = m.chat_id
           WHERE a.id = $1 AND c.user_id = $2 AND c.deleted_at IS NULL`,
    values: [attemptId, viewer.userId],
  })
  const row = rows[0]
  if (row === undefined) throw new AppError('NOT_FOUND')
  const { waitedMs, ...attempt } = row
  return {
    ...attempt,
    offer: row.offer === null ? null : offerSchema.parse(row.offer),
    askedAt: waitedMs === null ? null : performance.now() - waitedMs,
  }
}

/** Once for each attempt. @returns false when it is not the page's, or was begun before */
export async function beginSearch(db: Queryable, attemptId: string): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'page-search',
    text: `UPDATE attempts SET state = 'searching', lease_until = ${PAGE_LEASE}
           WHERE id = $1 AND owner = '${PAGE_OWNER}' AND state = 'waiting' AND ended_at IS NULL`,
    values: [attemptId],
  })
  return rowCount === 1
}

/** @returns false when the attempt is not the page's any more */
export async function saveOffer(
  db: Queryable,
  attemptId: string,
  given: {
    readonly model: string
    readonly behind: boolean
    readonly wordsOnly: WordsOnly | null
    readonly offer: Offer
  },
): Promise<boolean> {
  const { passages } = given.offer
  const { rowCount } = await db.query({
    name: 'page-offer',
    text: `UPDATE attempts SET state = 'reading', model = $2, behind = $3, offer = $4, passage_ids = $5::bigint[],
             document_ids = $6::uuid[], words_only = $7, lease_until = ${PAGE_LEASE}
           WHERE id = $1 AND owner = '${PAGE_OWNER}' AND state = 'searching' AND ended_at IS NULL`,
    values: [
      ...[attemptId, given.model, given.behind, JSON.stringify(given.offer)],
      passages.map(({ passageId }) => passageId),
      [...new Set(passages.map(({ documentId }) => documentId))],
      given.wordsOnly,
    ],
  })
  return rowCount === 1
}

export function placesOf(passages: readonly Passage[]): Offer['passages'] {
  return passages.map(({ passageId, documentId, versionId, readingId, page, charStart, charEnd }) => ({
    ...{ passageId, documentId, versionId, readingId, page, charStart, charEnd },
  }))
}

/**
 * From the page to a server, which begins it anew: nothing of it was shown.
 * @returns what the page was offered until now, if anything; null when it has shown text, or it is not the page's any more
 */
export async function handToServer(
  pool: Pool,
  attemptId: string,
  server: string,
): Promise<{ readonly offered?: Offered } | null> {
  return transaction(pool, async (client) => {
    const { rows } = await client.query<{ model: string | null; offer: unknown }>({
      name: 'page-hands-over',
      text: `SELECT model, offer FROM attempts
             WHERE id = $1 AND owner = '${PAGE_OWNER}' AND state <> 'streaming' AND ended_at IS NULL FOR UPDATE`,
      values: [attemptId],
    })
    const [row] = rows
    if (row === undefined) return null
    await client.query({
      name: 'page-to-server',
      text: `UPDATE attempts SET state = 'waiting', owner = $2, offer = NULL, lease_until = now() + interval '5 seconds'
             WHERE id = $1`,
      values: [attemptId, server],
    })
    const offer = row.offer === null ? null : offerSchema.parse(row.offer)
    if (offer?.expires === undefined || row.model === null) return {}
    return { offered: { id: attemptId, model: row.model, expires: offer.expires } }
  })
}

/**
 * What a page has shown, for whoever looks from elsewhere; renews the page's lease. What is known already is dropped.
 * @param start offset of `text` in the answer as it is shown, in UTF-16 units
 * @returns `first`: nothing was shown before; `late`: it was given up, and the whole answer is taken all the same
 * @throws AppError INVALID_INPUT when text before `start` is missing, or the answer is longer than `longest`
 */
export async function pushText(
  pool: Pool,
  attemptId: string,
  { start, text, longest }: { readonly start: number; readonly text: string; readonly longest: number },
): Promise<{ owned: boolean; stop: boolean; first: boolean; late: boolean }> {
  return transaction(pool, async (client) => {
    const { rows } = await client.query<{ stop: boolean; first: boolean }>({
      name: 'page-lease',
      // Text without an offer is nobody's answer.
      text: `UPDATE attempts SET lease_until = ${PAGE_LEASE}, state = CASE WHEN $2 THEN 'streaming' ELSE state END,
               first_token_at = CASE WHEN $2 THEN coalesce(first_token_at, now()) ELSE first_token_at END
             WHERE id = $1 AND owner = '${PAGE_OWNER}' AND ended_at IS NULL AND (offer IS NOT NULL OR NOT $2)
               AND created_at > now() - interval '${LONGEST}'
             -- now() is the transaction's: another one's is another.
             RETURNING stop_requested_at IS NOT NULL AS stop, coalesce(first_token_at = now(), false) AS first`,
      values: [attemptId, text !== ''],
    })
    const [row] = rows
    if (row === undefined)
      return { owned: false, stop: false, first: false, late: await mayBeLate(client, attemptId) }
    if (text === '') return { owned: true, late: false, ...row }
    const { rows: last } = await client.query<{ start: number; text: string }>({
      name: 'page-last-chunk',
      text: 'SELECT start, text FROM attempt_chunks WHERE attempt_id = $1 ORDER BY start DESC LIMIT 1',
      values: [attemptId],
    })
    const known = last[0] === undefined ? 0 : last[0].start + last[0].text.length
    if (start > known) throw new AppError('INVALID_INPUT', { reason: `start: text from ${known} is missing` })
    if (start + text.length > longest)
      throw new AppError('INVALID_INPUT', { reason: `text: an answer has at most ${longest} characters` })
    const fresh = text.slice(known - start)
    if (fresh !== '')
      await client.query({
        name: 'page-chunk',
        text: 'INSERT INTO attempt_chunks (attempt_id, start, text) VALUES ($1, $2, $3)',
        values: [attemptId, known, fresh],
      })
    return { owned: true, late: false, ...row }
  })
}
