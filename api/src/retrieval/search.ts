// A question's best passages, as its asker may see them: which collections count is asked of the database, the index
// ranks, and the texts are read with the permission check in the same statement (passages.ts). Two round trips to the
// database, and the question is embedded meanwhile.
import { PersonSlots } from '../access/person-slots.ts'
import type { Viewer } from '../access/port.ts'
import type { Pool } from '../database/pool.ts'
import { AppError } from '../errors.ts'
import type { Candidate, Index, IndexFilter, SearchMethod } from '../index/port.ts'
import { generationDigest } from '../models/generation.ts'
import type { Embedder } from '../models/port.ts'
import { fetchPassages, type Passage } from './passages.ts'
import { resolveScope, type Scope } from './scope.ts'

export interface SearchDeps {
  readonly pool: Pool
  readonly index: Index
  /** Null: by words only. */
  readonly embedder: Embedder | null
}

export interface SearchRequest extends Scope {
  readonly query: string
  /** Passages at most, 1 to 200. Default 10. */
  readonly limit?: number
  /** What ranks them. Default fused; the others are for comparing. */
  readonly method?: SearchMethod
}

export interface PassageHit extends Passage {
  /** cosine + 0.3 · words; the words alone where there is no query vector, or either alone by its method. */
  readonly score: number
  /** Null when the question or the passage has no vector, and by words alone. */
  readonly cosine: number | null
  /** BM25 over its maximum for this question, 0 to 1. */
  readonly words: number
  /** True while the passage can be found by words only. */
  readonly withoutVector: boolean
}

export interface SearchResult {
  /** What ranked: only words when the question can't be compared with the passages. */
  readonly mode: 'words+meaning' | 'words' | 'meaning'
  /** Best first. */
  readonly passages: readonly PassageHit[]
  readonly searchedCollections: number
}

const LIMIT = 10
const MOST_CANDIDATES = 200

/**
 * @throws AppError NOT_FOUND when nothing that the scope names is visible, NOTHING_TO_SEARCH when it names nothing,
 * UNAVAILABLE while the index is loading, and by meaning alone when the question can't be embedded like the passages,
 * TOO_MANY_REQUESTS when a person has hundreds of searches under way
 */
export async function searchPassages(
  deps: SearchDeps,
  viewer: Viewer,
  { query, limit = LIMIT, method = 'fused', ...scope }: SearchRequest,
  signal?: AbortSignal,
): Promise<SearchResult> {
  const embedder = method === 'words' ? null : deps.embedder
  const embedded = embedder === null ? Promise.resolve(null) : embed(embedder, viewer, query, signal)
  // Whoever awaits it last hears of a failure; until then it must not count as unhandled.
  embedded.catch(() => {})
  const { filter, collections, generation } = await resolveScope(deps.pool, viewer, scope)
  const comparable = embedder !== null && (generation === null || generation === digestOf(embedder))
  if (method === 'meaning' && !comparable)
    throw new AppError('UNAVAILABLE', {
      reason: 'nothing can be found by meaning without its embedding model',
    })
  const mode = !comparable ? 'words' : method === 'meaning' ? 'meaning' : 'words+meaning'
  if (filter.keys.length === 0) return { mode, passages: [], searchedCollections: 0 }
  const question = { query, embedded: comparable ? embedded : Promise.resolve(null), filter, limit, method }
  const passages = await hits(deps, viewer, question, signal)
  return { mode, passages, searchedCollections: collections }
}

/** Questions are embedded one after the other: of one person's, only so many stand in that row. */
const EMBEDDING = { atOnce: 4, waiting: 300, waitMs: 60_000 }
const rows = new WeakMap<Embedder, PersonSlots>()

async function embed(embedder: Embedder, viewer: Viewer, query: string, signal?: AbortSignal) {
  const slots = rows.get(embedder) ?? new PersonSlots(EMBEDDING)
  rows.set(embedder, slots)
  const release = await slots.take(viewer.userId)
  try {
    return await embedder.embed(query, 'query', signal)
  } finally {
    release()
  }
}

const digests = new WeakMap<Embedder, string>()

function digestOf(embedder: Embedder): string {
  const digest = digests.get(embedder) ?? generationDigest(embedder.identity)
  digests.set(embedder, digest)
  return digest
}

interface Question {
  readonly query: string
  readonly embedded: Promise<Float32Array | null>
  readonly filter: IndexFilter
  readonly limit: number
  readonly method: SearchMethod
}

/** Candidates whose text may be read. When the index was behind the database, more are asked for once. */
async function hits(
  deps: SearchDeps,
  viewer: Viewer,
  { query, embedded, filter, limit, method }: Question,
  signal: AbortSignal | undefined,
): Promise<PassageHit[]> {
  const found: PassageHit[] = []
  const seen = new Set<number>()
  for (const wanted of [limit, Math.min(limit * 4, MOST_CANDIDATES)]) {
    const question = embedded.then((vector) => ({ text: query, vector, filter, limit: wanted, method }))
    const { candidates } = await deps.index.search(question, signal)
    const unseen = candidates.filter(({ passageId }) => !seen.has(passageId))
    for (const { passageId } of unseen) seen.add(passageId)
    found.push(...(await read(deps.pool, viewer, unseen)))
    if (found.length >= limit || candidates.length < wanted) break
  }
  return found.sort((a, b) => b.score - a.score || a.passageId - b.passageId).slice(0, limit)
}

async function read(pool: Pool, viewer: Viewer, candidates: readonly Candidate[]): Promise<PassageHit[]> {
  if (candidates.length === 0) return []
  const passages = await fetchPassages(
    pool,
    viewer,
    candidates.map(({ passageId }) => passageId),
  )
  const byId = new Map(passages.map((passage) => [passage.passageId, passage]))
  return candidates.flatMap(({ passageId, score, cosine, words, withoutVector }) => {
    const passage = byId.get(passageId)
    return passage === undefined ? [] : [{ ...passage, score, cosine, words, withoutVector }]
  })
}
