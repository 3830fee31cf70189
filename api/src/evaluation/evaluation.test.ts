import { expect, test } from 'vitest'
import { evaluate, type JudgedQuestion } from './evaluation.ts'

const question = (words: string, meaning: string, fused: string): JudgedQuestion => ({
  judgements: new Map([['right', 1]]),
  rankings: { words: words.split(' '), meaning: meaning.split(' '), fused: fused.split(' ') },
})

test('each method by its own ranking, the better single one by nDCG@10, differences question by question', () => {
  const { questions, methods, bestSingle, differences } = evaluate([
    question('right', 'a right', 'right'),
    question('a b', 'right', 'a right'),
    question('a b c', 'right', 'right'),
  ])
  expect(questions).toBe(3)
  expect(bestSingle).toBe('meaning')
  expect(methods.words['MRR@10'].mean).toBeCloseTo(1 / 3, 12)
  expect(methods.meaning['MRR@10'].mean).toBeCloseTo(2.5 / 3, 12)
  expect(methods.fused['recall@1'].mean).toBeCloseTo(2 / 3, 12)
  expect(differences.words['recall@5'].mean).toBeCloseTo(2 / 3, 12)
  expect(differences.meaning['MRR@10'].mean).toBeCloseTo(0, 12)
  // Gained on one question, lost on another: the interval says that it could be either.
  expect(differences.meaning['MRR@10'].low).toBeLessThan(0)
  expect(differences.meaning['MRR@10'].high).toBeGreaterThan(0)
})

test('there is no average of nothing', () => {
  expect(() => evaluate([])).toThrow('no question')
})
