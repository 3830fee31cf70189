// What was read for which generation, and has a vector of it. The rule that everything here keeps: every version that
// searches see by meaning (a current one at the stage `searchable`) was read by the active generation's reading, and every
// passage of that has a vector of the active generation.
import type { Client, Queryable } from '../database/pool.ts'

const CURRENT = `JOIN documents d ON d.current_version_id = v.id AND d.deleted_at IS NULL
  JOIN collections c ON c.id = d.collection_id AND c.deleted_at IS NULL`

/** Versions `v` that have to be read, with their documents `d`. */
export const SEARCHABLE_VERSIONS = `document_versions v ${CURRENT} AND v.stage = 'searchable'`

/** In SQL, of the generation that a parameter names. */
export const READING_OF = (parameter: string) =>
  `(SELECT reading_id FROM generations WHERE id = ${parameter})`

/** Passages `p` that have to have a vector of a generation, with their versions `v`. */
export const SEARCHABLE_PASSAGES = (parameter: string) => `passages p
  JOIN document_versions v ON v.id = p.version_id AND v.stage = 'searchable' AND p.reading_id = ${READING_OF(parameter)}
  ${CURRENT}`

/** In SQL: whether a version `v` was read for a generation. */
export const IS_READ = (parameter: string) => `EXISTS (SELECT 1 FROM version_readings vr
  WHERE vr.version_id = v.id AND vr.reading_id = ${READING_OF(parameter)})`

/** Of a passage `p`. */
export const HAS_VECTOR = (parameter: string) =>
  `EXISTS (SELECT 1 FROM passage_vectors pv WHERE pv.passage_id = p.id AND pv.generation_id = ${parameter})`

export interface HeldGeneration {
  readonly id: number
  readonly readingId: number
}

/**
 * The active generation, which stays it until this transaction ends: a switch waits for it, and it for a switch. So
 * whatever is published has the passages and vectors of the generation that is active when it is.
 */
export async function holdActive(client: Client): Promise<HeldGeneration | null> {
  // Whoever waited for a switch finds the old one no longer active, and the new one not yet: asked again, it is there.
  for (let tries = 0; tries < 3; tries++) {
    const { rows } = await client.query<HeldGeneration>(
      `SELECT id, reading_id AS "readingId" FROM generations WHERE state = 'active' FOR SHARE`,
    )
    const [row] = rows
    if (row !== undefined) return row
  }
  return null
}

export interface Coverage {
  readonly passages: number
  readonly missing: number
}

/** Of one version, whatever its stage; null when it was not read for this generation. */
export async function versionCoverage(
  db: Queryable,
  versionId: string,
  generationId: number,
): Promise<Coverage | null> {
  const { rows } = await db.query<Coverage & { readonly read: boolean }>(
    `SELECT (SELECT ${IS_READ('$2')} FROM document_versions v WHERE v.id = $1) AS read,
       count(*)::int AS passages, (count(*) FILTER (WHERE NOT ${HAS_VECTOR('$2')}))::int AS missing
     FROM passages p WHERE p.version_id = $1 AND p.reading_id = ${READING_OF('$2')}`,
    [versionId, generationId],
  )
  const [row] = rows
  return row?.read === true ? { passages: row.passages, missing: row.missing } : null
}

export interface TotalCoverage extends Coverage {
  readonly documents: number
  /** Not read for this generation: their passages are not among the missing ones. */
  readonly unread: number
}

/** Of everything that searches see. It looks at every passage: about 2 s for 300,000 on a busy two-core machine. */
export async function totalCoverage(db: Queryable, generationId: number): Promise<TotalCoverage> {
  const { rows } = await db.query<Record<keyof TotalCoverage, string>>(
    `SELECT p.*, v.* FROM
     (SELECT count(*) AS passages, count(*) FILTER (WHERE pv.passage_id IS NULL) AS missing
      FROM ${SEARCHABLE_PASSAGES('$1')}
      LEFT JOIN passage_vectors pv ON pv.passage_id = p.id AND pv.generation_id = $1) p,
     (SELECT count(*) AS documents, count(*) FILTER (WHERE NOT ${IS_READ('$1')}) AS unread
      FROM ${SEARCHABLE_VERSIONS}) v`,
    [generationId],
  )
  const count = (name: keyof TotalCoverage) => Number(rows[0]?.[name] ?? 0)
  return {
    ...{ passages: count('passages'), missing: count('missing') },
    ...{ documents: count('documents'), unread: count('unread') },
  }
}
