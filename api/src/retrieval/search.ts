// A question's best passages, as its asker may see them: which collections count is asked of the database, the index
// ranks, and the texts are read with the permission check in the same statement (passages.ts). Two round trips to the
// database, and the question is embedded meanwhile.
import { PersonSlots } from '../access/person-slots.ts'
import type { Viewer } from '../access/port.ts'
import type { Pool } from '../database/pool.ts'
import { AppError } from '../errors.ts'
import type { Candidate, ExtraPassage, Index, IndexFilter, Position, SearchMethod } from '../index/port.ts'
import { generationDigest } from '../models/generation.ts'
import type { Embedder } from '../models/port.ts'
import { catchUp } from './catch-up.ts'
import { fetchPassages, type Passage } from './passages.ts'
import { type ResolvedScope, resolveScope, type Scope } from './scope.ts'

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
  /**
   * How far the asker has seen the log already, or `head`: everything that is committed when the search begins. Own
   * uploads count anyway. Default: nothing beyond those.
   */
  readonly seen?: Position | 'head' | undefined
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
  /** True when something that the asker has seen, or uploaded, may be missing: the index is seconds behind the log. */
  readonly behind: boolean
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
  { query, limit = LIMIT, seen, method = 'fused', ...scope }: SearchRequest,
  signal?: AbortSignal,
): Promise<SearchResult> {
  const embedder = method === 'words' ? null : deps.embedder
  const embedded = embedder === null ? Promise.resolve(null) : embed(embedder, viewer, query, signal)
  // Whoever awaits it last hears of a failure; until then it must not count as unhandled.
  embedded.catch(() => {})
  const resolved = await resolveScope(deps.pool, viewer, scope)
  const { filter, collections } = resolved
  const { comparable, generation } = generationOf(deps.index, embedder, resolved)
  if (method === 'meaning' && !comparable)
    throw new AppError('UNAVAILABLE', {
      reason: 'nothing can be found by meaning without its embedding model',
    })
  const mode = !comparable ? 'words' : method === 'meaning' ? 'meaning' : 'words+meaning'
  if (filter.keys.length === 0) return { mode, passages: [], searchedCollections: 0, behind: false }
  const { extra, behind } = await catchUp(deps, resolved, seen, signal)
  const vector = comparable ? embedded : Promise.resolve(null)
  const question = { query, vector, generation, filter, limit, method, extra }
  const passages = await hits(deps, viewer, question, signal)
  return { mode, passages, searchedCollections: collections, behind }
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

/**
 * Whether a question embedded here can be compared with the vectors that this server's index holds, which for a while
 * after a switch are still those of the generation before. `generation`: the id of the embedder's own.
 */
function generationOf(
  index: Index,
  embedder: Embedder | null,
  { generations }: Pick<ResolvedScope, 'generations'>,
) {
  if (embedder === null) return { comparable: false, generation: undefined }
  const digest = digestOf(embedder)
  const [generation] = [...generations].find(([, other]) => other === digest) ?? []
  const held = index.status().generation
  const comparable = held === null ? generation !== undefined || generations.size === 0 : held === generation
  return { comparable, generation }
}

const digests = new WeakMap<Embedder, string>()

function digestOf(embedder: Embedder): string {
  const digest = digests.get(embedder) ?? generationDigest(embedder.identity)
  digests.set(embedder, digest)
  return digest
}

interface Question {
  readonly query: string
  readonly vector: Promise<Float32Array | null>
  readonly generation: number | undefined
  readonly filter: IndexFilter
  readonly limit: number
  readonly extra: readonly ExtraPassage[]
  readonly method: SearchMethod
}

/** Candidates whose text may be read. When the index was behind the database, more are asked for once. */
async function hits(
  deps: SearchDeps,
  viewer: Viewer,
  { query, vector: embedded, generation, filter, limit, method, extra }: Question,
  signal: AbortSignal | undefined,
): Promise<PassageHit[]> {
  const found: PassageHit[] = []
  const seen = new Set<number>()
  for (const wanted of [limit, Math.min(limit * 4, MOST_CANDIDATES)]) {
    const question = embedded.then((vector) => ({
      ...{ text: query, vector, filter, limit: wanted, method },
      ...(extra.length === 0 ? {} : { extra }),
      ...(generation === undefined ? {} : { generation }),
    }))
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
