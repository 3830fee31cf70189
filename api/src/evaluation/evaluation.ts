// How good the search is: questions with known answers (a set in BEIR format, golden questions) are asked by words, by
// meaning and by both, and the documents that come back are measured against the judgements. Whoever asks is outside:
// beir.ts reads a set, document-file.ts makes files of it, ranking.ts documents of passages; measures.ts and bootstrap.ts compute.
import type { SearchMethod } from '../index/port.ts'
import { bootstrapMean, type Estimate } from './bootstrap.ts'
import { type Judgements, MEASURES, type Measure, measure, type Ranking } from './measures.ts'

export const METHODS: readonly SearchMethod[] = ['words', 'meaning', 'fused']

export interface JudgedQuestion {
  /** At least one grade above 0. */
  readonly judgements: Judgements
  readonly rankings: Readonly<Record<SearchMethod, Ranking>>
}

export type Estimates = Readonly<Record<Measure, Estimate>>

export interface Evaluation {
  readonly questions: number
  readonly methods: Readonly<Record<SearchMethod, Estimates>>
  /** The better of words and meaning, by nDCG@10 over these questions. */
  readonly bestSingle: 'words' | 'meaning'
  /** Fused minus the single method, question by question: how sure the difference is, not just either. */
  readonly differences: Readonly<Record<'words' | 'meaning', Estimates>>
}

/** @throws Error without questions */
export function evaluate(questions: readonly JudgedQuestion[]): Evaluation {
  if (questions.length === 0) throw new Error('no question has an answer to look for')
  const values = (method: SearchMethod, name: Measure) =>
    questions.map(({ rankings, judgements }) => measure(name, rankings[method], judgements))
  const estimates = (of: (name: Measure) => readonly number[]) =>
    Object.fromEntries(MEASURES.map((name) => [name, bootstrapMean(of(name))])) as Record<Measure, Estimate>
  const alone = (method: SearchMethod) => estimates((name) => values(method, name))
  const against = (method: 'words' | 'meaning') =>
    estimates((name) => {
      const single = values(method, name)
      return values('fused', name).map((value, i) => value - (single[i] ?? 0))
    })
  const methods = { words: alone('words'), meaning: alone('meaning'), fused: alone('fused') }
  return {
    questions: questions.length,
    methods,
    bestSingle: methods.words['nDCG@10'].mean >= methods.meaning['nDCG@10'].mean ? 'words' : 'meaning',
    differences: { words: against('words'), meaning: against('meaning') },
  }
}
