// Measures of one question's ranking, as trec_eval computes them and BEIR reports them (Thakur et al. 2021, by
// pytrec_eval). A document without a judgement counts as not relevant, as does one with a grade of 0 or less.

/** Grades by document id. */
export type Judgements = ReadonlyMap<string, number>
/** Document ids, best first, each once. */
export type Ranking = readonly string[]

export const MEASURES = ['nDCG@10', 'recall@1', 'recall@5', 'recall@10', 'recall@20', 'MRR@10'] as const
export type Measure = (typeof MEASURES)[number]
/** Documents that a ranking must have, where there are so many, for all of them. */
export const DEEPEST = 20

/** 0 to 1; every measure is 0 for a question without a relevant document. */
export function measure(name: Measure, ranking: Ranking, judgements: Judgements): number {
  switch (name) {
    case 'nDCG@10':
      return ndcg(ranking, judgements, 10)
    case 'recall@1':
      return recall(ranking, judgements, 1)
    case 'recall@5':
      return recall(ranking, judgements, 5)
    case 'recall@10':
      return recall(ranking, judgements, 10)
    case 'recall@20':
      return recall(ranking, judgements, 20)
    case 'MRR@10':
      return reciprocalRank(ranking, judgements, 10)
  }
}

/**
 * Normalised discounted cumulative gain: Σ grade(i) / log2(i + 1) over ranks i = 1 … k, divided by what the best possible
 * ranking of the judged documents has. The gain is the grade itself, as in trec_eval's m_ndcg_cut.c (Järvelin & Kekäläinen
 * 2002), not 2^grade − 1 (Burges et al. 2005): numbers of the two kinds can't be compared where grades differ.
 */
export function ndcg(ranking: Ranking, judgements: Judgements, k: number): number {
  const ideal = dcg(
    [...judgements.values()].sort((a, b) => b - a),
    k,
  )
  if (ideal === 0) return 0
  return (
    dcg(
      ranking.map((id) => judgements.get(id) ?? 0),
      k,
    ) / ideal
  )
}

function dcg(grades: readonly number[], k: number): number {
  return grades.slice(0, k).reduce((sum, grade, i) => (grade > 0 ? sum + grade / Math.log2(i + 2) : sum), 0)
}

/** Share of all relevant documents among the first k (trec_eval's m_recall.c): with more than k of them below 1 at best. */
export function recall(ranking: Ranking, judgements: Judgements, k: number): number {
  const relevant = [...judgements.values()].filter((grade) => grade > 0).length
  if (relevant === 0) return 0
  return ranking.slice(0, k).filter((id) => isRelevant(judgements, id)).length / relevant
}

/** 1 / rank of the first relevant document, 0 when none is among the first k (Voorhees 1999; its mean is the MRR). */
export function reciprocalRank(ranking: Ranking, judgements: Judgements, k: number): number {
  const at = ranking.slice(0, k).findIndex((id) => isRelevant(judgements, id))
  return at < 0 ? 0 : 1 / (at + 1)
}

function isRelevant(judgements: Judgements, id: string): boolean {
  return (judgements.get(id) ?? 0) > 0
}
