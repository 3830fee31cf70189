// Pages and passages of readings that no generation has any more go; what points to them moves first, to the passage of
// the reading that searches see which says the same. Each version in one transaction: what a reading has of a version is
// all there or not at all, whenever this is killed, and whenever the same reading is begun again.
import type { Logger } from 'pino'
import { NIL_ID } from '../database/nil-id.ts'
import { type Client, type Pool, type Queryable, transaction } from '../database/pool.ts'
import { SEEN_READING } from '../ingest/reading.ts'
import { samePassages } from './same-passages.ts'

/** For the process that does this. */
const LOCK = 1_743_910_000
const PORTION = 2_000
const VERSIONS = 100
/** Cited passages at a time: each passage of the other reading is compared with all of them, and others wait. */
const LOOKED_FOR = 100
const ATTEMPTS = 500

/** In SQL, of a reading `r`. */
const IN_USE = `EXISTS (
  SELECT 1 FROM generations g WHERE g.reading_id = r.id AND g.state IN ('active', 'building', 'retired'))`

/**
 * In SQL, rows `vr` of version_readings with their versions `v`: not what searches see of the version, which is there. Where
 * it is not (a build that does not know readings left no row), the old one may be all that there is.
 */
const NOT_SEEN = `version_readings vr JOIN document_versions v ON v.id = vr.version_id AND vr.reading_id <> ${SEEN_READING}
  AND EXISTS (SELECT 1 FROM version_readings seen WHERE seen.version_id = v.id AND seen.reading_id = ${SEEN_READING})`

/**
 * By one process at a time. Can be broken off and begun again at any point.
 * @param settleMinutes since the last switch, and since a version was published by the newer reading: until then an index
 *   may still answer by an old one, and answers be written from it
 * @throws the signal's reason, and what the database says
 */
export async function removeOldReadings(
  pool: Pool,
  log: Logger,
  signal: AbortSignal,
  { settleMinutes = 10 }: { readonly settleMinutes?: number } = {},
): Promise<void> {
  const old = await oldReadings(pool, settleMinutes)
  if (old.length === 0) return
  const client = await pool.connect()
  let broken = true
  try {
    const { rows } = await client.query<{ got: boolean }>('SELECT pg_try_advisory_lock($1) AS got', [LOCK])
    if (rows[0]?.got === true) {
      await noteDocuments(pool, signal)
      for (const readingId of old) await removeReading(pool, { readingId, settleMinutes }, log, signal)
      await client.query('SELECT pg_advisory_unlock($1)', [LOCK])
    }
    broken = false
  } finally {
    // With the connection goes the lock.
    client.release(broken)
  }
}

async function oldReadings(pool: Pool, settleMinutes: number): Promise<number[]> {
  const { rows } = await pool.query<{ id: number }>(
    `SELECT r.id FROM readings r WHERE NOT ${IN_USE} AND EXISTS (SELECT 1 FROM ${NOT_SEEN} WHERE vr.reading_id = r.id)
       AND NOT EXISTS (SELECT 1 FROM index_log
                       WHERE op = 'switch-generation' AND at > now() - make_interval(secs => $1 * 60.0))
     ORDER BY r.id`,
    [settleMinutes],
  )
  return rows.map(({ id }) => id)
}

/**
 * Which documents an answer's passages are of, where the build that wrote it did not say: without the passages nobody could
 * tell any more, and it would be no history.
 */
async function noteDocuments(pool: Pool, signal: AbortSignal): Promise<void> {
  for (let last: string | undefined = NIL_ID; last !== undefined; ) {
    signal.throwIfAborted()
    const { rows }: { rows: { id: string }[] } = await pool.query(
      `WITH silent AS (
         SELECT id, passage_ids FROM attempts
         WHERE id > $1 AND cardinality(passage_ids) > 0 AND coalesce(cardinality(document_ids), 0) = 0
         ORDER BY id LIMIT ${ATTEMPTS}),
       found AS (
         SELECT s.id, array_agg(DISTINCT v.document_id) AS documents, count(*) = cardinality(s.passage_ids) AS complete
         FROM silent s CROSS JOIN unnest(s.passage_ids) given
         JOIN passages p ON p.id = given JOIN document_versions v ON v.id = p.version_id
         GROUP BY s.id, s.passage_ids),
       noted AS (UPDATE attempts a SET document_ids = f.documents FROM found f WHERE a.id = f.id AND f.complete)
       SELECT id FROM silent ORDER BY id DESC LIMIT 1`,
      [last],
    )
    last = rows[0]?.id
  }
}

interface OldText {
  readonly versionId: string
  readonly documentId: string
  readonly readingId: number
}

async function removeReading(
  pool: Pool,
  { readingId, settleMinutes }: { readonly readingId: number; readonly settleMinutes: number },
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const total = { versions: 0, moved: 0, lost: 0 }
  for (let last = NIL_ID; ; ) {
    const { rows } = await pool.query<{ versionId: string; documentId: string }>(
      `SELECT v.id AS "versionId", v.document_id AS "documentId" FROM ${NOT_SEEN}
       WHERE vr.reading_id = $1 AND vr.version_id > $2 AND v.updated_at < now() - make_interval(secs => $3 * 60.0)
       ORDER BY vr.version_id LIMIT ${VERSIONS}`,
      [readingId, last, settleMinutes],
    )
    for (const row of rows) {
      const outcome = await removeText(pool, { ...row, readingId }, signal)
      // A generation was begun that has it: what is left of it is wanted.
      if (outcome === 'wanted') return
      if (outcome === 'kept') continue
      total.versions++
      total.moved += outcome.moved
      total.lost += outcome.lost
    }
    const end = rows.at(-1)
    if (end === undefined) break
    last = end.versionId
  }
  if (total.versions > 0) log.info({ reading: readingId, ...total }, 'removed the texts of an old reading')
}

