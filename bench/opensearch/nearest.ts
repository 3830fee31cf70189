// The nearest by definition, among those that a filter lets through.
import { DIMENSIONS } from './embeddings.ts'

/** @returns their numbers, best first; ties by number */
export function nearestOf(
  query: Float32Array,
  vectors: Float32Array,
  allowed: (passage: number) => boolean,
  k: number,
): number[] {
  const scores: { passage: number; score: number }[] = []
  for (let passage = 0; passage * DIMENSIONS < vectors.length; passage++) {
    if (!allowed(passage)) continue
    let score = 0
    for (let d = 0; d < DIMENSIONS; d++) score += (query[d] ?? 0) * (vectors[passage * DIMENSIONS + d] ?? 0)
    scores.push({ passage, score })
  }
  return scores
    .sort((a, b) => b.score - a.score || a.passage - b.passage)
    .slice(0, k)
    .map(({ passage }) => passage)
}
