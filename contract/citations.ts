// Citation numbers in a model's text, as it streams through the API or straight to a page: brought to one form, `[n]`, and only numbers of passages that
// were really given are let through. What models write: [1], [1][2], [1, 2], [1-3], 【1】, 【1†source】, [^1].
// Code is left alone: `argv[1]` in backticks is no citation.
//
// Every rule looks at a bounded stretch of text, so that the result is the same however the text is cut into tokens.

export interface CitationMapper {
  /** What of the text so far may be shown now; a possible citation is held back until it is decided. */
  push(piece: string): string
  /** What was still held back. */
  end(): string
  /** The numbers that were let through, in order of their first appearance. */
  readonly used: readonly number[]
}

/** A bracket that is still open after this many characters is no citation. */
const LONGEST = 48

/** What may stand between the brackets while they are open. */
const INSIDE = /^[\d\s,;&^#.\-–—†:A-Za-z]*$/
const NUMBERS =
  /^\s*(?:passages?|sources?|documents?|docs?)?\s*[#^]?(\d{1,3}(?:\s*(?:[-–—]|[,;&]|and)\s*[#^]?\d{1,3})*)\s*(?:†[^\]】]*)?$/i
/** A word with the space before it, as nearly all tokens are: passes untouched. */
const PLAIN = /^ ?[^[【` \n]+$/

/** @param count passages were given to the model, numbered from 1 */
export function createCitationMapper(count: number): CitationMapper {
  const used: number[] = []
  const known = (number: number) => number >= 1 && number <= count
  /** Undecided: spaces that may stand before a citation, then an opening bracket and what follows it. */
  let held = ''
  /** Length of the backtick run that opened the code we are in; 0 outside of code. */
  let code = 0
  /** Backticks of a run that may go on with the next token. */
  let ticks = 0
  let atLineStart = true
  /** After `[n]`: a `(` would make it a link, and at a line's start a `:` a hidden definition. */
  let afterCitation: 'none' | 'inline' | 'line start' = 'none'
  let newlines = 0
  /** The last few characters that went out one by one. */
  let tail = ''

  function decide(bracket: string): string | null {
    const numbers = NUMBERS.exec(bracket)?.[1]
    if (numbers === undefined) return null
    const cited = expand(numbers).filter(known)
    for (const number of cited) if (!used.includes(number)) used.push(number)
    return cited.map((number) => `[${number}]`).join('')
  }

  /** One character outside of held text. */
  function plain(char: string): string {
    let before = ''
    if (afterCitation !== 'none') {
      if (char === '(' || (char === ':' && afterCitation === 'line start')) before = ' '
      afterCitation = 'none'
    }
    if (char === '\n') {
      newlines++
      atLineStart = true
      // A paragraph's end also ends inline code that was never closed: a lone backtick switches nothing off for good.
      if (newlines > 1 && code > 0 && code < 3) code = 0
    } else {
      if (char !== ' ') atLineStart = false
      if (char !== ' ' && char !== '\t') newlines = 0
    }
    tail = (tail + before + char).slice(-5)
    return before + char
  }

  function run(): string {
    if (ticks === 0) return ''
    const length = ticks
    ticks = 0
    if (code === 0) code = length
    else if (code === length || (code >= 3 && length >= code)) code = 0
    newlines = 0
    atLineStart = false
    afterCitation = 'none'
    return '`'.repeat(length)
  }

  function release(): string {
    let out = ''
    for (const char of held) out += plain(char)
    held = ''
    return out
  }

  function take(char: string): string {
    if (char === '`') {
      const out = ticks === 0 ? release() : ''
      ticks++
      return out
    }
    const out = run()
    if (code > 0) return out + plain(char)
    const opened = /[[【]/.exec(held)
    if (opened === null) {
      if (char === '[' || char === '【' || char === ' ') {
        // A space after text may be the one before a citation that is dropped.
        if (char === ' ' && held !== '') return out + swap(char)
        held += char
        return out
      }
      return out + release() + plain(char)
    }
    if (char === ']' || char === '】') {
      const inside = held.slice(opened.index + 1)
      const citation = decide(inside)
      if (citation === null) {
        held += char
        return out + release()
      }
      const space = held.slice(0, opened.index)
      held = ''
      // What is dropped must not bring what stands around it together: `[7[9]]` would become `[7]`.
      if (citation === '') return out + (/\[\d*$/.test(tail) ? plain(' ') : '')
      let shown = ''
      for (const before of space) shown += plain(before)
      const place = atLineStart ? 'line start' : 'inline'
      atLineStart = false
      newlines = 0
      afterCitation = place
      tail = ''
      return out + shown + citation
    }
    held += char
    if (held.length - opened.index > LONGEST || !INSIDE.test(held.slice(opened.index + 1))) {
      // The character that settled it may itself open a citation.
      held = held.slice(0, -1)
      return out + release() + take(char)
    }
    return out
  }

  /** Lets the held space go and holds the new one. */
  function swap(char: string): string {
    const out = release()
    held = char
    return out
  }

  return {
    push(piece) {
      if (
        code === 0 &&
        ticks === 0 &&
        (held === '' || (held === ' ' && !piece.startsWith(' '))) &&
        afterCitation === 'none' &&
        PLAIN.test(piece)
      ) {
        const out = held + piece
        held = ''
        tail = ''
        newlines = 0
        atLineStart = false
        return out
      }
      let out = ''
      for (const char of piece) out += take(char)
      return out
    },
    end() {
      return run() + release()
    },
    used,
  }
}

/** `1, 3-5` → 1, 3, 4, 5. A range that runs backwards or is wide is only its ends. */
function expand(numbers: string): number[] {
  const all: number[] = []
  for (const part of numbers.split(/\s*(?:[,;&]|and)\s*/i)) {
    const [from, to] = part.split(/\s*[-–—]\s*/).map((text) => Number(text.replace(/\D/g, '')))
    if (from === undefined || Number.isNaN(from)) continue
    if (to === undefined || to < from || to - from > 20) all.push(from, ...(to === undefined ? [] : [to]))
    else for (let number = from; number <= to; number++) all.push(number)
  }
  return all
}

/** An earlier answer without its citations: their numbers meant the passages of that time. */
export function withoutCitations(text: string): string {
  return text.replace(/ ?\[\d{1,3}\]/g, '')
}
