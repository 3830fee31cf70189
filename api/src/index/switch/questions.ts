// What two engines are compared by: golden questions and questions that people have asked, and where these are not enough,
// headings and first words of passages. Their words stay in the server: only ids are told of them.
import type { Queryable } from '../../database/pool.ts'
import type { IndexFilter } from '../port.ts'

export interface SampleQuestion {
  /** Where it comes from, with its id. */
  readonly name: string
  readonly text: string
  readonly filter: IndexFilter
}

const LONGEST = 500

/** Every other question ranges over one collection only: filters are compared too. */
export async function sampleQuestions(db: Queryable, most: number): Promise<SampleQuestion[]> {
  const { rows: all } = await db.query<{ key: number }>(
    'SELECT key FROM collections WHERE deleted_at IS NULL ORDER BY key',
  )
  const keys = all.map(({ key }) => key)
  if (keys.length === 0) return []
  const asked = await read(db, ASKED, most)
  const more = asked.length < most ? await read(db, PASSAGES, most - asked.length) : []
  return [...asked, ...more].map(({ name, text }, i) => {
    const one = keys[(i >> 1) % keys.length]
    const filter = { kind: 'collections' as const, keys: i % 2 === 0 || one === undefined ? keys : [one] }
    return { name, text: text.slice(0, LONGEST), filter }
  })
}

async function read(db: Queryable, sql: string, most: number): Promise<{ name: string; text: string }[]> {
  const { rows } = await db.query<{ name: string; text: string }>(sql, [most])
  return rows
}

const ASKED = `SELECT name, text FROM (
    (SELECT 'golden question ' || id AS name, text, 0 AS place FROM golden_questions ORDER BY id DESC LIMIT $1)
    UNION ALL
    (SELECT 'question ' || id, text, 1 FROM (SELECT id, text FROM messages WHERE role = 'question'
       ORDER BY id DESC LIMIT 20 * $1::int) recent ORDER BY random() LIMIT $1)) q
  WHERE text <> '' ORDER BY place LIMIT $1`

/** Of places at random, since there may be millions: from each on, the next. */
const PASSAGES = `SELECT DISTINCT ON (p.id) 'passage ' || p.id AS name,
    CASE WHEN p.heading <> '' THEN p.heading ELSE array_to_string((string_to_array(p.text, ' '))[1:12], ' ') END AS text
  FROM generate_series(1, $1::int),
    LATERAL (SELECT floor(random() * ((SELECT max(id) FROM passages) + 1))::bigint AS place
             WHERE generate_series IS NOT NULL) at,
    LATERAL (SELECT id, heading, text FROM passages WHERE id >= at.place ORDER BY id LIMIT 1) p`
