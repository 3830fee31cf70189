// Search by words: postings of every passage, and the best of them for a question.
// Analysing and adding may go on while searches run: what is added counts only once its document is published.
import type { Allowed } from '../filter.ts'
import type { Passages } from '../passages.ts'
import type { Top } from '../top.ts'
import { type Analyser, Analysers, countTerms } from './analysis.ts'
import { WordScores } from './bm25.ts'
import { Postings, type SavedPostings } from './postings.ts'

export class Lexical {
  readonly postings: Postings
  readonly scores: WordScores
  readonly #passages: Passages
  readonly #analysers = new Analysers()
  readonly #counted = new Map<string, number>()

  constructor(passages: Passages, saved?: SavedPostings) {
    this.#passages = passages
    this.postings = new Postings(saved)
    this.scores = new WordScores(passages, this.postings, this.#analysers)
  }

  /** Has to be called, and awaited, before passages in this language are added or searched. */
  load(language: string): Promise<Analyser> {
    return this.#analysers.load(language)
  }

  /** Terms of a passage with how often each occurs; valid until the next call. Its language has to be loaded. */
  count(language: string, heading: string, text: string): { terms: Map<string, number>; length: number } {
    const analyser = this.#analysers.get(language)
    if (analyser === undefined) throw new Error(`language ${language} is not loaded`)
    return countTerms(analyser, heading, text, this.#counted)
  }

  add(place: number, terms: ReadonlyMap<string, number>): void {
    for (const [term, frequency] of terms)
      this.postings.add(this.postings.numberOrNew(term), place, frequency)
  }

  /** After `scores.score(question)`: offers every allowed passage with a word of the question. */
  best(allowed: Allowed, withVector: Top, withoutVector: Top): void {
    const { sums } = this.scores
    const { ids, vector } = this.#passages
    const [id, vectors, count] = [ids.values, vector.values, this.#passages.count]
    const consider = (place: number) => {
      const into = (vectors[place] ?? -1) < 0 ? withoutVector : withVector
      if (!allowed.has(place)) return
      const score = this.scores.of(place)
      if (score >= into.floor) into.offer(score, id[place] ?? 0, place)
    }
    if (allowed.passages * 8 < count) {
      for (const [first, end] of allowed.ranges())
        for (let place = first; place < end; place++) if ((sums[place] ?? 0) > 0) consider(place)
      return
    }
    // Most passages are dropped by one comparison, which the processor can foresee. Where every passage has its
    // vector, the other ranking stays empty and has no say in it.
    const others = this.#passages.liveVectors < this.#passages.live
    let [bound, boundOfOthers, low] = [-1, -1, -1]
    for (let place = 0; place < count; place++) {
      const sum = sums[place] ?? 0
      if (sum < low || sum === 0) continue
      if (sum < ((vectors[place] ?? -1) < 0 ? boundOfOthers : bound)) continue
      consider(place)
      bound = this.scores.leastSum(withVector.floor)
      boundOfOthers = this.scores.leastSum(withoutVector.floor)
      low = others ? Math.min(bound, boundOfOthers) : bound
    }
  }
}
