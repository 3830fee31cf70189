// From a question to its passages: search, let the reranker order the best where there is one, drop what is irrelevant or
// said twice, and for a language model add the text around each. Every text comes through retrieval/, which checks the
// viewer's rights in the same statement.
import type { Viewer } from '../access/port.ts'
import type { Pool } from '../database/pool.ts'
import { holdIndex, type Index, type WordsOnly } from '../index/port.ts'
import type { Embedders } from '../models/embedders.ts'
import { fetchPassages } from '../retrieval/passages.ts'
import type { Reranking } from '../retrieval/rerank.ts'
import { type PassageHit, type SearchRequest, searchPassages } from '../retrieval/search.ts'
import type { AnswerContext } from './context.ts'
import { leanedOn, mergeHits } from './followup.ts'
import type { PromptPassage } from './prompt.ts'
import { selectPassages } from './select.ts'

export interface RetrievalDeps {
  readonly pool: Pool
  readonly index: Index
  readonly embedders: Embedders
  /** Null or absent: passages stay as the search orders them. */
  readonly reranking?: Reranking | null
}

/** Searched for, to choose from: duplicates and a third document's fourth passage fall away. */
const CANDIDATES = 24
const PER_DOCUMENT = 3
/** For a language model; quoted by themselves, fewer are easier to take in. */
export const PASSAGES_READ = 8
export const PASSAGES_QUOTED = 6

export interface Retrieved {
  /** Best first; none when nothing relevant was found. */
  readonly passages: readonly PassageHit[]
  /** The newest changes may be missing: the index was seconds behind what the asker could have seen. */
  readonly behind: boolean
  /** As of `SearchResult`. */
  readonly wordsOnly: WordsOnly | null
}

/** Writes a question out that leans on what was said; null when it could not. Called for such questions only. */
export type Rewrite = (signal: AbortSignal) => Promise<string | null>

/** The best passages for a question. */
export async function retrieve(
  deps: RetrievalDeps,
  context: AnswerContext,
  signal: AbortSignal,
  rewrite: Rewrite = async () => null,
): Promise<Retrieved> {
  if (context.documentId === null && context.collectionIds.length === 0)
    return { passages: [], behind: false, wordsOnly: null }
  const scope =
    context.documentId === null
      ? { collectionIds: [...context.collectionIds] }
      : { documentId: context.documentId }
  const limit = Math.max(CANDIDATES, deps.reranking?.candidates ?? 0)
  const {
    passages: found,
    behind,
    wordsOnly,
    query,
  } = await searchConversation(
    deps,
    context.viewer,
    { limit, seen: 'head', ...scope },
    {
      question: context.question,
      asked: (context.asked ?? context.history).map(({ question }) => question),
      rewrite,
    },
    signal,
  )
  const ordered = (await deps.reranking?.order(query, found, signal)) ?? found
  const passages = selectPassages(ordered, {
    limit: PASSAGES_READ,
    // Asked of one document, it is that document that has to answer.
    perDocument: context.documentId === null ? PER_DOCUMENT : PASSAGES_READ,
  })
  return { passages, behind, wordsOnly }
}

export interface Asked {
  readonly question: string
  /** Before it, oldest first. */
  readonly asked: readonly string[]
  readonly rewrite: Rewrite
}

export interface Found {
  /** Best first. */
  readonly passages: readonly PassageHit[]
  readonly behind: boolean
  readonly wordsOnly: WordsOnly | null
  /** The question with all that is known of what it means. */
  readonly query: string
}

/**
 * Searches for a question. One that leans on what was said is searched twice: as it was asked, and written out or, where it
 * could not be, with the questions that it leans on; a passage's score is the higher of the two. Its few words are measured
 * together with those that it leans on: by themselves, a passage that has the one rare word of "isn't that risky?"
 * would have all that can be asked for.
 * @throws AppError as `searchPassages` does
 */
export async function searchConversation(
  deps: RetrievalDeps,
  viewer: Viewer,
  request: Omit<SearchRequest, 'query' | 'previous' | 'meaning'>,
  { question, asked, rewrite }: Asked,
  signal: AbortSignal,
): Promise<Found> {
  // Both searches ask the same one: their scores are compared.
  using one = holdIndex(deps.index)
  const search = (query: Pick<SearchRequest, 'query' | 'previous' | 'meaning'>) =>
    searchPassages({ ...deps, index: one.index }, viewer, { ...request, ...query }, signal)
  const previous = leanedOn(question, asked)
  if (previous === null) return { ...(await search({ query: question })), query: question }
  const rewritten = await rewrite(signal)
  signal.throwIfAborted()
  // The question first: a reranker reads no further than so far.
  const query = rewritten ?? `${question} ${previous}`
  const searches = await Promise.all([
    search({ query: question, previous: rewritten ?? previous }),
    search(
      rewritten === null
        ? { query: question, previous, meaning: `${question} ${previous}` }
        : { query: rewritten },
    ),
  ])
  return {
    passages: mergeHits(searches.map(({ passages }) => passages)),
    behind: searches.some(({ behind }) => behind),
    wordsOnly: searches.find(({ wordsOnly }) => wordsOnly !== null)?.wordsOnly ?? null,
    query,
  }
}

/** Adds the passages before and after each, unless they are there by themselves: they say what a sentence goes on from. */
export async function withNeighbours(
  deps: RetrievalDeps,
  viewer: Viewer,
  hits: readonly PassageHit[],
): Promise<PromptPassage[]> {
  const ids = hits.map(({ passageId }) => passageId)
  const { rows } = await deps.pool.query<{ of: string; id: string; place: -1 | 1 }>({
    name: 'neighbour-ids',
    text: `SELECT p.id AS of, n.id, n.ordinal - p.ordinal AS place
           FROM passages p JOIN passages n ON n.version_id = p.version_id AND n.reading_id = p.reading_id
             AND n.ordinal IN (p.ordinal - 1, p.ordinal + 1)
           WHERE p.id = ANY($1::bigint[]) AND n.id <> ALL($1::bigint[])`,
    values: [ids],
  })
  const groups = new Map(ids.map((id, group) => [id, group]))
  // One that stands between two found ones goes with the better.
  const besides = new Map<number, { group: number; place: -1 | 1 }>()
  for (const { of, id, place } of rows) {
    const group = groups.get(Number(of)) ?? 0
    const known = besides.get(Number(id))
    if (known === undefined || group < known.group) besides.set(Number(id), { group, place })
  }
  const neighbours = await fetchPassages(deps.pool, viewer, [...besides.keys()])
  return [
    ...hits.map((passage, group) => ({ passage, group, place: 0 as const })),
    ...neighbours
      .flatMap((passage) => {
        const beside = besides.get(passage.passageId)
        return beside === undefined ? [] : [{ passage, ...beside }]
      })
      .sort((a, b) => a.group - b.group || a.place - b.place),
  ]
}
