// What has a vector of which generation. The rule that everything here keeps: every passage that searches see by meaning
// (of a current version at the stage `searchable`) has a vector of the active generation.
import type { Client, Queryable } from '../database/pool.ts'

/** Passages `p` that have to have a vector, with their versions `v`. */
export const SEARCHABLE_PASSAGES = `passages p
  JOIN document_versions v ON v.id = p.version_id AND v.stage = 'searchable'
  JOIN documents d ON d.current_version_id = v.id AND d.deleted_at IS NULL
  JOIN collections c ON c.id = d.collection_id AND c.deleted_at IS NULL`

/** Of a passage `p`. */
export const HAS_VECTOR = (parameter: string) =>
  `EXISTS (SELECT 1 FROM passage_vectors pv WHERE pv.passage_id = p.id AND pv.generation_id = ${parameter})`

/**
 * The active generation, which stays it until this transaction ends: a switch waits for it, and it for a switch. So
 * whatever is published has the vectors of the generation that is active when it is.
 */
export async function holdActive(client: Client): Promise<number | null> {
  // Whoever waited for a switch finds the old one no longer active, and the new one not yet: asked again, it is there.
  for (let tries = 0; tries < 3; tries++) {
    const { rows } = await client.query<{ id: number }>(
      "SELECT id FROM generations WHERE state = 'active' FOR SHARE",
    )
    const id = rows[0]?.id
    if (id !== undefined) return id
  }
  return null
}

export interface Coverage {
  readonly passages: number
  readonly missing: number
}

/** Of one version, whatever its stage. */
export async function versionCoverage(
  db: Queryable,
  versionId: string,
  generationId: number,
): Promise<Coverage> {
  const { rows } = await db.query<{ missing: number; passages: number }>(
    `SELECT count(*)::int AS passages, (count(*) FILTER (WHERE NOT ${HAS_VECTOR('$2')}))::int AS missing
     FROM passages p WHERE p.version_id = $1`,
    [versionId, generationId],
  )
  return rows[0] ?? { passages: 0, missing: 0 }
}

/** Of everything that searches see. It looks at every passage: about 2 s for 300,000 on a busy two-core machine. */
export async function totalCoverage(db: Queryable, generationId: number): Promise<Coverage> {
  const { rows } = await db.query<{ missing: string; passages: string }>(
    `SELECT count(*) AS passages, count(*) FILTER (WHERE pv.passage_id IS NULL) AS missing
     FROM ${SEARCHABLE_PASSAGES}
     LEFT JOIN passage_vectors pv ON pv.passage_id = p.id AND pv.generation_id = $1`,
    [generationId],
  )
  return { passages: Number(rows[0]?.passages ?? 0), missing: Number(rows[0]?.missing ?? 0) }
}
