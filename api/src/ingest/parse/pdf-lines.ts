// A PDF page's text items in reading order → text with lines and paragraphs, and where each item stands. The text is
// made in one go with its ranges: a word hyphenated at a line's end is joined here, before any range points into it.
import { cleanText } from './charset.ts'
import type { PageLayout, Range } from './port.ts'

/** Of pdf.js' getTextContent; marked content has no `str` and is passed over. */
export interface TextItem {
  readonly str: string
  /** a b c d e f of the PDF's text space. */
  readonly transform: readonly number[]
  readonly width: number
  readonly height: number
  readonly hasEOL: boolean
  readonly fontName: string
}

export interface Line extends Range {
  /** Font size in points: that of most of its characters. */
  readonly size: number
  /** pdf.js' name of the font that all its characters have; empty when they differ. */
  readonly font: string
}

export interface PageLines {
  readonly text: string
  readonly lines: readonly Line[]
  readonly layout: PageLayout
}

export interface Viewport {
  readonly transform: readonly number[]
  readonly width: number
  readonly height: number
}

interface Box {
  readonly text: string
  readonly x: number
  /** Upper edge. */
  readonly y: number
  readonly width: number
  readonly height: number
  readonly size: number
  readonly font: string
}

export function pageLines(items: readonly unknown[], viewport: Viewport): PageLines {
  const rows = rowsOf(items, viewport)
  const spacing = usualSpacing(rows)
  let text = ''
  const lines: Line[] = []
  const placed: (readonly [number, number, number, number, number, number])[] = []
  let previous: Row | undefined
  for (const row of rows) {
    if (previous !== undefined) {
      if (isHyphenated(text, row)) {
        text = text.slice(0, -1)
        const last = placed.at(-1)
        if (last !== undefined && last[1] > text.length)
          placed[placed.length - 1] = [last[0], text.length, last[2], last[3], last[4], last[5]]
        const line = lines.at(-1)
        if (line !== undefined) lines[lines.length - 1] = { ...line, end: text.length }
      } else text += isNewParagraph(previous, row, spacing) ? '\n\n' : '\n'
    }
    const start = text.length
    for (const box of row.boxes) {
      const from = text.length
      text += box.text
      const inner = box.text.trim()
      if (inner === '') continue
      const at = from + box.text.indexOf(inner)
      placed.push([at, at + inner.length, round(box.x), round(box.y), round(box.width), round(box.height)])
    }
    text = text.trimEnd()
    if (text.length > start) lines.push({ start, end: text.length, size: row.size, font: row.font })
    previous = row
  }
  const { width, height } = viewport
  return { text, lines, layout: { width: round(width), height: round(height), items: placed } }
}

interface Row {
  readonly boxes: readonly Box[]
  readonly text: string
  readonly x: number
  readonly y: number
  readonly size: number
  readonly font: string
}

function rowsOf(items: readonly unknown[], viewport: Viewport): Row[] {
  const rows: Row[] = []
  let boxes: Box[] = []
  const close = () => {
    const row = rowOf(boxes)
    if (row !== null) rows.push(row)
    boxes = []
  }
  for (const item of items) {
    if (!isTextItem(item)) continue
    // A soft hyphen at a line's end is a hyphen here (isHyphenated); cleaning takes the others away.
    const text = cleanText(item.str.replace(/\u00ad$/, '\u2010')).replace(/\s+/g, ' ')
    if (text !== '') boxes.push(boxOf(item, text, viewport))
    if (item.hasEOL) close()
  }
  close()
  return rows
}

function rowOf(boxes: readonly Box[]): Row | null {
  const seen = boxes.filter((box) => box.text.trim() !== '')
  const first = seen[0]
  if (first === undefined) return null
  const sizes = new Map<number, number>()
  for (const box of seen) sizes.set(box.size, (sizes.get(box.size) ?? 0) + box.text.length)
  const [size] = [...sizes].reduce((best, entry) => (entry[1] > best[1] ? entry : best))
  const from = boxes.indexOf(first)
  return {
    boxes: boxes.slice(from),
    text: boxes
      .map((box) => box.text)
      .join('')
      .trim(),
    x: first.x,
    y: Math.max(...seen.map((box) => box.y + box.height)),
    size,
    font: seen.every((box) => box.font === first.font) ? first.font : '',
  }
}

function boxOf(item: TextItem, text: string, viewport: Viewport): Box {
  const [a, b, c, d, e, f] = multiply(viewport.transform, item.transform)
  const size = Math.hypot(c, d)
  const height = item.height > 0 ? item.height : size
  const [x, y, width, tall] =
    Math.abs(b) > Math.abs(a)
      ? // Text that runs up or down the page.
        [e - (b < 0 ? size : 0), b < 0 ? f - item.width : f, size, item.width]
      : [a < 0 ? e - item.width : e, f - height, item.width, height]
  return { text, x, y, width, height: tall, size: Math.round(size * 2) / 2, font: item.fontName }
}

/** Affine maps as PDF writes them: first `n`, then `m`. */
function multiply(
  m: readonly number[],
  n: readonly number[],
): readonly [number, number, number, number, number, number] {
  const [ma = 1, mb = 0, mc = 0, md = 1, me = 0, mf = 0] = m
  const [na = 1, nb = 0, nc = 0, nd = 1, ne = 0, nf = 0] = n
  return [
    ma * na + mc * nb,
    mb * na + md * nb,
    ma * nc + mc * nd,
    mb * nc + md * nd,
    ma * ne + mc * nf + me,
    mb * ne + md * nf + mf,
  ]
}

/** The distance between lines that most pairs of neighbours have, as a multiple of their size. */
function usualSpacing(rows: readonly Row[]): number {
  const distances: number[] = []
  for (let i = 1; i < rows.length; i++) {
    const above = rows[i - 1]
    const below = rows[i]
    if (above === undefined || below === undefined || above.size !== below.size || below.size === 0) continue
    const distance = (below.y - above.y) / below.size
    if (distance > 0.5 && distance < 4) distances.push(distance)
  }
  distances.sort((a, b) => a - b)
  return distances[Math.floor(distances.length / 2)] ?? 1.2
}

function isNewParagraph(above: Row, below: Row, spacing: number): boolean {
  if (Math.abs(above.size - below.size) > 1) return true
  const distance = (below.y - above.y) / Math.max(below.size, 1)
  // Upwards: the next column. On one line: cells of a table, which stay together.
  if (distance < -0.5) return true
  if (distance > spacing * 1.3) return true
  // An indented first line, after a line that ends a sentence.
  return (
    below.x > above.x + below.size * 0.8 && below.x < above.x + below.size * 4 && /[.!?:”"]$/.test(above.text)
  )
}

function isHyphenated(text: string, next: Row): boolean {
  return /\p{Ll}[-\u2010]$/u.test(text) && /^\p{Ll}/u.test(next.text)
}

function isTextItem(item: unknown): item is TextItem {
  return typeof item === 'object' && item !== null && 'str' in item && 'transform' in item
}

const round = (x: number) => Math.round(x * 10) / 10
