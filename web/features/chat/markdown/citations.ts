// `[n]` in an answer becomes a numbered button. Done on text tokens, after Markdown was parsed: so never inside
// code or a link.

export interface TextPiece {
  readonly text: string
}
export interface CitationPiece {
  readonly numbers: readonly number[]
}

const MARK = /[ \t]*\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]/g

/**
 * `text` cut at its citation marks. Numbers that `known` refuses stay text. Blanks before a mark go,
 * so that a line never breaks between a word and its number.
 */
export function splitCitations(
  text: string,
  known: (number: number) => boolean,
): readonly (TextPiece | CitationPiece)[] {
  const pieces: (TextPiece | CitationPiece)[] = []
  let at = 0
  for (const match of text.matchAll(MARK)) {
    const numbers = (match[1] ?? '').split(',').map(Number)
    if (!numbers.every(known)) continue
    if (match.index > at) pieces.push({ text: text.slice(at, match.index) })
    const last = pieces.at(-1)
    if (last !== undefined && 'numbers' in last && match.index === at) {
      pieces[pieces.length - 1] = { numbers: [...last.numbers, ...numbers] }
    } else pieces.push({ numbers })
    at = match.index + match[0].length
  }
  if (at < text.length) pieces.push({ text: text.slice(at) })
  return pieces
}
