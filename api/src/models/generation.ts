// A generation is a search model and a reading (DESIGN §4): everything that decides an index's content besides the
// documents. One is active: searches go by its vectors, and new documents get them. Others are built beside it, switched
// to and removed in generations/.
import { createHash } from 'node:crypto'
import os from 'node:os'
import type { Queryable } from '../database/pool.ts'
import {
  DEFAULT_PASSAGE_TOKENS,
  findReading,
  PARSER,
  READING_COLUMNS,
  type Reading,
  type ReadingIdentity,
  type ReadingRow,
  readingOf,
  SPLITTER,
} from '../ingest/reading.ts'
import type { Embedders } from './embedders.ts'
import type { Embedder, EmbedderIdentity } from './port.ts'

export interface ActiveGeneration {
  readonly id: number
  readonly dimensions: number
  /** How documents are read for it. */
  readonly reading: Reading
  /** The one that makes its vectors. */
  readonly embedder: Embedder
}

const HEADING = 'title > section path'

/** The first there was: a generation's digest is its embedder's then. */
const FIRST: ReadingIdentity = { parser: 1, splitter: 1, passageTokens: DEFAULT_PASSAGE_TOKENS }

/**
 * Of the canonical JSON (keys sorted) of what decides passages and vectors. Lower-case hex. Without a reading it stands
 * for the embedder alone: vectors of generations with the same one can be compared.
 */
export function generationDigest(identity: EmbedderIdentity, reading: ReadingIdentity = FIRST): string {
  const { parser, splitter, passageTokens } = reading
  const key = {
    ...{ ...identity, heading: HEADING, parser, splitter },
    ...(passageTokens === FIRST.passageTokens ? {} : { passageTokens }),
  }
  const canonical = JSON.stringify(key, Object.keys(key).sort())
  return createHash('sha256').update(canonical).digest('hex')
}

/** What is kept with a generation for people to read; no part of its digest beyond identity and reading. */
export function generationKey(identity: EmbedderIdentity, reading: ReadingIdentity = FIRST): string {
  // int8 vectors of two CPU families differ by less than two wordings do, and a laptop's data folder has to work on the
  // next laptop. A fleet is held to one family by its image set.
  const cpu = os.cpus()[0]?.model ?? os.arch()
  const { parser, splitter, passageTokens } = reading
  return JSON.stringify({
    ...{ ...identity, heading: HEADING, parser, splitter, passageTokens },
    ...('sha256' in identity ? { cpu } : {}),
  })
}

/** In SQL, of a generation `g`: what its embedder is found by (`Embedders.ofDigest`). */
export const EMBEDDER_DIGEST = 'coalesce(g.embedder_digest, g.digest)'

interface ActiveRow extends ReadingRow {
  readonly id: number
  readonly embedder_digest: string
  readonly dimensions: number
}

interface Active {
  readonly id: number
  readonly embedderDigest: string
  readonly dimensions: number
  readonly reading: Reading
}

/** Null while nothing was ever embedded. */
export async function readActive(db: Queryable): Promise<Active | null> {
  const { rows } = await db.query<ActiveRow>(
    `SELECT g.id, ${EMBEDDER_DIGEST} AS embedder_digest, g.dimensions, ${READING_COLUMNS}
     FROM generations g JOIN readings r ON r.id = g.reading_id WHERE g.state = 'active' ORDER BY g.id LIMIT 1`,
  )
  const [row] = rows
  if (row === undefined) return null
  const { id, embedder_digest: embedderDigest, dimensions } = row
  return { id, embedderDigest, dimensions, reading: readingOf(row) }
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
  const embedder = embedders.ofDigest(active.embedderDigest)
  const { id, dimensions, reading } = active
  return embedder === undefined ? null : { id, dimensions, reading, embedder }
}

async function begin(db: Queryable, { first }: Embedders) {
  if (first === null) return null
  const { identity } = first
  const reading = await findReading(db, {
    ...{ parser: PARSER, splitter: SPLITTER, passageTokens: DEFAULT_PASSAGE_TOKENS },
  })
  // Of processes that begin at once one makes it, also where their configurations differ (one active row by an index).
  await db.query(
    `INSERT INTO generations (digest, embedder_digest, reading_id, key, dimensions, state)
     SELECT $1, $2, $3, $4, $5, 'active' WHERE NOT EXISTS (SELECT 1 FROM generations WHERE state = 'active')
     ON CONFLICT DO NOTHING`,
    [
      generationDigest(identity, reading),
      generationDigest(identity),
      reading.id,
      generationKey(identity, reading),
      identity.dimensions,
    ],
  )
  return readActive(db)
}
