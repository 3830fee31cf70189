// One batch of questions against the index as it is now: words, vectors, one score (notes on fusion: DESIGN §4).
//   score = cosine + 0.3 · bm25 / bm25_max(question), over the union of the best by either
// RRF and z-scores were measured worse: they give a question that shares no words with the corpus its lexical noise
// at full weight. One of the two rankings alone can be had too, to be compared with both. Everything here is synchronous: a batch sees one state.
import { type Allowed, allowed } from './filter.ts'
import type { Lexical } from './lexical/lexical.ts'
import type { Passages } from './passages.ts'
import type { Candidate, ExtraPassage, IndexQuery } from './port.ts'
import type { Generation } from './source.ts'
import { Top } from './top.ts'
import { type Neighbour, nearest } from './vectors/nearest.ts'
import { dot } from './vectors/port.ts'
import type { VectorStore } from './vectors/store.ts'

export const BETA = 0.3
/** Taken from either ranking, at least. */
export const POOL = 50
const RESERVED = 2

export interface Searchable {
  readonly passages: Passages
  readonly lexical: Lexical
  readonly generation?: Generation | null
  /** Null until there is a generation of vectors. */
  readonly vectors: VectorStore | null
}

export function searchBatch(index: Searchable, asked: readonly IndexQuery[]): Candidate[][] {
  // Between two processes of different generations a question may come with a vector for the other one.
  const queries = asked.map((query) =>
    query.generation === undefined || query.generation === index.generation?.id
      ? query
      : { ...query, vector: null },
  )
  const filters = queries.map((query) => allowed(index.passages, query.filter))
  const neighbours = nearestOf(index, queries, filters)
  return queries.map((query, i) => rank(index, query, filters[i] ?? nothing, neighbours[i] ?? null))
}

const nothing: Allowed = { all: false, passages: 0, vectors: 0, has: () => false, ranges: () => [] }

/** By query; null for those without a vector. */
function nearestOf(
  { passages, vectors }: Searchable,
  queries: readonly IndexQuery[],
  filters: readonly Allowed[],
): (Neighbour[] | null)[] {
  const found: (Neighbour[] | null)[] = queries.map(() => null)
  const rows: number[] = []
  const asked = queries.flatMap((query, row) => {
    if (query.vector === null || vectors === null || query.method === 'words') return []
    rows.push(row)
    return [{ vector: query.vector, k: Math.max(POOL, query.limit), allowed: filters[row] ?? nothing }]
  })
  if (vectors === null || asked.length === 0) return found
  for (const [i, list] of nearest(vectors, passages, asked).entries()) found[rows[i] ?? 0] = list
  return found
}

function rank(
  { passages, lexical, vectors }: Searchable,
  { text, previous, vector, limit, reserved, method, extra = [] }: IndexQuery,
  filter: Allowed,
  neighbours: Neighbour[] | null,
): Candidate[] {
  const pool = Math.max(POOL, limit)
  const byWords = new Top(pool)
  const wordsOnly = new Top(pool)
  const anyWords = lexical.scores.score(text, new Set(extra.map(({ language }) => language)), previous)
  const added = rankExtra(vector, extra, ({ language, heading, text }) => {
    const { terms, length } = lexical.count(language, heading, text)
    return lexical.scores.ofText(language, terms, length)
  })
  const replaced = new Set(extra.map(({ id }) => id))
  const here = (found: Candidate[]) =>
    replaced.size === 0 ? found : found.filter(({ passageId }) => !replaced.has(passageId))

  if (method === 'meaning') {
    const near = (neighbours ?? []).map(({ place, id, score }) => {
      const words = lexical.scores.of(place)
      return { passageId: id, score, cosine: score, words, withoutVector: false }
    })
    const more = added.flatMap((extra) => (extra.cosine === null ? [] : [{ ...extra, score: extra.cosine }]))
    return [...here(near), ...more].sort(byScore).slice(0, limit)
  }
  if (anyWords) lexical.best(filter, byWords, wordsOnly)

  if (vector === null || method === 'words')
    return [
      ...here(candidates(byWords, false)),
      ...here(candidates(wordsOnly, true)),
      ...added.flatMap((extra) => (extra.words > 0 ? [{ ...extra, score: extra.words }] : [])),
    ]
      .sort(byScore)
      .slice(0, limit)

  const ranked = new Map<number, Candidate>()
  const top = new Top(limit)
  const add = (place: number, id: number, cosine: number) => {
    const words = lexical.scores.of(place)
    const score = cosine + BETA * words
    ranked.set(place, { passageId: id, score, cosine, words, withoutVector: false })
    top.offer(score, id, place)
  }
  for (const { place, id, score } of neighbours ?? []) if (!replaced.has(id)) add(place, id, score)
  // Nothing outside the nearest is nearer than the last of them: most of the rest need not be read to know
  // that they are not among the best.
  const nearestLeft = neighbours?.length === pool ? (neighbours.at(-1)?.score ?? 0) : Number.POSITIVE_INFINITY
  if (vectors !== null)
    for (const { place, id, score: words } of byWords.sorted()) {
      if (nearestLeft + BETA * words < top.floor) break
      if (!ranked.has(place) && !replaced.has(id))
        add(place, id, vectors.score(vector, passages.vector.values[place] ?? 0))
    }

  const best = top.sorted().flatMap(({ place }) => ranked.get(place) ?? [])
  if (added.length > 0) {
    best.push(...added.filter(({ withoutVector }) => !withoutVector))
    best.sort(byScore).splice(limit)
  }
  const unembedded = [
    ...here(candidates(wordsOnly, true)),
    ...added.filter(({ withoutVector, words }) => withoutVector && words > 0),
  ]
  return withReserved(best, unembedded, limit, reserved)
}

/**
 * What has no vector yet can't compete: it gets the reserved places, and those that nothing else takes.
 * @param best in order, those with a vector
 * @param unembedded in any order, those without; their words count
 */
export function withReserved(
  best: readonly Candidate[],
  unembedded: readonly Candidate[],
  limit: number,
  reserved = RESERVED,
): Candidate[] {
  const placed = [...unembedded]
    .sort(byScore)
    .map((found) => ({ ...found, score: BETA * found.words }))
    .slice(0, Math.max(reserved, limit - best.length))
    .slice(0, limit)
  return [...best.slice(0, limit - placed.length), ...placed].sort(byScore)
}

/**
 * Without a query vector, or one of its own, `score` is what its words say.
 * @param wordsOf what they say, 0 to 1
 */
export function rankExtra(
  vector: Float32Array | null,
  extra: readonly ExtraPassage[],
  wordsOf: (passage: ExtraPassage) => number,
): Candidate[] {
  return extra.map((passage) => {
    const words = wordsOf(passage)
    const fits = vector !== null && passage.vector !== null && passage.vector.length === vector.length
    const cosine = fits && passage.vector !== null ? dot(vector, passage.vector, 0) : null
    return {
      ...{ passageId: passage.id, words, cosine },
      withoutVector: passage.vector === null || (vector !== null && !fits),
      score: cosine === null ? words : cosine + BETA * words,
    }
  })
}

function candidates(top: Top, withoutVector: boolean): Candidate[] {
  return top
    .sorted()
    .map(({ id, score }) => ({ passageId: id, score, cosine: null, words: score, withoutVector }))
}

/** Descending; ties by ascending passage id. */
export function byScore(a: Candidate, b: Candidate): number {
  return b.score - a.score || a.passageId - b.passageId
}
