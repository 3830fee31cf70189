import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MEASURES, measure, ndcg, recall, reciprocalRank } from './measures.ts'

const grades = (text: string) =>
  new Map(
    text.split(' ').map((pair): [string, number] => [pair.split(':')[0] ?? '', Number(pair.split(':')[1])]),
  )

/** What trec_eval says, asked through pytrec-eval-terrier 0.5.11: ndcg_cut_10, recall_1, _5, _10, _20, recip_rank of the first ten. */
const TREC_EVAL = [
  {
    judged: 'd4:-1 d12:1 d20:2 d1:-1 d2:2 d17:0',
    ranking: 'd2 d13 d7 d17',
    expected: [0.531652, 0.333333, 0.333333, 0.333333, 0.333333, 1.0],
  },
  {
    judged: 'd1:-1 d26:2 d18:4 d3:0 d7:1 d20:1 d24:0 d27:2 d29:-1 d22:2 d23:1 d12:2 d21:4 d25:3',
    ranking: 'd3 d18 d20 d6',
    expected: [0.25317, 0.0, 0.2, 0.2, 0.2, 0.5],
  },
  {
    judged: 'd3:2 d17:0 d22:1 d2:3 d18:2 d1:1',
    ranking: 'd14 d18 d29 d11 d9 d7 d5 d22 d24 d2 d28 d25',
    expected: [0.402099, 0.0, 0.2, 0.6, 0.6, 0.5],
  },
  {
    judged: 'd11:1 d21:-1 d12:0 d7:1 d4:2 d2:1 d5:2 d25:2 d26:1 d28:0 d0:3 d15:4 d23:2 d8:2',
    ranking:
      'd21 d23 d1 d14 d24 d29 d17 d12 d22 d25 d20 d3 d15 d19 d27 d18 d28 d26 d7 d2 d13 d5 d0 d11 d6 d4 d9 d10',
    expected: [0.170173, 0.0, 0.090909, 0.181818, 0.545455, 0.5],
  },
  {
    judged: 'd4:-1 d20:0 d8:-1 d11:3 d19:1 d26:3 d15:1 d3:1 d22:4 d23:3 d14:0 d28:2 d18:-1 d9:0',
    ranking:
      'd11 d4 d22 d17 d0 d24 d16 d9 d20 d2 d8 d23 d29 d5 d26 d12 d3 d19 d14 d15 d18 d13 d10 d6 d1 d7 d27 d25',
    expected: [0.47785, 0.125, 0.25, 0.25, 0.875, 1.0],
  },
]

test.each(TREC_EVAL)('as trec_eval: $ranking', ({ judged, ranking, expected }) => {
  const found = MEASURES.map((name) => measure(name, ranking.split(' '), grades(judged)))
  for (const [i, value] of found.entries()) expect(value, MEASURES[i]).toBeCloseTo(expected[i] ?? 0, 5)
})

describe('by hand', () => {
  test('nDCG takes the grade itself as gain, and the ideal from all that was judged', () => {
    // Grades 3, 2, 3, 0, 1, 2 in this order: DCG@6 = 6.861 (Wikipedia, "Discounted cumulative gain").
    const ranking = ['d1', 'd2', 'd3', 'd4', 'd5', 'd6']
    const judged = grades('d1:3 d2:2 d3:3 d4:0 d5:1 d6:2 d7:3 d8:2')
    const dcg = 3 + 2 / Math.log2(3) + 3 / 2 + 1 / Math.log2(6) + 2 / Math.log2(7)
    expect(dcg).toBeCloseTo(6.861, 3)
    expect(ndcg(ranking, judged, 6)).toBeCloseTo(0.785, 3)
  })

  test('nDCG at a cutoff compares with the best ranking of that length', () => {
    expect(ndcg(['b'], grades('a:1 b:1 c:1'), 1)).toBe(1)
    expect(ndcg(['x', 'b'], grades('b:4'), 10)).toBeCloseTo(1 / Math.log2(3), 12)
    expect(ndcg(['x', 'b'], grades('b:4'), 1)).toBe(0)
  })

  test('recall counts all relevant documents, the reciprocal rank only the first', () => {
    const judged = grades('a:1 b:2 c:0 d:-1 e:1')
    expect(recall(['c', 'a', 'd', 'b'], judged, 2)).toBeCloseTo(1 / 3, 12)
    expect(recall(['c', 'a', 'd', 'b'], judged, 20)).toBeCloseTo(2 / 3, 12)
    expect(reciprocalRank(['c', 'd', 'b', 'a'], judged, 10)).toBeCloseTo(1 / 3, 12)
    expect(reciprocalRank(['c', 'd', 'b'], judged, 2)).toBe(0)
  })

  test('without a relevant document everything is 0, not NaN', () => {
    for (const name of MEASURES) expect(measure(name, ['a'], grades('a:0 b:-1'))).toBe(0)
  })
})

describe('for any judgements and any ranking', () => {
  const id = fc.constantFrom(...Array.from({ length: 40 }, (_, i) => `d${i}`))
  const judgements = fc
    .uniqueArray(fc.tuple(id, fc.integer({ min: -1, max: 4 })), { selector: ([one]) => one, minLength: 1 })
    .map((pairs) => new Map(pairs))
  const ranking = fc.uniqueArray(id)

  test('every measure lies between 0 and 1, and recall grows with the cutoff', () => {
    fc.assert(
      fc.property(judgements, ranking, (judged, ranked) => {
        for (const name of MEASURES) {
          const value = measure(name, ranked, judged)
          expect(value).toBeGreaterThanOrEqual(0)
          expect(value).toBeLessThanOrEqual(1 + 1e-12)
        }
        const recalls = [1, 5, 10, 20].map((k) => recall(ranked, judged, k))
        expect(recalls).toEqual(recalls.toSorted((a, b) => a - b))
      }),
    )
  })

  test('nDCG is 1 exactly for a best ranking, and a document in a better place never costs any', () => {
    fc.assert(
      fc.property(judgements, ranking, fc.nat(), (judged, ranked, at) => {
        const best = [...judged].sort((a, b) => b[1] - a[1]).map(([document]) => document)
        const any = [...judged.values()].some((grade) => grade > 0)
        expect(ndcg(best, judged, 10)).toBeCloseTo(any ? 1 : 0, 12)
        const i = at % Math.max(1, ranked.length - 1)
        const [one, other] = [ranked[i], ranked[i + 1]]
        if (one === undefined || other === undefined) return
        const better = (judged.get(other) ?? 0) > (judged.get(one) ?? 0)
        const swapped = ranked.with(i, other).with(i + 1, one)
        for (const name of MEASURES)
          if (better)
            expect(measure(name, swapped, judged)).toBeGreaterThanOrEqual(
              measure(name, ranked, judged) - 1e-12,
            )
      }),
    )
  })

  test('what stands behind the cutoff changes nothing', () => {
    fc.assert(
      fc.property(judgements, ranking, (judged, ranked) => {
        for (const name of ['nDCG@10', 'MRR@10'] as const)
          expect(measure(name, ranked, judged)).toBe(measure(name, ranked.slice(0, 10), judged))
      }),
    )
  })
})
