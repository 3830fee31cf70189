// A question's terms and what they count: the same for whoever keeps the postings (bm25.ts has them in memory,
// engines/opensearch/ in a cluster).
//   score(d) = Σ idf(t) · tf · (k1 + 1) / (tf + k1 · (1 − b + b · |d| / avgdl)),  idf(t) = ln(1 + (N − n + ½) / (n + ½))
// (Robertson & Zaragoza 2009; idf as in Lucene). N, n and avgdl count live passages only: the score at a position of
// the log depends on nothing but the live passages, not on when a server last compacted (promise P6).

export const K1 = 1.2
export const B = 0.75
/** Of a very long question only the rarest terms count. */
const MAX_TERMS = 64
/** Of a question that another leans on: so many of its rarest terms that passages have, and how much they count. */
const PREVIOUS = { terms: 4, weight: 0.5 }

export interface QuestionTerm {
  readonly term: string
  /** Bit n: the term stands for passages of language n. */
  readonly languages: bigint
  /** Live passages that have it. */
  readonly live: number
  /** What the term counts, 0 to 1. */
  readonly weight: number
}

export interface WeighedTerm extends QuestionTerm {
  readonly idf: number
}

export interface Reader {
  /** By language number: its code, or null for one that the question is not read in. */
  readonly languages: readonly (string | null)[]
  terms(language: string, text: string): readonly string[]
  /** How many live passages have this term. */
  live(term: string): number
}

/** Every term of a text in all languages it is read in, with their bits. */
export function termsOf(reader: Omit<Reader, 'live'>, text: string): Map<string, bigint> {
  const found = new Map<string, bigint>()
  for (const [n, code] of reader.languages.entries()) {
    if (code === null) continue
    for (const term of reader.terms(code, text)) found.set(term, (found.get(term) ?? 0n) | (1n << BigInt(n)))
  }
  return found
}

/**
 * What counts of a question, in alphabetical order, so that sums are added up in the same order everywhere.
 * @param previous what the question leans on: a few of its terms are added, at half weight. Empty: nothing
 */
export function questionTerms(reader: Reader, question: string, previous: string): QuestionTerm[] {
  const own = read(reader, question, 1)
  const kept = own.sort(rarestFirst).slice(0, MAX_TERMS)
  if (previous !== '') kept.push(...added(reader, previous, new Set(own.map(({ term }) => term))))
  return kept.sort((a, b) => (a.term < b.term ? -1 : 1))
}

/** @param live passages in all */
export function weigh<T extends QuestionTerm>(terms: readonly T[], live: number): (T & WeighedTerm)[] {
  return terms.map((term) => ({
    ...term,
    idf: term.weight * Math.log(1 + (live - term.live + 0.5) / (term.live + 0.5)),
  }))
}

/** By language number: the score that no passage can exceed. */
export function maximaOf(terms: readonly WeighedTerm[], languages: number): number[] {
  const maxima = Array.from({ length: languages }, () => 0)
  for (const { idf, languages: bits } of terms)
    for (let n = 0; n < languages; n++)
      if ((bits >> BigInt(n)) & 1n) maxima[n] = (maxima[n] ?? 0) + idf * (K1 + 1)
  return maxima
}

/**
 * The score, 0 to 1, of a passage of language number `n`.
 * @param counted its terms, with how often each occurs; `length` of them in all
 * @param average that length's average over all live passages
 */
export function scoreOf(
  terms: readonly WeighedTerm[],
  maximum: number,
  n: number,
  average: number,
  { counted, length }: { counted: ReadonlyMap<string, number>; length: number },
): number {
  if (maximum === 0) return 0
  let sum = 0
  for (const { term, idf, languages } of terms) {
    const frequency = ((languages >> BigInt(n)) & 1n) === 1n ? Math.min(255, counted.get(term) ?? 0) : 0
    const relative = average > 0 ? length / average : 1
    if (frequency > 0) sum += (idf * (K1 + 1) * frequency) / (frequency + K1 * (1 - B + B * relative))
  }
  return Math.min(1, sum / maximum)
}

/** The rarest in each language by itself: what is a common word in one looks rare by the passages of another. */
function added(reader: Reader, previous: string, asked: ReadonlySet<string>): QuestionTerm[] {
  const room = new Map<bigint, number>()
  return read(reader, previous, PREVIOUS.weight)
    .sort(rarestFirst)
    .flatMap((term) => {
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

function read(reader: Reader, text: string, weight: number): QuestionTerm[] {
  return [...termsOf(reader, text)].map(([term, languages]) => ({
    ...{ term, languages, weight },
    live: reader.live(term),
  }))
}

function rarestFirst(a: QuestionTerm, b: QuestionTerm): number {
  return a.live - b.live || (a.term < b.term ? -1 : 1)
}
