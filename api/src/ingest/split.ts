// Pages become passages: by heading, then paragraph, then sentence, of about the same length, without overlap, never over
// a page's end. A passage is a range of its page's text, so a citation can always be shown where it stands.
// What is embedded and indexed with it is "title > section path", measured to be worth more than overlap.
import { fittingHeadings, headingText, type SectionPath, sectionPath } from './headings.ts'
import type { ParsedPage, Range } from './parse/port.ts'
import { DEFAULT_PASSAGE_TOKENS } from './reading.ts'
import { sentences } from './sentences.ts'

export interface SplitOptions {
  /** The document's title, first part of every heading. */
  readonly title: string
  readonly language: string
  /** Tokens that a passage should have. Default 200. */
  readonly passageTokens?: number
  /** Tokens of a text as the embedder counts them. */
  readonly countTokens: (text: string) => number
  /** Called after each page. */
  readonly onPage?: () => void
}

export interface Passage extends Range {
  readonly page: number
  readonly heading: string
  /** Of the passage's text. */
  readonly tokens: number
}

/**
 * Of the tokens that a passage should have: at most this many with a joined remainder. Of the longest, 320, it is 448: the
 * models read 512, heading and special tokens included.
 */
const MOST = 1.4
/** A last piece smaller than this share is joined to the one before it, when that has room. */
const LEAST = 0.3
/** Below this share a passage takes the beginning of a paragraph that does not fit as a whole. */
const FULL_ENOUGH = 0.6

const targetOf = ({ passageTokens }: SplitOptions) => passageTokens ?? DEFAULT_PASSAGE_TOKENS

interface Piece extends Range {
  readonly tokens: number
}
interface Draft {
  page: number
  start: number
  end: number
  tokens: number
  path: SectionPath
}

export function splitPages(pages: readonly ParsedPage[], options: SplitOptions): Passage[] {
  const drafts: Draft[] = []
  let left = 0
  let path: SectionPath = []
  pages.forEach((page, index) => {
    for (const part of partsOf(page)) {
      if (part.kind === 'furniture' || (part.kind === 'heading' && part.followed))
        left += options.countTokens(page.text.slice(part.start, part.end))
      if (part.kind === 'furniture') continue
      if (part.kind === 'heading') {
        path = sectionPath(path, part.level, page.text.slice(part.start, part.end))
        // A heading that no text follows would be found nowhere: then it is a passage itself.
        if (!part.followed) drafts.push(...sectionDrafts(page, index + 1, part, path.slice(0, -1), options))
      } else drafts.push(...sectionDrafts(page, index + 1, part, path, options))
    }
    options.onPage?.()
  })
  // Nothing but lines that repeat: then they are all the content there is.
  if (drafts.length === 0 && pages.some((page) => page.furniture.length > 0))
    return splitPages(
      pages.map((page) => ({ ...page, furniture: [] })),
      options,
    )
  const full = drafts.map((draft) => ({ ...draft, heading: headingText(options.title, draft.path) }))
  const tokens = drafts.reduce((sum, draft) => sum + draft.tokens, left)
  const headings = fittingHeadings(full, tokens, options)
  return drafts.map(({ page, start, end, tokens }, i) => ({
    page,
    start,
    end,
    tokens,
    heading: headings[i] ?? '',
  }))
}

type Part =
  | (Range & { readonly kind: 'body' | 'furniture' })
  | (Range & { readonly kind: 'heading'; readonly level: number; readonly followed: boolean })

/** Headings, furniture and the stretches between them. */
function partsOf(page: ParsedPage): Part[] {
  const cuts = [
    ...page.headings.map((heading) => ({ ...heading, kind: 'heading' as const })),
    ...page.furniture.map((range) => ({ ...range, kind: 'furniture' as const })),
  ].sort((a, b) => a.start - b.start)
  const parts: Part[] = []
  let from = 0
  const body = (to: number) => {
    if (page.text.slice(from, to).trim() !== '') parts.push({ kind: 'body', start: from, end: to })
  }
  for (const cut of cuts) {
    body(cut.start)
    const { start, end } = cut
    if (cut.kind === 'heading') parts.push({ kind: 'heading', level: cut.level, start, end, followed: false })
    else parts.push({ kind: 'furniture', start, end })
    from = cut.end
  }
  body(page.text.length)
  // The last heading of a page may be followed on the next one: it is kept as text here all the same.
  return parts.map((part, i) =>
    part.kind === 'heading' ? { ...part, followed: leadsToBody(parts, i, part.level) } : part,
  )
}

/** Whether text comes before the next heading of the same or a higher rank: then it stands in that text's path. */
function leadsToBody(parts: readonly Part[], at: number, level: number): boolean {
  for (const part of parts.slice(at + 1)) {
    if (part.kind === 'body') return true
    if (part.kind === 'heading' && part.level <= level) return false
  }
  return false
}

