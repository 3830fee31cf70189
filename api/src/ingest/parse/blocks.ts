// Formats without pages are read into blocks (a heading, a paragraph, a row of a table …), which are laid out as
// text and cut into slices of about 6,000 characters where a block ends: the "pages" of such a document.
import { type Heading, mostText, type ParsedPage, ParseFailure } from './port.ts'

export interface Block {
  readonly text: string
  /** 1 to 6 for a heading. */
  readonly level?: number
  /** Belongs closely to the block before it: a row, a list item. One line end instead of an empty line. */
  readonly tight?: boolean
}

export const SLICE = 6_000

/** Collects blocks; empty ones vanish. */
export class SlicedText {
  readonly #pages: ParsedPage[] = []
  #text = ''
  #headings: Heading[] = []
  readonly #carry: { text: string; level: number }[] = []
  readonly #most: number
  #length = 0

  /** @param fileBytes of the file that is read */
  constructor(fileBytes = 0) {
    this.#most = mostText(fileBytes)
  }

  get length(): number {
    return this.#pages.length
  }

  get empty(): boolean {
    return this.#text === '' && this.#pages.length === 0
  }

  /** @throws ParseFailure FILE_TOO_COMPLEX when it is more text than a file may become */
  add(block: Block): void {
    const text = block.text.replace(/[ \t]+$/gm, '').replace(/^\n+|\s+$/g, '')
    if (text === '') return
    this.#length += text.length
    if (this.#length > this.#most) throw new ParseFailure('FILE_TOO_COMPLEX')
    if (this.#text !== '' && this.#text.length + text.length > SLICE) this.#turn()
    if (text.length > SLICE && block.level === undefined) {
      this.#cut(text)
      return
    }
    this.#append(text, block)
  }

  /** @returns every slice, the last one included */
  finish(): ParsedPage[] {
    this.#close()
    return this.#pages
  }

  #append(text: string, block: Omit<Block, 'text'>): void {
    if (this.#text !== '') this.#text += block.tight ? '\n' : '\n\n'
    const start = this.#text.length
    this.#text += text
    if (block.level !== undefined) this.#headings.push({ start, end: this.#text.length, level: block.level })
  }

  /** Begins the next slice. Headings at the end of this one go along: they belong to what comes. */
  #turn(): void {
    for (let last = this.#headings.at(-1); last?.end === this.#text.length; last = this.#headings.at(-1)) {
      if (last.start === 0) break
      this.#headings.pop()
      const text = this.#text
      this.#text = text.slice(0, last.start).trimEnd()
      this.#carry.unshift({ text: text.slice(last.start, last.end), level: last.level })
    }
    this.#close()
    for (const block of this.#carry.splice(0)) this.#append(block.text, block)
  }

  /** A block longer than a slice: cut after a line, else after a sentence, else at a space. */
  #cut(text: string): void {
    let from = 0
    while (text.length - from > SLICE) {
      const window = text.slice(from, from + SLICE)
      const to = cutPlace(window)
      this.#append(window.slice(0, to).trimEnd(), {})
      this.#close()
      from += to
      while (from < text.length && /\s/.test(text.charAt(from))) from++
    }
    this.#append(text.slice(from), {})
  }

  #close(): void {
    if (this.#text === '') return
    this.#pages.push({ text: this.#text, headings: this.#headings, furniture: [] })
    this.#text = ''
    this.#headings = []
  }
}

function cutPlace(window: string): number {
  const least = window.length / 2
  for (const mark of ['\n\n', '\n', '. ', ' ']) {
    const at = window.lastIndexOf(mark)
    if (at > least) return at + mark.length
  }
  // Never between the halves of a surrogate pair.
  const last = window.charCodeAt(window.length - 1)
  return last >= 0xd800 && last < 0xdc00 ? window.length - 1 : window.length
}
