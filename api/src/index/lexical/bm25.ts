// BM25 of one question over all passages, term by term into one array: at 100,000 passages that costs a fraction of
// a millisecond per common term, so nothing cleverer is needed (docs/decisions).
//   score(d) = Σ idf(t) · tf · (k1 + 1) / (tf + k1 · (1 − b + b · |d| / avgdl)),  idf(t) = ln(1 + (N − n + ½) / (n + ½))
// (Robertson & Zaragoza 2009; idf as in Lucene). N, n and avgdl count live passages only: the score at a position of
// the log depends on nothing but the live passages, not on when a server last compacted (promise P6).
import type { Passages } from '../passages.ts'
import type { Analysers } from './analysis.ts'
import type { Postings } from './postings.ts'

const K1 = 1.2
const B = 0.75
/** Of a very long question only the rarest terms count. */
const MAX_TERMS = 64
/** Of a question that another leans on: so many of its rarest terms that passages have, and how much they count. */
const PREVIOUS = { terms: 4, weight: 0.5 }

const NONE: ReadonlySet<string> = new Set()

interface QueryTerm {
  readonly term: string
  readonly number: number | undefined
  /** Bit n: the term stands for passages of language n. */
  readonly languages: bigint
  readonly live: number
  /** What the term counts, 0 to 1. */
  readonly weight: number
}

export class WordScores {
  readonly #passages: Passages
  readonly #postings: Postings
  readonly #analysers: Analysers
  #sums = new Float32Array(1_024)
  /** By language number: the score that no passage can exceed. */
  #maxima: number[] = []
  /** Of the last question. */
  #asked: readonly (QueryTerm & { readonly idf: number })[] = []

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
    const terms = this.#terms(question, also, previous)
    const { live } = this.#passages
    this.#maxima = this.#passages.languages.map(() => 0)
    let any = false
    this.#asked = terms.map((term) => ({
      ...term,
      idf: term.weight * Math.log(1 + (live - term.live + 0.5) / (term.live + 0.5)),
    }))
    for (const term of this.#asked) {
      const { idf } = term
      for (let n = 0; n < this.#maxima.length; n++)
        if ((term.languages >> BigInt(n)) & 1n) this.#maxima[n] = (this.#maxima[n] ?? 0) + idf * (K1 + 1)
      if (term.number === undefined || term.live === 0) continue
      any = true
      this.#add(term.number, idf, this.#only(term.languages))
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
    const maximum = this.#maxima[n] ?? 0
    if (maximum === 0) return 0
    const average = this.#average
    let sum = 0
    for (const { term, idf, languages } of this.#asked) {
      const frequency = ((languages >> BigInt(n)) & 1n) === 1n ? Math.min(255, counted.get(term) ?? 0) : 0
      const relative = average > 0 ? length / average : 1
      if (frequency > 0) sum += (idf * (K1 + 1) * frequency) / (frequency + K1 * (1 - B + B * relative))
    }
    return Math.min(1, sum / maximum)
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

  /** In alphabetical order, so that sums are added up in the same order everywhere. */
  #terms(question: string, also: ReadonlySet<string>, previous: string): QueryTerm[] {
    const own = this.#read(question, also, 1)
    const kept = own.sort(rarestFirst).slice(0, MAX_TERMS)
    if (previous !== '') kept.push(...this.#added(previous, also, new Set(own.map(({ term }) => term))))
    return kept.sort((a, b) => (a.term < b.term ? -1 : 1))
  }

  /** The rarest in each language by itself: what is a common word in one looks rare by the passages of another. */
  #added(previous: string, also: ReadonlySet<string>, asked: ReadonlySet<string>): QueryTerm[] {
    const read = this.#read(previous, also, PREVIOUS.weight)
    const room = new Map<bigint, number>()
    return read.sort(rarestFirst).flatMap((term) => {
      if (term.live === 0 || asked.has(term.term)) return []
      let languages = 0n
      for (let bit = 1n; bit <= term.languages; bit <<= 1n) {
        const left = room.get(bit) ?? PREVIOUS.terms
        if ((term.languages & bit) === 0n || left === 0) continue
        room.set(bit, left - 1)
        languages |= bit
      }
      return languages === 0n ? [] : [{ ...term, languages }]
    })
  }

  #read(text: string, also: ReadonlySet<string>, weight: number): QueryTerm[] {
    const languages = new Map<string, bigint>()
    for (const [n, code] of this.#passages.languages.entries()) {
      if ((this.#passages.perLanguage[n] ?? 0) === 0 && !also.has(code)) continue
      for (const term of this.#analysers.get(code)?.terms(text) ?? [])
        languages.set(term, (languages.get(term) ?? 0n) | (1n << BigInt(n)))
    }
    return [...languages].map(([term, bits]): QueryTerm => {
      const number = this.#postings.number(term)
      return { term, number, languages: bits, live: number === undefined ? 0 : this.#live(number), weight }
    })
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

function rarestFirst(a: QueryTerm, b: QueryTerm): number {
  return a.live - b.live || (a.term < b.term ? -1 : 1)
}
