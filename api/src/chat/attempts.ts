// Who owns an attempt, in the database: leases, hand-overs, stops, ends.
// A server owns an attempt while its lease holds (5 s, renewed for all its attempts in one statement). When a lease
// lapses any server ends that attempt as interrupted, keeps its text, and begins the next one, at most three in a row.
// An owner that was cut off and comes back finds its attempt ended: every statement here asks for owner and open end.
// A page that gets its answer from the model endpoint itself is an owner too (direct/, docs/decisions/0012). What it has
// shown when its lease lapses is the answer, interrupted; before that a server begins the next attempt as ever.
import { randomUUID } from 'node:crypto'
import type { AttemptState } from '../../../contract/stages.ts'
import { type Pool, type Queryable, transaction } from '../database/pool.ts'
import { notifyChat } from '../library/notices.ts'
import type { Passage } from '../retrieval/passages.ts'
import type { AttemptIdentity } from './live.ts'

export const LEASE_SECONDS = 5
/** Owner of an attempt that one of its person's pages writes. */
export const PAGE_OWNER = 'page'
/** Pages push every 5 s at the latest; the network between may be slow, and a hidden page's clock slower. */
export const PAGE_LEASE_SECONDS = 20
const MAX_IN_A_ROW = 3

/** Stops, and attempts that wait for an owner: `{"stop": id}` or `{"lapsed": true}`. */
export const ATTEMPTS_CHANNEL = 'terrace_attempts'

const LEASE = `now() + interval '${LEASE_SECONDS} seconds'`
export const PAGE_LEASE = `now() + interval '${PAGE_LEASE_SECONDS} seconds'`

/** The first attempt of an answer, or one more on request; owned by `owner` from its first moment. */
export async function insertAttempt(
  client: Queryable,
  attempt: Omit<AttemptIdentity, 'id' | 'askedAt'> & { model: string; owner: string },
): Promise<AttemptIdentity & { readonly owner: string }> {
  const id = randomUUID()
  await client.query({
    name: 'insert-attempt',
    text: `INSERT INTO attempts (id, message_id, number, model, asked_model, owner, lease_until, passage_ids, document_ids)
           VALUES ($1, $2, $3, $4, $4, $5, CASE WHEN $5 = '${PAGE_OWNER}' THEN ${PAGE_LEASE} ELSE ${LEASE} END, '{}', '{}')`,
    values: [id, attempt.answerId, attempt.number, attempt.model, attempt.owner],
  })
  const { number, answerId, userId, owner } = attempt
  return { id, number, answerId, userId, owner }
}

/**
 * Renews those of `ids` that `owner` owns; what is not in the reply is no longer its own. Never all of the owner's:
 * one that it does not know of (a lost reply to a commit) has to lapse, so that somebody begins it.
 */
export async function renewLeases(
  pool: Pool,
  owner: string,
  ids: readonly string[],
): Promise<Map<string, { stopRequested: boolean }>> {
  const { rows } = await pool.query<{ id: string; stop: boolean }>({
    name: 'renew-leases',
    text: `UPDATE attempts SET lease_until = ${LEASE}
           WHERE owner = $1 AND id = ANY($2::uuid[]) AND state IN ('waiting', 'searching', 'reading', 'streaming')
           RETURNING id, stop_requested_at IS NOT NULL AS stop`,
    values: [owner, ids],
  })
  return new Map(rows.map(({ id, stop }) => [id, { stopRequested: stop }]))
}

export interface TakenOver {
  readonly begun: readonly AttemptIdentity[]
  /** Answers that ended as somebody had asked. */
  readonly stopped: number
  /** Answers whose servers were lost too often. Not those whose page or chat went away: their person did, as far as we know. */
  readonly interrupted: number
}

/**
 * Number of the attempt at the answer of `a` that a person asked for last: the others were begun in the moment in which
 * the one before was ended.
 */
const ASKED_FOR = `(SELECT max(c.number) FROM attempts c WHERE c.message_id = a.message_id AND NOT EXISTS (
  SELECT 1 FROM attempts p WHERE p.message_id = c.message_id AND p.number = c.number - 1 AND p.ended_at = c.created_at))`

/**
 * Ends attempts whose lease lapsed and begins the next ones, owned by `owner`.
 * @param alive what this server is writing itself: its lease may have lapsed too, when all of it stood still
 */
