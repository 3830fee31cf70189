// What a PDF does not say but shows: lines that come back on page after page (running heads, page numbers) and lines
// that are set larger than the body (headings). Both need all pages; neither changes the text.
import type { Line, PageLines } from './pdf-lines.ts'
import type { Heading, ParsedPage, Range } from './port.ts'

/** Lines at a page's edge that may be furniture. */
const EDGE = 2
/** Pages before and after in which a running head must come back. */
const NEAR = 4

export function structure(pages: readonly PageLines[]): ParsedPage[] {
  const furniture = findFurniture(pages)
  const levels = headingLevels(pages, furniture)
  return pages.map((page, i) => {
    const dropped = furniture[i] ?? []
    return {
      text: page.text,
      headings: headingsOf(page, dropped, levels),
      furniture: dropped,
      layout: page.layout,
    }
  })
}

function findFurniture(pages: readonly PageLines[]): Range[][] {
  // Per page: line → its text with numbers made equal, so that "12" and "Page 13 of 90" are found again.
  const edges = pages.map((page) => {
    const found = new Map<string, Line>()
    const { lines } = page
    // A page that has nothing but a few lines has no edge: they may be all its content.
    const top = lines.slice(0, EDGE)
    const bottom = lines.slice(Math.max(EDGE, lines.length - EDGE))
    for (const [where, list] of [
      ['top', top],
      ['bottom', bottom],
    ] as const)
      for (const line of list)
        found.set(`${where} ${normalised(page.text.slice(line.start, line.end))}`, line)
    return found
  })
  return pages.map((_, i) => {
    const dropped: Range[] = []
    for (const [key, line] of edges[i] ?? []) {
      let near = 0
      for (let j = Math.max(0, i - NEAR); j <= i + NEAR && j < edges.length; j++)
        if (j !== i && edges[j]?.has(key)) near++
      if (near >= 2) dropped.push({ start: line.start, end: line.end })
    }
    return dropped.sort((a, b) => a.start - b.start)
  })
}

function normalised(line: string): string {
  return line
    .toLowerCase()
    .replace(/\b(?:\d+|[ivxl]+)\b/g, '#')
    .replace(/[\s.·…|-]+/g, ' ')
    .trim()
}

/** Font size → level, largest first; empty when the document has no clear body size. */
function headingLevels(
  pages: readonly PageLines[],
  furniture: readonly (readonly Range[])[],
): Map<number, number> {
  const characters = new Map<number, number>()
  pages.forEach((page, i) => {
    for (const line of page.lines)
      if (!isIn(furniture[i] ?? [], line))
        characters.set(line.size, (characters.get(line.size) ?? 0) + line.end - line.start)
  })
  const total = [...characters.values()].reduce((sum, n) => sum + n, 0)
  const body = [...characters].reduce((best, entry) => (entry[1] > best[1] ? entry : best), [0, 0])[0]
  const larger = [...characters].filter(([size]) => size >= body * 1.15).sort((a, b) => b[0] - a[0])
  // Large type in quantity is text (slides, posters), not headings.
  if (larger.reduce((sum, [, n]) => sum + n, 0) > total * 0.3) return new Map()
  return new Map(larger.map(([size], i) => [size, Math.min(i + 1, 6)]))
}

function headingsOf(
  page: PageLines,
  dropped: readonly Range[],
  levels: ReadonlyMap<number, number>,
): Heading[] {
  const headings: Heading[] = []
  let open: { start: number; end: number; level: number; size: number } | undefined
  const close = () => {
    if (open === undefined) return
    const text = page.text.slice(open.start, open.end)
    if (text.length <= 200 && /\p{L}{2}/u.test(text))
      headings.push({ start: open.start, end: open.end, level: open.level })
    open = undefined
  }
  for (const line of page.lines) {
    const level = isIn(dropped, line) ? undefined : levels.get(line.size)
    if (open !== undefined && open.size === line.size && level !== undefined) {
      // A heading over two lines.
      open.end = line.end
      continue
    }
    close()
    if (level !== undefined) open = { start: line.start, end: line.end, level, size: line.size }
  }
  close()
  return headings
}

function isIn(ranges: readonly Range[], line: Range): boolean {
  return ranges.some((range) => range.start <= line.start && line.end <= range.end)
}
