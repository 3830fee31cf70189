// One batch of questions against the index as it is now: words, vectors, one score (notes on fusion: DESIGN §4).
//   score = cosine + 0.3 · bm25 / bm25_max(question), over the union of the best by either
// RRF and z-scores were measured worse: they give a question that shares no words with the corpus its lexical noise
// at full weight. One of the two rankings alone can be had too, to be compared with both. Everything here is synchronous: a batch sees one state.
import { type Allowed, allowed } from './filter.ts'
import type { Lexical } from './lexical/lexical.ts'
import type { Passages } from './passages.ts'
import type { Candidate, IndexQuery } from './port.ts'
import { Top } from './top.ts'
import { type Neighbour, nearest } from './vectors/nearest.ts'
import type { VectorStore } from './vectors/store.ts'

const BETA = 0.3
/** Taken from either ranking, at least. */
const POOL = 50
const RESERVED = 2

export interface Searchable {
  readonly passages: Passages
  readonly lexical: Lexical
  /** Null until there is a generation of vectors. */
  readonly vectors: VectorStore | null
}

export function searchBatch(index: Searchable, queries: readonly IndexQuery[]): Candidate[][] {
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
  { text, vector, limit, reserved, method }: IndexQuery,
  filter: Allowed,
  neighbours: Neighbour[] | null,
): Candidate[] {
  const pool = Math.max(POOL, limit)
  const byWords = new Top(pool)
  const wordsOnly = new Top(pool)
  const anyWords = lexical.scores.score(text)
  if (method === 'meaning')
    return (neighbours ?? []).slice(0, limit).map(({ place, id, score }) => {
      const words = lexical.scores.of(place)
      return { passageId: id, score, cosine: score, words, withoutVector: false }
    })
  if (anyWords) lexical.best(filter, byWords, wordsOnly)

  if (vector === null || method === 'words')
    return [...candidates(byWords, false), ...candidates(wordsOnly, true)].sort(order).slice(0, limit)

  const ranked = new Map<number, Candidate>()
  const top = new Top(limit)
  const add = (place: number, id: number, cosine: number) => {
    const words = lexical.scores.of(place)
    const score = cosine + BETA * words
    ranked.set(place, { passageId: id, score, cosine, words, withoutVector: false })
    top.offer(score, id, place)
  }
  for (const { place, id, score } of neighbours ?? []) add(place, id, score)
  // Nothing outside the nearest is nearer than the last of them: most of the rest need not be read to know
  // that they are not among the best.
  const nearestLeft = neighbours?.length === pool ? (neighbours.at(-1)?.score ?? 0) : Number.POSITIVE_INFINITY
  if (vectors !== null)
    for (const { place, id, score: words } of byWords.sorted()) {
      if (nearestLeft + BETA * words < top.floor) break
      if (!ranked.has(place)) add(place, id, vectors.score(vector, passages.vector.values[place] ?? 0))
    }

  const best = top.sorted().flatMap(({ place }) => ranked.get(place) ?? [])
  // What has no vector yet can't compete: it gets the reserved places, and those that nothing else takes.
  const unembedded = candidates(wordsOnly, true)
    .map((found) => ({ ...found, score: BETA * found.words }))
    .slice(0, Math.max(reserved ?? RESERVED, limit - best.length))
    .slice(0, limit)
  return [...best.slice(0, limit - unembedded.length), ...unembedded].sort(order)
}

function candidates(top: Top, withoutVector: boolean): Candidate[] {
  return top
    .sorted()
    .map(({ id, score }) => ({ passageId: id, score, cosine: null, words: score, withoutVector }))
}

function order(a: Candidate, b: Candidate): number {
  return b.score - a.score || a.passageId - b.passageId
}
