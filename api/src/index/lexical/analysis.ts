// Text → terms: Unicode words, lower case, without stop words, stemmed in the passage's language.
// Where a script has no spaces, Intl.Segmenter finds the words (its dictionaries do not depend on a locale).
// Deterministic: two servers make the same terms of the same text (promise P6).
import { type Language, loadLanguage } from './languages.ts'

// biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII is meant
const ASCII = /^[\x00-\x7f]*$/
const WORD = /[\p{L}\p{N}\p{M}]+/gu
const WITHOUT_SPACES =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u
/** UTF-16 units. Longer ones are data, not words; their beginning is kept so that they can still be found. */
const WORD_LENGTH = 40
const SEGMENT_LENGTH = 1_000
/** Words that a language remembers the stem of. Stemming costs 1.5 µs, looking it up 0.05. */
const REMEMBERED = 200_000

const segmenter = new Intl.Segmenter('en', { granularity: 'word' })

/**
 * A string that holds nothing but itself: V8 makes long substrings as views that keep the whole text alive,
 * which in a dictionary would be every text ever read.
 */
export function standalone(text: string): string {
  return Buffer.from(text, 'utf16le').toString('utf16le')
}

export class Analyser {
  readonly #language: Language
  /** Word → stem; '' for a stop word. */
  #stems = new Map<string, string>()

  private constructor(language: Language) {
    this.#language = language
  }

  static async load(code: string): Promise<Analyser> {
    return new Analyser(await loadLanguage(code))
  }

  /** Calls `emit` with every term of the text, in order, repeated as often as it occurs. */
  analyse(text: string, emit: (term: string) => void): void {
    if (ASCII.test(text)) this.#ascii(text.toLowerCase(), emit)
    else this.#unicode(text.normalize('NFKC').toLowerCase(), emit)
  }

  /** The same words as `#unicode` finds, in a third of the time. */
  #ascii(text: string, emit: (term: string) => void): void {
    let start = -1
    for (let i = 0; i <= text.length; i++) {
      const code = i < text.length ? text.charCodeAt(i) : 0
      const inWord = (code >= 97 && code <= 122) || (code >= 48 && code <= 57)
      if (inWord && start < 0) start = i
      if (!inWord && start >= 0) {
        this.#word(text.slice(start, i), emit)
        start = -1
      }
    }
  }

  #unicode(text: string, emit: (term: string) => void): void {
    for (const [run] of text.matchAll(WORD))
      if (run.length > 1 && WITHOUT_SPACES.test(run)) this.#segment(run, emit)
      else this.#word(run, emit)
  }

  terms(text: string): string[] {
    const found: string[] = []
    this.analyse(text, (term) => found.push(term))
    return found
  }

  #segment(run: string, emit: (term: string) => void): void {
    for (let from = 0; from < run.length; from += SEGMENT_LENGTH)
      for (const { segment, isWordLike } of segmenter.segment(run.slice(from, from + SEGMENT_LENGTH)))
        if (isWordLike) this.#word(segment, emit)
  }

  #word(found: string, emit: (term: string) => void): void {
    const word = found.length > WORD_LENGTH ? cut(found) : found
    const known = this.#stems.get(word)
    const stem = known ?? this.#learn(standalone(word))
    if (stem !== '') emit(stem)
  }

  #learn(word: string): string {
    const stem = this.#language.stopWords.has(word) ? '' : standalone(this.#language.stem(word))
    if (this.#stems.size >= REMEMBERED) this.#stems.clear()
    this.#stems.set(word, stem)
    return stem
  }
}

/** Never in the middle of a character: half of one is another word once it was written to a checkpoint. */
function cut(word: string): string {
  const last = word.charCodeAt(WORD_LENGTH - 1)
  return word.slice(0, last >= 0xd800 && last <= 0xdbff ? WORD_LENGTH - 1 : WORD_LENGTH)
}

/**
 * How often a passage has each of its terms, as every index counts them.
 * @param counted is emptied and used
 */
export function countTerms(
  analyser: Analyser,
  heading: string,
  text: string,
  counted = new Map<string, number>(),
): { terms: Map<string, number>; length: number } {
  counted.clear()
  let length = 0
  const take = (term: string) => {
    length++
    counted.set(term, (counted.get(term) ?? 0) + 1)
  }
  if (heading !== '') analyser.analyse(heading, take)
  analyser.analyse(text, take)
  return { terms: counted, length }
}

/** The analysers of the languages met so far. */
export class Analysers {
  readonly #loaded = new Map<string, Analyser>()

  async load(code: string): Promise<Analyser> {
    const loaded = this.#loaded.get(code) ?? (await Analyser.load(code))
    this.#loaded.set(code, loaded)
    return loaded
  }

  /** Undefined when no passage in this language was met. */
  get(code: string): Analyser | undefined {
    return this.#loaded.get(code)
  }
}
