// BM25 of one question over all passages, term by term into one array: at 100,000 passages that costs a fraction of
// a millisecond per common term, so nothing cleverer is needed (docs/decisions).
// The formula, and which terms of a question count: question.ts.
import type { Passages } from '../passages.ts'
import type { Analysers } from './analysis.ts'
import type { Postings } from './postings.ts'
import {
  B,
  K1,
  maximaOf,
  type QuestionTerm,
  questionTerms,
  scoreOf,
  type WeighedTerm,
  weigh,
} from './question.ts'

const NONE: ReadonlySet<string> = new Set()

export class WordScores {
  readonly #passages: Passages
  readonly #postings: Postings
  readonly #analysers: Analysers
  #sums = new Float32Array(1_024)
  /** By language number: the score that no passage can exceed. */
  #maxima: number[] = []
  /** Of the last question. */
  #asked: readonly WeighedTerm[] = []

  constructor(passages: Passages, postings: Postings, analysers: Analysers) {
    this.#passages = passages
    this.#postings = postings
    this.#analysers = analysers
  }

  /**
   * Reads a question, in the languages of all passages and in `also`. What `of`, `ofText` and `sums` say holds until the
   * next call. @param previous what the question leans on: a few of its terms are added, at half weight
   * @returns whether any passage matches
   */
  score(question: string, also: ReadonlySet<string> = NONE, previous = ''): boolean {
    if (this.#sums.length < this.#passages.count) this.#sums = new Float32Array(this.#passages.count * 2)
    else this.#sums.fill(0, 0, this.#passages.count)
    this.#asked = weigh(this.#terms(question, also, previous), this.#passages.live)
    this.#maxima = maximaOf(this.#asked, this.#passages.languages.length)
    let any = false
    for (const { term, idf, live, languages } of this.#asked) {
      const number = this.#postings.number(term)
      if (number === undefined || live === 0) continue
      any = true
      this.#add(number, idf, this.#only(languages))
    }
    return any
  }

  /** Sums by place, not yet divided by the maximum. */
  get sums(): Float32Array {
    return this.#sums
  }

  /** The score of a place over the maximum for its language, 0 to 1. */
  of(place: number): number {
    const sum = this.#sums[place] ?? 0
    if (sum === 0) return 0
    return Math.min(1, sum / (this.#maxima[this.#passages.language.values[place] ?? 0] ?? sum))
  }

  /** The score, 0 to 1, that a passage which is not here would have for the last question. */
  ofText(language: string, counted: ReadonlyMap<string, number>, length: number): number {
    const n = this.#passages.languages.indexOf(language)
    return scoreOf(this.#asked, this.#maxima[n] ?? 0, n, this.#average, { counted, length })
  }

  /** Words in a passage. */
  get #average(): number {
    return this.#passages.liveLength / Math.max(1, this.#passages.live)
  }

  /** No sum below this belongs to a score of at least `score`, in any language. */
  leastSum(score: number): number {
    let least = Number.POSITIVE_INFINITY
    for (const maximum of this.#maxima) if (maximum > 0 && maximum < least) least = maximum
    return score <= 0 ? -1 : score * least * (1 - 1e-6)
  }

  #terms(question: string, also: ReadonlySet<string>, previous: string): QuestionTerm[] {
    const reader = {
      languages: this.#passages.languages.map((code, n) =>
        (this.#passages.perLanguage[n] ?? 0) === 0 && !also.has(code) ? null : code,
      ),
      terms: (code: string, text: string) => this.#analysers.get(code)?.terms(text) ?? [],
      live: (term: string) => {
        const number = this.#postings.number(term)
        return number === undefined ? 0 : this.#live(number)
      },
    }
    return questionTerms(reader, question, previous)
  }

  #live(term: number): number {
    if (!this.#passages.hasDead) return this.#postings.count(term)
    const alive = this.#passages.alive.values
    let live = 0
    this.#postings.runs(term, (postings, from, to) => {
      for (let i = from; i < to; i++) live += alive[(postings[i] ?? 0) >>> 8] ?? 0
    })
    return live
  }

  /** Null when every passage's language is among them. */
  #only(bits: bigint): Uint8Array | null {
    const present = this.#passages.perLanguage
    if (present.every((count, n) => count === 0 || ((bits >> BigInt(n)) & 1n) === 1n)) return null
    return Uint8Array.from(present, (_, n) => Number((bits >> BigInt(n)) & 1n))
  }

  #add(term: number, idf: number, only: Uint8Array | null): void {
    const sums = this.#sums
    const lengths = this.#passages.lengths.values
    const language = this.#passages.language.values
    const average = this.#average
    const fixed = K1 * (1 - B)
    const byLength = average > 0 ? (K1 * B) / average : 0
    const weight = idf * (K1 + 1)
    this.#postings.runs(term, (postings, from, to) => {
      for (let i = from; i < to; i++) {
        const posting = postings[i] ?? 0
        const place = posting >>> 8
        if (only !== null && only[language[place] ?? 0] === 0) continue
        const frequency = posting & 255
        sums[place] =
          (sums[place] ?? 0) + (weight * frequency) / (frequency + fixed + byLength * (lengths[place] ?? 0))
      }
    })
  }
}
