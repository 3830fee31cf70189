// The embedder's tokenizer: BERT's WordPiece (Devlin et al. 2018; lower case, accents stripped), read from the
// weights' tokenizer.json. Own code because the splitter counts every word of every document: with a cache over
// whitespace-separated words it is some twenty times faster than @huggingface/tokenizers, which the tests hold it
// against. Special tokens written in a text ("[SEP]") are plain characters here: a document can't place them.
import { readFileSync } from 'node:fs'
import { z } from 'zod'

export interface Tokenizer {
  /** Tokens of a text, without special ones. */
  count(text: string): number
  /** `[CLS] … [SEP]`, cut to `maxTokens` in all. */
  encode(text: string, maxTokens: number): number[]
}

const tokenizerFile = z.object({
  model: z.object({
    type: z.literal('WordPiece'),
    unk_token: z.literal('[UNK]'),
    continuing_subword_prefix: z.literal('##'),
    max_input_chars_per_word: z.number().int(),
    // 30,000 entries: looked at as they are used, checking each here would double the time to load.
    vocab: z.custom<Record<string, number>>((value) => typeof value === 'object' && value !== null),
  }),
  normalizer: z.object({
    type: z.literal('BertNormalizer'),
    lowercase: z.literal(true),
    strip_accents: z.null(),
    handle_chinese_chars: z.literal(true),
  }),
  pre_tokenizer: z.object({ type: z.literal('BertPreTokenizer') }),
})

/** Words whose tokens are remembered; a corpus' vocabulary is far smaller than its text. */
const CACHED_WORDS = 50_000
const LONGEST_CACHED = 40

const PLAIN = /^[a-z]+$/
const CJK =
  /[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u{20000}-\u{2a6df}\u{2a700}-\u{2ceaf}\u{2f800}-\u{2fa1f}]/gu
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\ufffd]/gu
const PIECES = /[^\s\p{P}!-/:-@[-`{-~]+|[\p{P}!-/:-@[-`{-~]/gu

/** @throws Error when the file is not the tokenizer of a lower-casing BERT */
export function readTokenizer(file: string): Tokenizer {
  const parsed = tokenizerFile.safeParse(JSON.parse(readFileSync(file, 'utf8')))
  if (!parsed.success) throw new Error('tokenizer.json is not a lower-casing WordPiece tokenizer')
  const { vocab, max_input_chars_per_word: longest } = parsed.data.model
  const starts = new Map<string, number>()
  const continuations = new Map<string, number>()
  for (const [token, id] of Object.entries(vocab))
    if (token.startsWith('##') && token.length > 2) continuations.set(token.slice(2), id)
    else starts.set(token, id)
  // A vocabulary may hold "##" itself as a word of two marks; it is split into single marks before.
  const id = (token: string) => {
    const found = vocab[token]
    if (found === undefined) throw new Error(`tokenizer.json has no ${token}`)
    return found
  }
  return new WordPiece(
    { starts, continuations, longest },
    { cls: id('[CLS]'), sep: id('[SEP]'), unk: id('[UNK]') },
  )
}

interface Vocabulary {
  readonly starts: ReadonlyMap<string, number>
  readonly continuations: ReadonlyMap<string, number>
  /** Words of more characters are unknown as a whole. */
  readonly longest: number
}

class WordPiece implements Tokenizer {
  readonly #vocabulary: Vocabulary
  readonly #special: { readonly cls: number; readonly sep: number; readonly unk: number }
  #cache = new Map<string, readonly number[]>()

  constructor(vocabulary: Vocabulary, special: { cls: number; sep: number; unk: number }) {
    this.#vocabulary = vocabulary
    this.#special = special
  }

  count(text: string): number {
    let count = 0
    for (const word of words(text)) count += this.#ids(word).length
    return count
  }

  encode(text: string, maxTokens: number): number[] {
    const ids = [this.#special.cls]
    const room = maxTokens - 1
    for (const word of words(text)) {
      for (const id of this.#ids(word)) if (ids.length < room) ids.push(id)
      if (ids.length >= room) break
    }
    ids.push(this.#special.sep)
    return ids
  }

  #ids(word: string): readonly number[] {
    const known = this.#cache.get(word)
    if (known !== undefined) return known
    const ids: number[] = []
    if (PLAIN.test(word)) this.#pieces(word, ids)
    else
      for (const piece of normalise(word).match(PIECES) ?? []) {
        this.#pieces(piece, ids)
      }
    if (word.length <= LONGEST_CACHED) {
      if (this.#cache.size >= CACHED_WORDS) this.#cache = new Map()
      this.#cache.set(word, ids)
    }
    return ids
  }

  /** Greedy, longest match first. A word with a part that is not in the vocabulary is unknown as a whole. */
  #pieces(word: string, ids: number[]): void {
    const { starts, continuations, longest } = this.#vocabulary
    const whole = starts.get(word)
    if (whole !== undefined) {
      ids.push(whole)
      return
    }
    const chars = Array.from(word)
    const before = ids.length
    if (chars.length <= longest) {
      let from = 0
      while (from < chars.length) {
        const table = from === 0 ? starts : continuations
        let to = chars.length
        let id: number | undefined
        for (; to > from; to--) {
          id = table.get(chars.slice(from, to).join(''))
          if (id !== undefined) break
        }
        if (id === undefined) break
        ids.push(id)
        from = to
      }
      if (from === chars.length) return
    }
    ids.length = before
    ids.push(this.#special.unk)
  }
}

function* words(text: string): Generator<string> {
  let start = -1
  for (let i = 0; i < text.length; i++) {
    if (isSpace(text.charCodeAt(i))) {
      if (start >= 0) yield text.slice(start, i)
      start = -1
    } else if (start < 0) start = i
  }
  if (start >= 0) yield text.slice(start)
}

/** What `\s` matches, except \v and \f: BERT removes those like any control character instead of splitting there. */
function isSpace(code: number): boolean {
  if (code < 128) return code === 32 || code === 10 || code === 9 || code === 13
  return (
    code === 0xa0 ||
    code === 0x1680 ||
    (code >= 0x2000 && code <= 0x200a) ||
    code === 0x2028 ||
    code === 0x2029 ||
    code === 0x202f ||
    code === 0x205f ||
    code === 0x3000
  )
}

function normalise(word: string): string {
  return word
    .replace(INVISIBLE, '')
    .replace(CJK, ' $& ')
    .toLowerCase()
    .normalize('NFD')
    .replace(/\p{Mn}/gu, '')
}
