// `npm run eval -- --mean FILE…`: whether fused is above the best single method on the mean of several results.
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { begin, finish } from '../harness.ts'

const ndcg = z.object({ 'nDCG@10': z.object({ mean: z.number() }) })
const result = z.object({
  name: z.string(),
  commit: z.string(),
  figures: z.object({
    bestSingle: z.enum(['words', 'meaning']),
    methods: z.object({ words: ndcg, meaning: ndcg, fused: ndcg }),
  }),
})

export function meanOf(files: readonly string[]): void {
  const results = files.map((file) => result.parse(JSON.parse(readFileSync(file, 'utf8'))))
  const mean = (of: (one: z.infer<typeof result>) => number) =>
    results.reduce((sum, one) => sum + of(one), 0) / results.length
  const of = (method: 'words' | 'meaning' | 'fused') =>
    mean(({ figures }) => figures.methods[method]['nDCG@10'].mean)
  // The harder reading: against the method that is best on each set, not against one method for all.
  const bestOfEach = mean(({ figures }) => figures.methods[figures.bestSingle]['nDCG@10'].mean)
  const [words, meaning, fused] = [of('words'), of('meaning'), of('fused')]
  const run = begin('eval-mean')
  finish(
    run,
    {
      results: results.map(({ name, commit }) => `${name} at ${commit.slice(0, 9)}`),
      'nDCG@10': { words, meaning, fused, bestOfEach },
    },
    [
      {
        bar: 'nDCG@10 of fused, minus that of the best single method of each set, mean over the sets',
        value: fused - bestOfEach,
        limit: 0,
        unit: '',
        better: 'more',
      },
    ],
  )
}
