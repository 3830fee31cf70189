// What is asked of the cluster for one question: the best by words, the best by words among those without a vector, and
// the nearest, each with the filter of what the caller may see inside. Pure; search.ts sends it.
import type { WeighedTerm } from '../../lexical/question.ts'
import type { IndexFilter } from '../../port.ts'
import { numbers } from './vectors.ts'

/** As many keys as one `terms` takes (index.max_terms_count). */
const KEYS = 65_536
const SOURCE = ['passageId', 'language', 'words', 'length', 'vector']

export type Clause = Readonly<Record<string, unknown>>

export function scopeOf({ kind, keys }: IndexFilter): Clause {
  const field = kind === 'collections' ? 'collectionKey' : 'documentKey'
  const parts: Clause[] = []
  for (let from = 0; from < keys.length; from += KEYS)
    parts.push({ terms: { [field]: keys.slice(from, from + KEYS) } })
  return parts.length === 1 && parts[0] !== undefined
    ? parts[0]
    : { bool: { should: parts, minimum_should_match: 1 } }
}

/** Of a few collections' shards only; of all of them where there are more, or documents are named. */
export function routingOf({ kind, keys }: IndexFilter): string | undefined {
  return kind === 'collections' && keys.length <= 100 ? keys.join(',') : undefined
}

/**
 * The best by words, by the cluster's own BM25 over all shards: it chooses, exact scores come later.
 * @param codes languages by number
 */
export function wordsQuery(
  terms: readonly WeighedTerm[],
  codes: readonly (string | null)[],
  scope: Clause,
  embedded: boolean,
  size: number,
): Clause {
  const all = codes.reduce((bits, code, n) => (code === null ? bits : bits | (1n << BigInt(n))), 0n)
  const should = terms
    .filter(({ live }) => live > 0)
    .map(({ term, weight, languages }) => {
      const one = { term: { words: { value: term, boost: weight } } }
      if (languages === all) return one
      const own = codes.filter((code, n) => code !== null && ((languages >> BigInt(n)) & 1n) === 1n)
      return { bool: { must: one, filter: { terms: { language: own } } } }
    })
  const query = { bool: { should, minimum_should_match: 1, filter: [scope, { term: { embedded } }] } }
  return { size, query, sort: ['_score', { passageId: 'asc' }], _source: SOURCE, track_total_hits: false }
}

/**
 * How many of the nearest are looked for in each shard: the graph is followed with as many at once, and with fewer it misses
 * some of the very nearest.
 */
const NEAREST = 200

/** The `size` nearest of all. */
export function nearestQuery(vector: Float32Array, scope: Clause, size: number): Clause {
  const knn = { embedding: { vector: numbers(vector), k: Math.max(NEAREST, size), filter: scope } }
  return { size, query: { knn }, _source: SOURCE, track_total_hits: false }
}

/** How many passages have a term. */
export function countQuery(term: string): Clause {
  return { size: 0, query: { term: { words: term } }, track_total_hits: true }
}
