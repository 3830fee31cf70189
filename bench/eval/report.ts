// What an evaluation prints and writes.
import type { Estimate } from '../../api/src/evaluation/bootstrap.ts'
import { type Evaluation, METHODS } from '../../api/src/evaluation/evaluation.ts'
import { MEASURES } from '../../api/src/evaluation/measures.ts'
import { type Bar, type Figure, spread } from '../harness.ts'
import type { Answers } from './ask.ts'

/** What fused may lose against the better single method on one set, in nDCG@10. */
const ALLOWANCE = 0.02

export function table({ methods, bestSingle, differences }: Evaluation): string {
  const columns = [...METHODS, `fused − ${bestSingle}`]
  const rows = MEASURES.map((name) => [
    name,
    ...METHODS.map((method) => interval(methods[method][name])),
    interval(differences[bestSingle][name]),
  ])
  const width = 25
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => cell.padEnd(i === 0 ? 11 : width))
      .join('')
      .trimEnd()
  return [line(['', ...columns]), ...rows.map(line)].join('\n')
}

function interval({ mean, low, high }: Estimate): string {
  return `${fixed(mean)} [${fixed(low)}, ${fixed(high)}]`
}

function fixed(value: number): string {
  return value.toFixed(3).replace('-', '−')
}

export function figuresOf(
  evaluation: Evaluation,
  { milliseconds, deeper, cut }: Answers,
): Record<string, Figure> {
  const { questions, methods, bestSingle, differences } = evaluation
  return {
    questions,
    questionsAskedDeeper: deeper,
    questionsCut: cut,
    bestSingle,
    methods: figure(methods),
    fusedMinus: figure(differences),
    searchMs: {
      words: spread(milliseconds.words),
      meaning: spread(milliseconds.meaning),
      fused: spread(milliseconds.fused),
    },
  }
}

/** Interfaces are no index signatures to TypeScript. */
function figure(values: Readonly<Record<string, Readonly<Record<string, Estimate>>>>): Figure {
  return Object.fromEntries(
    Object.entries(values).map(([name, measures]) => [
      name,
      Object.fromEntries(Object.entries(measures).map(([measure, estimate]) => [measure, { ...estimate }])),
    ]),
  )
}

export function barsOf({ bestSingle, differences }: Evaluation): Bar[] {
  return [
    {
      bar: `nDCG@10 of fused, minus that of ${bestSingle}`,
      value: differences[bestSingle]['nDCG@10'].mean,
      limit: -ALLOWANCE,
      unit: '',
      better: 'more',
    },
  ]
}
