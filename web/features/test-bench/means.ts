// What golden questions that were asked again say together.
import type { Outputs } from '../../lib/trpc.ts'
import type { Method } from './compare.ts'

export type Checked = NonNullable<Outputs['goldenQuestions']['check']>
export const MEASURES = ['nDCG@10', 'recall@10', 'MRR@10'] as const
export type Measure = (typeof MEASURES)[number]

/** Null where a method was not measured for every question: means of different questions can't be compared. */
export function meanOf(checked: readonly Checked[], method: Method, measure: Measure): number | null {
  if (checked.length === 0) return null
  let sum = 0
  for (const each of checked) {
    const value = each[method]?.measures[measure]
    if (value === undefined) return null
    sum += value
  }
  return sum / checked.length
}
