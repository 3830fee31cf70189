// The nearest by definition: one dot product after the other over the vectors as they were made, in double precision.
import { clusteredVectors } from '../search/library.ts'

/** For each query the numbers (from 0) of its k nearest of the first `count` vectors, best first. */
export function nearestByDefinition(
  queries: readonly Float32Array[],
  count: number,
  dimensions: number,
  k: number,
): number[][] {
  const best = queries.map((): { number: number; score: number }[] => [])
  for (const [number, vector] of clusteredVectors(count, dimensions))
    for (const [q, query] of queries.entries()) {
      let score = 0
      for (let d = 0; d < dimensions; d++) score += (query[d] ?? 0) * (vector[d] ?? 0)
      const list = best[q] ?? []
      if (list.length === k && score <= (list[k - 1]?.score ?? 0)) continue
      let at = list.length
      while (at > 0 && (list[at - 1]?.score ?? 0) < score) at--
      list.splice(at, 0, { number, score })
      list.length = Math.min(list.length, k)
    }
  return best.map((list) => list.map(({ number }) => number))
}

/** Mean share of the right ones that were found. */
export function recall(found: readonly (readonly number[])[], right: readonly (readonly number[])[]): number {
  const shares = right.map((ids, q) => ids.filter((id) => found[q]?.includes(id)).length / ids.length)
  return shares.reduce((sum, share) => sum + share, 0) / shares.length
}
