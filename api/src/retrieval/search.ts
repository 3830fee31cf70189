// A question's best passages, as its asker may see them: which collections count is asked of the database, the index
// ranks, and the texts are read with the permission check in the same statement (passages.ts). Two round trips to the
// database, and the question is embedded meanwhile.
import type { Viewer } from '../access/port.ts'
import type { Pool } from '../database/pool.ts'
import { AppError } from '../errors.ts'
import {
  type Candidate,
  type ExtraPassage,
  holdIndex,
  type Index,
  type IndexFilter,
  type Position,
  type SearchMethod,
  type WordsOnly,
} from '../index/port.ts'
import { type Embedders, embeddersOf } from '../models/embedders.ts'
import { type CaughtUp, catchUp } from './catch-up.ts'
import { fetchPassages, type Passage } from './passages.ts'
import { Question } from './question.ts'
import { resolveScope, type Scope } from './scope.ts'

export interface SearchDeps {
  readonly pool: Pool
  readonly index: Index
  /** Without one that the index's vectors are of: by words only. */
  readonly embedders: Embedders
}

export interface SearchRequest extends Scope {
  readonly query: string
  /** What the query leans on (chat/followup.ts): its rarest words count for half, beside those of the query. */
  readonly previous?: string | undefined
  /** What is embedded. Default: the query. */
  readonly meaning?: string | undefined
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
  /** Why only words ranked though more was asked: the search engine can't be used for now. Null: they did not. */
  readonly wordsOnly: WordsOnly | null
}

const LIMIT = 10
const MOST_CANDIDATES = 200

/**
 * @throws AppError NOT_FOUND when nothing that the scope names is visible, NOTHING_TO_SEARCH when it names nothing,
 * UNAVAILABLE while the index is loading, and by meaning alone when the question can't be embedded like the passages,
 * TOO_MANY_REQUESTS when a person has hundreds of searches under way
 */
export async function searchPassages(
  { index, ...around }: SearchDeps,
  viewer: Viewer,
  { query, previous, meaning = query, limit = LIMIT, seen, method = 'fused', ...scope }: SearchRequest,
  signal?: AbortSignal,
): Promise<SearchResult> {
  using one = holdIndex(index)
  const deps = { ...around, index: one.index }
  const asked = method === 'words' ? { ...deps, embedders: NONE } : deps
  const question = new Question(asked, viewer, meaning, signal)
  const { filter, generations, collections, ...state } = await resolveScope(deps.pool, viewer, scope)
  if (filter.keys.length === 0) {
    const mode = asked.embedders.first === null ? 'words' : method === 'meaning' ? 'meaning' : 'words+meaning'
    return { mode, passages: [], searchedCollections: 0, behind: false, wordsOnly: null }
  }
  using caughtUp = await catchUp(deps, viewer, { filter, ...state }, seen, signal)
  const { behind } = caughtUp
  for (let again = false; ; again = true) {
    const held = deps.index.status().generation
    const aim = question.aim(generations)
    if (method === 'meaning' && (await aim.vector) === null)
      throw new AppError('UNAVAILABLE', {
        reason: 'nothing can be found by meaning without its embedding model',
      })
    const extra = comparable(caughtUp, aim.generation)
    const { readings } = caughtUp
    const { passages, wordsOnly } = await hits(
      deps,
      viewer,
      { query, previous, ...aim, filter, limit, method, extra, readings },
      signal,
    )
    // The index changed hands meanwhile, and may have had no use for this vector: it is asked once more.
    const now = deps.index.status().generation
    if (!again && now !== held && now !== null) continue
    const byWords = wordsOnly !== null || (await aim.vector) === null
    const mode = byWords ? 'words' : method === 'meaning' ? 'meaning' : 'words+meaning'
    return { mode, passages, searchedCollections: collections, behind, wordsOnly }
  }
}

/** Vectors of another generation than the question's say nothing: the index changed hands since they were read. */
function comparable({ extra, generation }: CaughtUp, wanted: number | undefined): readonly ExtraPassage[] {
  return generation === (wanted ?? null) ? extra : extra.map((passage) => ({ ...passage, vector: null }))
}

/** By words alone no question is embedded. */
const NONE = embeddersOf([])

interface AimedQuestion {
  readonly query: string
  readonly previous: string | undefined
  readonly vector: Promise<Float32Array | null>
  readonly generation: number | undefined
  readonly filter: IndexFilter
  readonly limit: number
  readonly extra: readonly ExtraPassage[]
  readonly readings: CaughtUp['readings']
  readonly method: SearchMethod
}

/** Candidates whose text may be read. When the index was behind the database, more are asked for once. */
async function hits(
  deps: SearchDeps,
  viewer: Viewer,
  { query, previous, vector: embedded, generation, filter, limit, method, extra, readings }: AimedQuestion,
  signal: AbortSignal | undefined,
): Promise<Pick<SearchResult, 'passages' | 'wordsOnly'>> {
  const found: PassageHit[] = []
  let wordsOnly: WordsOnly | null = null
  const seen = new Set<number>()
  for (const wanted of [limit, Math.min(limit * 4, MOST_CANDIDATES)]) {
    const question = embedded.then((vector) => ({
      ...{ text: query, vector, filter, limit: wanted, method },
      ...(extra.length === 0 ? {} : { extra }),
      ...(generation === undefined ? {} : { generation }),
      ...(previous === undefined ? {} : { previous }),
    }))
    const answer = await deps.index.search(question, signal)
    const { candidates } = answer
    // Scores of the two can't be compared: where the engine goes away in between, the words begin anew.
    if (answer.wordsOnly !== undefined && wordsOnly === null) {
      found.length = 0
      seen.clear()
    }
    wordsOnly = answer.wordsOnly ?? wordsOnly
    const unseen = candidates.filter(({ passageId }) => !seen.has(passageId))
    for (const { passageId } of unseen) seen.add(passageId)
    const texts = await read(deps.pool, viewer, unseen)
    // A version's words may just have been published again, by another reading than the index has.
    found.push(...texts.filter((hit) => (readings.get(hit.versionId) ?? hit.readingId) === hit.readingId))
    if (found.length >= limit || candidates.length < wanted) break
  }
  const passages = found.sort((a, b) => b.score - a.score || a.passageId - b.passageId).slice(0, limit)
  return { passages, wordsOnly }
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
