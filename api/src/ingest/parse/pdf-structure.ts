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
  const body = bodyOf(pages, furniture)
  return pages.map((page, i) => {
    const dropped = furniture[i] ?? []
    return {
      text: page.text,
      headings: headingsOf(page, dropped, body),
      furniture: dropped,
      layout: page.layout,
    }
  })
}

function findFurniture(pages: readonly PageLines[]): Range[][] {
  const repeated = repeatedLines(pages)
  const numbered = numberedLines(pages)
  return pages.map((_, i) =>
    [...new Set([...(repeated[i] ?? []), ...(numbered[i] ?? [])])]
      .map(({ start, end }) => ({ start, end }))
      .sort((a, b) => a.start - b.start),
  )
}

function repeatedLines(pages: readonly PageLines[]): Line[][] {
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
  return pages.map((_, i) =>
    [...(edges[i] ?? [])].flatMap(([key, line]) => {
      let near = 0
      for (let j = Math.max(0, i - NEAR); j <= i + NEAR && j < edges.length; j++)
        if (j !== i && edges[j]?.has(key)) near++
      return near >= 2 ? [line] : []
    }),
  )
}

/**
 * A first or last line that begins or ends with the page's number ("16 Chapter 3", "3.3 The maintainer 15"): the
 * number is found as the one that is the same distance from the page's place on many pages.
 */
function numberedLines(pages: readonly PageLines[]): Line[][] {
  const offsets = new Map<number, number>()
  const candidates = pages.map((page, i) => {
    const ends = [page.lines[0], page.lines.length > 1 ? page.lines.at(-1) : undefined]
    return ends.flatMap((line) => {
      if (line === undefined) return []
      const text = page.text.slice(line.start, line.end)
      const numbers = [/^(\d{1,5})(?![\d.])/.exec(text)?.[1], /(?<![\d.])(\d{1,5})$/.exec(text)?.[1]]
      const found = new Set(numbers.flatMap((number) => (number === undefined ? [] : [Number(number) - i])))
      for (const offset of found) offsets.set(offset, (offsets.get(offset) ?? 0) + 1)
      return [{ line, offsets: found }]
    })
  })
  const [offset, count] = [...offsets].reduce((best, entry) => (entry[1] > best[1] ? entry : best), [0, 0])
  if (count < Math.max(3, pages.length * 0.3)) return []
  return candidates.map((lines) =>
    lines.flatMap(({ line, offsets: found }) => (found.has(offset) ? [line] : [])),
  )
}

function normalised(line: string): string {
  return line
    .toLowerCase()
    .replace(/\b(?:\d+|[ivxl]+)\b/g, '#')
    .replace(/[\s.·…|-]+/g, ' ')
    .trim()
}

interface Body {
  readonly font: string
  /** Font size → level of a heading of that size, largest first; empty when large type is no exception. */
  readonly levels: ReadonlyMap<number, number>
}

function bodyOf(pages: readonly PageLines[], furniture: readonly (readonly Range[])[]): Body {
  const sizes = new Map<number, number>()
  const fonts = new Map<string, number>()
  pages.forEach((page, i) => {
    for (const line of page.lines) {
      if (isIn(furniture[i] ?? [], line)) continue
      sizes.set(line.size, (sizes.get(line.size) ?? 0) + line.end - line.start)
      fonts.set(line.font, (fonts.get(line.font) ?? 0) + line.end - line.start)
    }
  })
  const total = [...sizes.values()].reduce((sum, n) => sum + n, 0)
  const body = mostFrequent(sizes) ?? 0
  const larger = [...sizes].filter(([size]) => size >= body * 1.15).sort((a, b) => b[0] - a[0])
  // Large type in quantity is text (slides, posters), not headings.
  const exceptional = larger.reduce((sum, [, n]) => sum + n, 0) <= total * 0.3
  return {
    font: mostFrequent(fonts) ?? '',
    levels: new Map(exceptional ? larger.map(([size], i) => [size, Math.min(i + 1, 6)]) : []),
  }
}

function mostFrequent<T>(counts: ReadonlyMap<T, number>): T | undefined {
  let best: T | undefined
  for (const [value, count] of counts) if (best === undefined || count > (counts.get(best) ?? 0)) best = value
  return best
}

function headingsOf(page: PageLines, dropped: readonly Range[], body: Body): Heading[] {
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
    const level = isIn(dropped, line) ? undefined : body.levels.get(line.size)
    if (open !== undefined && open.size === line.size && level !== undefined) {
      // A heading over two lines.
      open.end = line.end
      continue
    }
    close()
    if (level !== undefined) open = { start: line.start, end: line.end, level, size: line.size }
    else if (!isIn(dropped, line)) {
      const numbered = numberedHeading(page.text.slice(line.start, line.end), line, body)
      if (numbered !== null) headings.push({ start: line.start, end: line.end, level: numbered })
    }
  }
  close()
  return headings
}

/** "2.1. Shelf life" in bold: its level by its number, below those told by their size. */
function numberedHeading(text: string, line: Line, body: Body): number | null {
  if (line.font === '' || line.font === body.font) return null
  const number = /^(\d{1,3}(?:\.\d{1,3}){0,4})\.?\s+\p{Lu}\P{Ll}*\p{Ll}/u.exec(text)?.[1]
  if (number === undefined || text.length > 120 || /[.;,]$/.test(text)) return null
  return Math.min(body.levels.size + number.split('.').length, 6)
}

function isIn(ranges: readonly Range[], line: Range): boolean {
  return ranges.some((range) => range.start <= line.start && line.end <= range.end)
}
