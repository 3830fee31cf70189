// A question, read for whoever keeps its words elsewhere than in this process' memory: a cluster, or the database. They choose
// passages; what these are worth is computed here, by the formula of question.ts.
import type { ExtraPassage, IndexQuery } from '../port.ts'
import { type Analysers, countTerms } from './analysis.ts'
import { maximaOf, questionTerms, scoreOf, termsOf, type WeighedTerm, weigh } from './question.ts'

export interface Corpus {
  /** Live ones. */
  readonly passages: number
  /** Terms in a passage. */
  readonly average: number
  readonly languages: readonly string[]
}

export interface ReadQuestion {
  /** Languages by number. */
  readonly codes: readonly string[]
  readonly terms: readonly WeighedTerm[]
  /** By language number: the score that no passage can exceed. */
  readonly maxima: readonly number[]
  /** What a passage is worth by words, 0 to 1. @param counted how often it has each of its terms; `length` of them in all */
  score(language: string, counted: ReadonlyMap<string, number>, length: number): number
  /** The same of one that is not kept anywhere yet. */
  scoreExtra(passage: ExtraPassage): number
}

/**
 * In all languages of the corpus and of the passages that come with the question.
 * @param live how many passages have each of these terms
 */
export async function readQuestion(
  { text, previous = '', extra = [] }: Pick<IndexQuery, 'text' | 'previous' | 'extra'>,
  { passages, average, languages }: Corpus,
  analysers: Analysers,
  live: (terms: ReadonlySet<string>) => Promise<ReadonlyMap<string, number>>,
): Promise<ReadQuestion> {
  const codes = [...new Set([...languages, ...extra.map(({ language }) => language)])].sort()
  for (const code of codes) await analysers.load(code)
  const reader = {
    languages: codes,
    terms: (code: string, words: string) => analysers.get(code)?.terms(words) ?? [],
  }
  const found = await live(new Set([...termsOf(reader, text).keys(), ...termsOf(reader, previous).keys()]))
  const chosen = questionTerms({ ...reader, live: (term) => found.get(term) ?? 0 }, text, previous)
  // These numbers are of different moments: a term may be in more passages by now than there were.
  const most = chosen.reduce((most, { live }) => Math.max(most, live), passages)
  const terms = weigh(chosen, most)
  const maxima = maximaOf(terms, codes.length)
  const score: ReadQuestion['score'] = (language, counted, length) => {
    const n = codes.indexOf(language)
    return n < 0 ? 0 : scoreOf(terms, maxima[n] ?? 0, n, average, { counted, length })
  }
  return {
    ...{ codes, terms, maxima, score },
    scoreExtra({ language, heading, text }) {
      const analyser = analysers.get(language)
      if (analyser === undefined) return 0
      const { terms, length } = countTerms(analyser, heading, text)
      return score(language, terms, length)
    },
  }
}