/** Cited passages: which were moved, and for how many there was nothing alike. */
interface Removed {
  readonly moved: number
  readonly lost: number
}

type Outcome = 'wanted' | 'kept' | Removed

async function removeText(pool: Pool, text: OldText, signal: AbortSignal): Promise<Outcome> {
  // Looked for without holding anything; what is cited meanwhile is looked for in another turn.
  let known = new Map<string, string | null>()
  let knownIn = -1
  for (;;) {
    signal.throwIfAborted()
    const turn = await transaction(pool, async (client) => {
      const seen = await hold(client, text)
      if (typeof seen === 'string') return { outcome: seen }
      const cited = await citedPassages(client, text)
      const unknown = knownIn === seen ? cited.filter((id) => !known.has(id)) : cited
      if (unknown.length > 0) return { seen, unknown: unknown.slice(0, LOOKED_FOR) }
      const places = new Map(cited.map((id) => [id, known.get(id) ?? null]))
      return { outcome: await moveAndRemove(client, text, seen, places, signal) }
    })
    if (turn.outcome !== undefined) return turn.outcome
    const { seen, unknown } = turn
    if (knownIn !== seen) known = new Map()
    knownIn = seen
    const { versionId } = text
    for (const [id, same] of await samePassages(pool, { versionId, readingId: seen, ids: unknown }, signal))
      known.set(id, same)
  }
}

/**
 * Nobody publishes, takes back or reads the document anew until this transaction ends, and nobody begins a generation of the
 * old reading: whoever does waits, or was first and is seen here. @returns the reading that searches see
 */
async function hold(
  client: Client,
  { versionId, documentId, readingId }: OldText,
): Promise<number | 'wanted' | 'kept'> {
  await client.query('SELECT 1 FROM documents WHERE id = $1 FOR NO KEY UPDATE', [documentId])
  await client.query('SELECT 1 FROM readings WHERE id = $1 FOR UPDATE', [readingId])
  // One that was removed begins anew by its state alone, and looks at no row of readings.
  await client.query('SELECT 1 FROM generations WHERE reading_id = $1 FOR SHARE', [readingId])
  const { rows } = await client.query<{ wanted: boolean; seen: number | null }>(
    `SELECT ${IN_USE} AS wanted,
       (SELECT ${SEEN_READING} FROM ${NOT_SEEN} WHERE vr.version_id = $1 AND vr.reading_id = $2) AS seen
     FROM readings r WHERE r.id = $2`,
    [versionId, readingId],
  )
  const [row] = rows
  if (row === undefined || row.wanted) return 'wanted'
  return row.seen ?? 'kept'
}

/** A golden answer has no passage's id, but its place. */
const GOLDEN = `g.document_id = $3 AND g.version_id = $1 AND g.reading_id = $2
  AND g.page = p.page AND g.char_start = p.char_start AND g.char_end = p.char_end`

async function citedPassages(
  db: Queryable,
  { versionId, readingId, documentId }: OldText,
): Promise<string[]> {
  // By passages, not by what citations say of their reading: a build that does not know readings says the first.
  const { rows } = await db.query<{ id: string }>(
    `SELECT p.id FROM passages p WHERE p.version_id = $1 AND p.reading_id = $2
       AND (p.id IN (SELECT passage_id FROM citations WHERE version_id = $1)
            OR EXISTS (SELECT 1 FROM golden_answers g WHERE ${GOLDEN}))`,
    [versionId, readingId, documentId],
  )
  return rows.map(({ id }) => id)
}

/** @param places by the cited passages: which passage says the same; null when none does */
async function moveAndRemove(
  client: Client,
  { versionId, readingId, documentId }: OldText,
  seen: number,
  places: ReadonlyMap<string, string | null>,
  signal: AbortSignal,
): Promise<Removed> {
  const moves = [...places].filter(([, same]) => same !== null)
  const olds = moves.map(([old]) => old)
  const news = moves.map(([, same]) => same)
  const place = 'reading_id = n.reading_id, page = n.page, char_start = n.char_start, char_end = n.char_end'
  if (moves.length > 0) {
    await client.query(
      `UPDATE citations c SET passage_id = n.id, ${place}
       FROM unnest($2::bigint[], $3::bigint[]) AS t(old, new) JOIN passages n ON n.id = t.new AND n.reading_id = $4
       WHERE c.version_id = $1 AND c.passage_id = t.old`,
      [versionId, olds, news, seen],
    )
    await client.query(
      `UPDATE golden_answers g SET ${place}
       FROM unnest($4::bigint[], $5::bigint[]) AS t(old, new) JOIN passages n ON n.id = t.new AND n.reading_id = $6
       JOIN passages p ON p.id = t.old WHERE ${GOLDEN}`,
      [versionId, readingId, documentId, olds, news, seen],
    )
  }
  const { rows } = await client.query<{ last: number | null }>(
    'SELECT max(ordinal) AS last FROM passages WHERE version_id = $1 AND reading_id = $2',
    [versionId, readingId],
  )
  for (let from = 0; from <= (rows[0]?.last ?? -1); from += PORTION) {
    signal.throwIfAborted()
    await client.query(
      'DELETE FROM passages WHERE version_id = $1 AND reading_id = $2 AND ordinal >= $3 AND ordinal < $4',
      [versionId, readingId, from, from + PORTION],
    )
  }
  for (const table of ['pages', 'version_readings'])
    await client.query(`DELETE FROM ${table} WHERE version_id = $1 AND reading_id = $2`, [
      versionId,
      readingId,
    ])
  return { moved: moves.length, lost: places.size - moves.length }
}
