// A reading: how a file becomes pages and passages. One is the active generation's; while another generation is built or
// kept, documents are read for it as well (docs/decisions/0010).
import type { Queryable } from '../database/pool.ts'

/** Raise it when parsers make other text of many files, not when a bug of one file is fixed. */
export const PARSER = 1
/** Raise it when the splitter makes other passages of the same pages at the same length. */
export const SPLITTER = 1

/** Tokens that a passage should have: what an owner can choose from. */
export const PASSAGE_TOKENS = [120, 200, 320] as const
export const DEFAULT_PASSAGE_TOKENS = 200

/** What decides it. */
export interface ReadingIdentity {
  readonly parser: number
  readonly splitter: number
  readonly passageTokens: number
}

export interface Reading extends ReadingIdentity {
  readonly id: number
}

/** The first reading's id; every installation has it. */
export const FIRST_READING = 1

/** In SQL: the active generation's reading, or the first while nothing was ever embedded. */
export const ACTIVE_READING = `coalesce((SELECT ga.reading_id FROM generations ga WHERE ga.state = 'active'), ${FIRST_READING})`

/** In SQL, of a version `v`: the reading that searches see. */
export const SEEN_READING = `(CASE WHEN v.stage = 'searchable' THEN ${ACTIVE_READING} ELSE v.reading_id END)`

/** In SQL: columns of a row `r` of readings, as `readingOf` takes them. */
export const READING_COLUMNS = 'r.id AS reading_id, r.parser, r.splitter, r.passage_tokens'

export interface ReadingRow {
  readonly reading_id: number
  readonly parser: number
  readonly splitter: number
  readonly passage_tokens: number
}

export function readingOf(row: ReadingRow): Reading {
  const { parser, splitter } = row
  return { id: row.reading_id, parser, splitter, passageTokens: row.passage_tokens }
}

/** What documents are read by. */
export async function activeReading(db: Queryable): Promise<Reading> {
  const { rows } = await db.query<ReadingRow>(
    `SELECT ${READING_COLUMNS} FROM readings r WHERE r.id = ${ACTIVE_READING}`,
  )
  if (rows[0] === undefined) throw new Error('there is no reading: the migrations did not run')
  return readingOf(rows[0])
}

/** The row of this reading, made when there is none. */
export async function findReading(db: Queryable, identity: ReadingIdentity): Promise<Reading> {
  const values = [identity.parser, identity.splitter, identity.passageTokens]
  const where = 'parser = $1 AND splitter = $2 AND passage_tokens = $3'
  const found = await db.query<{ id: number }>(
    `WITH made AS (INSERT INTO readings (parser, splitter, passage_tokens)
       SELECT $1::int, $2::int, $3::int WHERE NOT EXISTS (SELECT 1 FROM readings WHERE ${where})
       ON CONFLICT DO NOTHING RETURNING id)
     SELECT id FROM made UNION SELECT id FROM readings WHERE ${where}`,
    values,
  )
  // Another transaction made it after this statement began.
  const id =
    found.rows[0]?.id ??
    (await db.query<{ id: number }>(`SELECT id FROM readings WHERE ${where}`, values)).rows[0]?.id
  if (id === undefined) throw new Error('a reading could not be made')
  return { id, ...identity }
}
