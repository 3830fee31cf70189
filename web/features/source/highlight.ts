// The source's room: the extracted text of a document, page by page, with the cited passage marked.
// highlight.ts cuts a page's text into paragraphs and marks ranges in it: offsets are those of the page's text
// (UTF-16 code units, end exclusive), so a citation needs nothing but its three numbers.

export interface TextRange {
  readonly start: number
  readonly end: number
}

export interface Segment {
  readonly text: string
  /** Offset in the page's text. */
  readonly start: number
  readonly marked: boolean
}

export interface Paragraph {
  readonly start: number
  readonly segments: readonly Segment[]
}

const PARAGRAPH_END = /\n[ \t\r]*\n\s*/g

/** Paragraphs of a page, in order; only the blank lines between them are left out. */
export function paragraphs(text: string, ranges: readonly TextRange[] = []): Paragraph[] {
  const marks = cleanRanges(text, ranges)
  const found: Paragraph[] = []
  let start = 0
  for (const gap of text.matchAll(PARAGRAPH_END)) {
    if (gap.index > start) found.push({ start, segments: cut(text, start, gap.index, marks) })
    start = gap.index + gap[0].length
  }
  if (start < text.length) found.push({ start, segments: cut(text, start, text.length, marks) })
  return found
}

/** One stretch of text as marked and unmarked segments. */
export function segments(text: string, ranges: readonly TextRange[]): Segment[] {
  return cut(text, 0, text.length, cleanRanges(text, ranges))
}

function cut(text: string, start: number, end: number, marks: readonly TextRange[]): Segment[] {
  const out: Segment[] = []
  let at = start
  const push = (to: number, marked: boolean) => {
    if (to > at) out.push({ text: text.slice(at, to), start: at, marked })
    at = Math.max(at, to)
  }
  for (const mark of marks) {
    if (mark.end <= start || mark.start >= end) continue
    push(Math.max(mark.start, start), false)
    push(Math.min(mark.end, end), true)
  }
  push(end, false)
  return out
}

/** In order, merged, inside the text, never through the middle of a surrogate pair; empty ones dropped. */
export function cleanRanges(text: string, ranges: readonly TextRange[]): TextRange[] {
  const inside = ranges
    .filter((range) => Number.isInteger(range.start) && Number.isInteger(range.end))
    .map(({ start, end }) => ({
      start: wholeCharacter(text, Math.max(0, start), -1),
      end: wholeCharacter(text, Math.min(text.length, end), 1),
    }))
    .filter((range) => range.end > range.start)
    .sort((a, b) => a.start - b.start)
  const merged: TextRange[] = []
  for (const range of inside) {
    const last = merged.at(-1)
    if (last !== undefined && range.start <= last.end) {
      merged[merged.length - 1] = { start: last.start, end: Math.max(last.end, range.end) }
    } else merged.push(range)
  }
  return merged
}

function wholeCharacter(text: string, at: number, step: 1 | -1): number {
  const before = text.charCodeAt(at - 1)
  const after = text.charCodeAt(at)
  const inPair = before >= 0xd800 && before <= 0xdbff && after >= 0xdc00 && after <= 0xdfff
  return inPair ? at + step : at
}
