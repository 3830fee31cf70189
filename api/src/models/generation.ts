// A generation is everything that makes two vectors comparable (DESIGN §4). One is active; another embedder, splitter
// or parser makes another digest. Building a second one beside the first comes with the generations' own issue: until
// then a process whose digest is not the active one goes without vectors and says so.
import { createHash } from 'node:crypto'
import os from 'node:os'
import type { Logger } from 'pino'
import type { Queryable } from '../database/pool.ts'
import type { Embedder, EmbedderIdentity } from './port.ts'

export interface ActiveGeneration {
  readonly id: number
  readonly dimensions: number
}

/** Raise a number when what a text becomes changes, not when a bug of one file is fixed. */
const PIPELINE = { parser: 1, splitter: 1, heading: 'title > section path' } as const

/** Of the canonical JSON (keys sorted) of what decides the vectors. Lower-case hex. */
export function generationDigest(identity: EmbedderIdentity): string {
  const key = { ...identity, ...PIPELINE }
  const canonical = JSON.stringify(key, Object.keys(key).sort())
  return createHash('sha256').update(canonical).digest('hex')
}

/**
 * The active generation, made when there is none yet. Null without an embedder, and when the active one was made
 * by a different one (logged): then neither queries nor passages may be embedded here.
 */
export async function activeGeneration(
  db: Queryable,
  embedder: Pick<Embedder, 'identity'> | null,
  log?: Logger,
): Promise<ActiveGeneration | null> {
  if (embedder === null) return null
  const { identity } = embedder
  const digest = generationDigest(identity)
  // Recorded, not part of the digest: int8 vectors of two CPU families differ by less than two wordings do, and
  // a laptop's data folder has to work on the next laptop. A fleet is held to one family by its image set.
  const cpu = os.cpus()[0]?.model ?? os.arch()
  await db.query(
    `INSERT INTO generations (digest, key, dimensions, state)
     SELECT $1, $2, $3, 'active' WHERE NOT EXISTS (SELECT 1 FROM generations WHERE state = 'active')
     ON CONFLICT (digest) DO NOTHING`,
    [digest, JSON.stringify({ ...identity, ...PIPELINE, cpu }), identity.dimensions],
  )
  const { rows } = await db.query<{ id: number; digest: string; dimensions: number }>(
    `SELECT id, digest, dimensions FROM generations WHERE state = 'active' ORDER BY id LIMIT 1`,
  )
  const active = rows[0]
  if (active === undefined || active.digest !== digest) {
    log?.warn(
      { active: active?.id ?? null },
      'the vectors in the database were made by another embedder: searching by words only',
    )
    return null
  }
  return { id: active.id, dimensions: active.dimensions }
}