function sectionDrafts(
  page: ParsedPage,
  number: number,
  section: Range,
  path: SectionPath,
  options: SplitOptions,
): Draft[] {
  const target = targetOf(options)
  const drafts: Draft[] = []
  let open: Draft | undefined
  const close = () => {
    if (open !== undefined) drafts.push(open)
    open = undefined
  }
  const take = (piece: Piece) => {
    if (open !== undefined && open.tokens + piece.tokens > target) close()
    if (open === undefined)
      open = { page: number, start: piece.start, end: piece.end, tokens: piece.tokens, path }
    else {
      open.end = piece.end
      open.tokens += piece.tokens
    }
  }
  for (const paragraph of paragraphs(page.text, section)) {
    const tokens = options.countTokens(page.text.slice(paragraph.start, paragraph.end))
    const held = open?.tokens ?? 0
    if (held + tokens <= target) take({ ...paragraph, tokens })
    else {
      if (held >= target * FULL_ENOUGH) close()
      for (const piece of piecesOf(page.text, paragraph, options)) take(piece)
    }
  }
  close()
  return joinRemainders(drafts, target)
}

/** A short last piece is no use alone. */
function joinRemainders(drafts: Draft[], target: number): Draft[] {
  const last = drafts.at(-1)
  const before = drafts.at(-2)
  if (last === undefined || before === undefined) return drafts
  if (last.tokens >= target * LEAST || before.tokens + last.tokens > target * MOST) return drafts
  return [...drafts.slice(0, -2), { ...before, end: last.end, tokens: before.tokens + last.tokens }]
}

/** Stretches between empty lines, without the white space around them. */
function paragraphs(text: string, { start, end }: Range): Range[] {
  const found: Range[] = []
  const gap = /\n[^\S\n]*\n\s*/g
  gap.lastIndex = start
  let from = start
  for (let match = gap.exec(text); match !== null && match.index < end; match = gap.exec(text)) {
    found.push({ start: from, end: match.index })
    from = gap.lastIndex
  }
  if (from < end) found.push({ start: from, end })
  return found.map((range) => trimmed(text, range)).filter((range) => range.end > range.start)
}

/** A paragraph's sentences, each at most as long as a passage: a longer one is cut at line ends, then between words. */
function piecesOf(text: string, paragraph: Range, options: SplitOptions): Piece[] {
  const { language, countTokens } = options
  const target = targetOf(options)
  const pieces: Piece[] = []
  const add = (range: Range, cut: ((text: string, range: Range) => Range[])[]) => {
    const clean = trimmed(text, range)
    if (clean.end <= clean.start) return
    const tokens = countTokens(text.slice(clean.start, clean.end))
    const [next, ...rest] = cut
    if (tokens <= target || next === undefined) pieces.push({ ...clean, tokens })
    else for (const part of next(text, clean)) add(part, rest)
  }
  add(paragraph, [
    linesOf,
    (whole, range) => sentences(whole, range, language),
    (whole, range) => wordRuns(whole, range, target, countTokens),
  ])
  return pieces
}

/**
 * Lines, where they are the text's own (rows, code, lists: some end without a full stop and the next begins with
 * something else than a lower-case letter); running text that is only wrapped stays whole.
 */
function linesOf(text: string, range: Range): Range[] {
  const lines: Range[] = []
  let from = range.start
  for (let at = text.indexOf('\n', from); at >= 0 && at < range.end; at = text.indexOf('\n', from)) {
    lines.push({ start: from, end: at })
    from = at + 1
  }
  lines.push({ start: from, end: range.end })
  if (lines.length < 3) return [range]
  const wrapped = lines.filter(
    (line, i) => i > 0 && /^\s*[\p{Ll}(]/u.test(text.slice(line.start, line.end)),
  ).length
  return wrapped > lines.length * 0.25 ? [range] : lines
}

/** Runs of words of at most so many tokens; where there are no spaces, of characters. */
function wordRuns(
  text: string,
  range: Range,
  target: number,
  countTokens: (text: string) => number,
): Range[] {
  const runs: Range[] = []
  let start = range.start
  let tokens = 0
  for (const word of wordsOf(text, range)) {
    const cost = countTokens(text.slice(word.start, word.end))
    if (tokens > 0 && tokens + cost > target) {
      runs.push({ start, end: word.start })
      start = word.start
      tokens = 0
    }
    tokens += cost
  }
  runs.push({ start, end: range.end })
  return runs
}

const LONGEST_WORD = 100

function* wordsOf(text: string, { start, end }: Range): Generator<Range> {
  const words = /\S+\s*/g
  words.lastIndex = start
  for (let match = words.exec(text); match !== null && match.index < end; match = words.exec(text)) {
    const until = Math.min(match.index + match[0].length, end)
    let from = match.index
    while (until - from > LONGEST_WORD) {
      // Never between the halves of a surrogate pair.
      const last = text.charCodeAt(from + LONGEST_WORD - 1)
      const to = from + LONGEST_WORD - (last >= 0xd800 && last < 0xdc00 ? 1 : 0)
      yield { start: from, end: to }
      from = to
    }
    yield { start: from, end: until }
  }
}

function trimmed(text: string, { start, end }: Range): Range {
  let from = start
  let to = end
  while (from < to && isSpace(text.charCodeAt(from))) from++
  while (to > from && isSpace(text.charCodeAt(to - 1))) to--
  return { start: from, end: to }
}

function isSpace(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13) || (code > 127 && /\s/.test(String.fromCharCode(code)))
}
