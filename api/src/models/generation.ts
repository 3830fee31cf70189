// A generation is everything that makes two vectors comparable (DESIGN §4). One is active: searches go by its vectors,
// and new documents get them. Others are built beside it, switched to and removed in generations/.
import { createHash } from 'node:crypto'
import os from 'node:os'
import type { Queryable } from '../database/pool.ts'
import type { Embedders } from './embedders.ts'
import type { Embedder, EmbedderIdentity } from './port.ts'

export interface ActiveGeneration {
  readonly id: number
  readonly dimensions: number
  /** The one that makes its vectors. */
  readonly embedder: Embedder
}

/** Raise a number when what a text becomes changes, not when a bug of one file is fixed. */
const PIPELINE = { parser: 1, splitter: 1, heading: 'title > section path' } as const

/** Of the canonical JSON (keys sorted) of what decides the vectors. Lower-case hex. */
export function generationDigest(identity: EmbedderIdentity): string {
  const key = { ...identity, ...PIPELINE }
  const canonical = JSON.stringify(key, Object.keys(key).sort())
  return createHash('sha256').update(canonical).digest('hex')
}

/** What is kept with a generation for people to read; no part of its digest beyond the identity. */
export function generationKey(identity: EmbedderIdentity): string {
  // int8 vectors of two CPU families differ by less than two wordings do, and a laptop's data folder has to work on the
  // next laptop. A fleet is held to one family by its image set.
  const cpu = os.cpus()[0]?.model ?? os.arch()
  return JSON.stringify({ ...identity, ...PIPELINE, ...('sha256' in identity ? { cpu } : {}) })
}

/** Null while nothing was ever embedded. */
export async function readActive(
  db: Queryable,
): Promise<{ id: number; digest: string; dimensions: number } | null> {
  const { rows } = await db.query<{ id: number; digest: string; dimensions: number }>(
    `SELECT id, digest, dimensions FROM generations WHERE state = 'active' ORDER BY id LIMIT 1`,
  )
  return rows[0] ?? null
}

/**
 * The active generation with its embedder, made for the first embedder when there is none yet. Null when its embedder
 * is not here: then no passage may be embedded for it by this process.
 */
export async function activeGeneration(
  db: Queryable,
  embedders: Embedders,
): Promise<ActiveGeneration | null> {
  const active = (await readActive(db)) ?? (await begin(db, embedders))
  if (active === null) return null
  const embedder = embedders.ofDigest(active.digest)
  return embedder === undefined ? null : { id: active.id, dimensions: active.dimensions, embedder }
}

async function begin(db: Queryable, { first }: Embedders) {
  if (first === null) return null
  const { identity } = first
  // Of processes that begin at once one makes it, also where their configurations differ (one active row by an index).
  await db.query(
    `INSERT INTO generations (digest, key, dimensions, state)
     SELECT $1, $2, $3, 'active' WHERE NOT EXISTS (SELECT 1 FROM generations WHERE state = 'active')
     ON CONFLICT DO NOTHING`,
    [generationDigest(identity), generationKey(identity), identity.dimensions],
  )
  return readActive(db)
}