export async function takeOverLapsed(
  pool: Pool,
  owner: string,
  alive: readonly string[] = [],
  limit = 20,
): Promise<TakenOver> {
  return transaction(pool, async (client) => {
    const { rows } = await client.query<{
      id: string
      number: number
      model: string
      answerId: string
      userId: string
      chatId: string
      ends: boolean
      byPage: boolean
      deleted: boolean
      stopped: boolean
      waitedMs: number | null
      offeredModel: string | null
      offerExpires: number | null
    }>({
      name: 'lapsed-attempts',
      // Asked for again is what was asked for at first, so that the next attempt says so when another one answers.
      text: `SELECT a.id, a.number, coalesce(a.asked_model, a.model) AS model, a.message_id AS "answerId",
                    c.user_id AS "userId", c.id AS "chatId",
                    a.stop_requested_at IS NOT NULL AS stopped, c.deleted_at IS NOT NULL AS deleted,
                    (SELECT CASE WHEN bool_or(b.first_token_at IS NOT NULL OR b.owner = '${PAGE_OWNER}') THEN NULL
                       ELSE extract(epoch FROM now() - min(b.created_at)) * 1000 END
                     FROM attempts b WHERE b.message_id = a.message_id AND b.number >= ${ASKED_FOR})::float8 AS "waitedMs",
                    a.owner IS NOT DISTINCT FROM '${PAGE_OWNER}' AND a.state = 'streaming' AS "byPage",
                    a.model AS "offeredModel", (a.offer->>'expires')::float8 AS "offerExpires",
                    c.deleted_at IS NOT NULL OR a.owner IS NOT DISTINCT FROM '${PAGE_OWNER}' AND a.state = 'streaming' OR (
                      SELECT count(*) >= ${MAX_IN_A_ROW - 1} FROM attempts b
                      WHERE b.message_id = a.message_id AND b.state = 'interrupted' AND b.number > coalesce((
                        SELECT max(d.number) FROM attempts d
                        WHERE d.message_id = a.message_id AND d.state IN ('done', 'stopped', 'failed')), 0)
                    ) AS ends
             FROM attempts a JOIN messages m ON m.id = a.message_id JOIN chats c ON c.id = m.chat_id
             WHERE a.state IN ('waiting', 'searching', 'reading', 'streaming') AND a.lease_until < now()
               AND a.id <> ALL($2::uuid[])
             ORDER BY a.lease_until LIMIT $1 FOR UPDATE OF a SKIP LOCKED`,
      values: [limit, alive],
    })
    const begun: AttemptIdentity[] = []
    let stopped = 0
    let interrupted = 0
    for (const row of rows) {
      await client.query(
        `UPDATE attempts SET state = $2, error_code = $3, unverified = $4, owner = NULL, lease_until = NULL, ended_at = now()
         WHERE id = $1`,
        row.stopped
          ? [row.id, 'stopped', null, row.byPage]
          : [row.id, 'interrupted', 'ANSWER_INTERRUPTED', row.byPage],
      )
      if (!row.stopped && !row.ends) {
        const next = await insertAttempt(client, { ...row, number: row.number + 1, owner })
        const { waitedMs, offeredModel: model, offerExpires: expires } = row
        begun.push({
          ...{ ...next, askedAt: waitedMs === null ? null : performance.now() - waitedMs },
          ...(model === null || expires === null ? {} : { offered: { id: row.id, model, expires } }),
        })
        continue
      }
      if (row.stopped) stopped++
      else if (!row.byPage && !row.deleted) interrupted++
      // Nobody goes on: what had arrived is the answer.
      await client.query(
        `UPDATE messages SET text = coalesce(
           (SELECT string_agg(text, '' ORDER BY start) FROM attempt_chunks WHERE attempt_id = $2), '')
         WHERE id = $1`,
        [row.answerId, row.id],
      )
      // Those that are there are of the attempt before: its numbers mean other passages.
      await client.query('DELETE FROM citations WHERE message_id = $1', [row.answerId])
      await notifyChat(client, row.userId, row.chatId)
    }
    return { begun, stopped, interrupted }
  })
}

/** A stopping server lets go of what it owns; others take it over at once. */
export async function handBack(pool: Pool, owner: string): Promise<void> {
  await pool.query(
    `WITH mine AS (
       UPDATE attempts SET owner = NULL, lease_until = now() - interval '1 second'
       WHERE owner = $1 AND state IN ('waiting', 'searching', 'reading', 'streaming') RETURNING id)
     SELECT pg_notify('${ATTEMPTS_CHANNEL}', '{"lapsed":true}') FROM mine LIMIT 1`,
    [owner],
  )
}

/** Marks the running attempt of an answer as to be stopped and wakes its owner. Null when none is running. */
export async function requestStop(db: Queryable, answerId: string): Promise<{ id: string } | null> {
  const { rows } = await db.query<{ id: string }>(
    `WITH asked AS (
       UPDATE attempts SET stop_requested_at = coalesce(stop_requested_at, now())
       WHERE message_id = $1 AND state IN ('waiting', 'searching', 'reading', 'streaming') RETURNING id)
     SELECT id, pg_notify('${ATTEMPTS_CHANNEL}', json_build_object('stop', id)::text) FROM asked`,
    [answerId],
  )
  return rows[0] ?? null
}

/** What is happening before the first token, for whoever looks from elsewhere. */
export async function saveProgress(
  db: Queryable,
  owner: string,
  attemptId: string,
  progress: {
    readonly state: AttemptState
    readonly model: string
    readonly passages: readonly Pick<Passage, 'passageId' | 'documentId'>[]
  },
): Promise<void> {
  await db.query({
    name: 'save-progress',
    text: `UPDATE attempts SET state = $3, model = $4, passage_ids = $5::bigint[], document_ids = $6::uuid[],
             first_token_at = CASE WHEN $3 = 'streaming' THEN coalesce(first_token_at, now()) ELSE first_token_at END
           WHERE id = $1 AND owner = $2 AND ended_at IS NULL`,
    values: [
      ...[attemptId, owner, progress.state, progress.model],
      progress.passages.map(({ passageId }) => passageId),
      [...new Set(progress.passages.map(({ documentId }) => documentId))],
    ],
  })
}
