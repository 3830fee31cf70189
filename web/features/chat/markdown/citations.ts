// `[n]` in an answer becomes a numbered button. Done on the parsed tree (hast), after Markdown:
// never inside code or a link, and never by putting HTML together.

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

/** As much of hast as is needed here; react-markdown's own types come from a package that is not ours. */
export interface HastNode {
  type: string
  tagName?: string
  value?: string
  properties?: Record<string, unknown>
  children?: HastNode[]
}

const KEEP = new Set(['code', 'pre', 'a', 'citation'])

/** A rehype plugin: text becomes text and `<citation numbers="1,2">`. */
export function rehypeCitations(options: { known: (number: number) => boolean }) {
  return (tree: HastNode): void => mark(tree, options.known)
}

function mark(node: HastNode, known: (number: number) => boolean): void {
  if (node.children === undefined || KEEP.has(node.tagName ?? '')) return
  node.children = node.children.flatMap((child) => {
    if (child.type !== 'text' || child.value === undefined) {
      mark(child, known)
      return [child]
    }
    return splitCitations(child.value, known).map(
      (piece): HastNode =>
        'text' in piece
          ? { type: 'text', value: piece.text }
          : {
              type: 'element',
              tagName: 'citation',
              properties: { numbers: piece.numbers.join(',') },
              children: [],
            },
    )
  })
}
