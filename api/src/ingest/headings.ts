// The heading of a passage: "title > section path". It is embedded and indexed with the passage, so it must be short:
// what is embedded of a document may have at most a tenth more tokens than the document, whatever its sections are
// called and however short they are.
import type { SplitOptions } from './split.ts'

/** Headings from the document's highest level down to the passage's own section. */
export type SectionPath = readonly { readonly level: number; readonly text: string }[]

/** Tokens of one heading at most. */
const LONGEST = 32
/** Embedded tokens for each of the document's. */
const BUDGET = 1.1
/** Short documents cost little anyway: below this many tokens a heading may always have SHORT_DOCUMENT_HEADING. */
const SHORT_DOCUMENT = 2_000
const SHORT_DOCUMENT_HEADING = 16
/** [CLS] and [SEP]. */
const SPECIAL = 2

/** The path after a heading: it replaces those of its rank and below. */
export function sectionPath(path: SectionPath, level: number, text: string): SectionPath {
  return [...path.filter((section) => section.level < level), { level, text: oneLine(text) }]
}

export interface Heading {
  /** The title, then the sections. */
  readonly parts: readonly string[]
}

/** Without repetitions: a document's first heading is mostly its title again. */
export function headingText(title: string, path: SectionPath): Heading {
  const parts: string[] = []
  for (const part of [oneLine(title), ...path.map((section) => section.text)])
    if (part !== '' && part.toLowerCase() !== parts.at(-1)?.toLowerCase()) parts.push(part)
  return { parts }
}

/**
 * The headings as they are stored: as long as the document's budget allows, the same for all its passages.
 * @param documentTokens of all its text, of which passages leave out headings and furniture
 */
export function fittingHeadings(
  passages: readonly { readonly heading: Heading; readonly tokens: number }[],
  documentTokens: number,
  { countTokens }: Pick<SplitOptions, 'countTokens'>,
): string[] {
  const bare = passages.reduce((sum, { tokens }) => sum + tokens + SPECIAL, 0)
  const made = new Map<string, string>()
  for (const longest of [LONGEST, 28, 24, 21, 18, 16, 14, 12, 10, 8, 6, 5]) {
    made.clear()
    let spent = 0
    const headings = passages.map(({ heading }) => {
      const key = heading.parts.join('\n')
      let text = made.get(key)
      if (text === undefined) {
        text = shorten(heading.parts, longest, countTokens)
        made.set(key, text)
      }
      spent += countTokens(text)
      return text
    })
    const short = documentTokens < SHORT_DOCUMENT && longest <= SHORT_DOCUMENT_HEADING
    // Where passages are tiny (a list of one-liners) context is worth more than the budget: five tokens stay.
    if (bare + spent <= documentTokens * BUDGET || short || longest === 5) return headings
  }
  return passages.map(() => '')
}

/** The section itself says most, then the title, then the nearest sections in between. */
function shorten(parts: readonly string[], longest: number, countTokens: (text: string) => number): string {
  const title = parts[0] ?? ''
  const sections = parts.slice(1)
  const last = sections.at(-1)
  for (let kept = sections.length; kept > 0; kept--) {
    const text = [title, ...sections.slice(-kept)].join(' > ')
    if (countTokens(text) <= longest) return text
  }
  if (last === undefined) return cut(title, longest, countTokens)
  const own = countTokens(last)
  if (own + 3 >= longest) return cut(last, longest, countTokens)
  const before = cut(title, longest - own - 1, countTokens)
  return before === '' ? last : `${before} > ${last}`
}

/** Whole words from the beginning. */
function cut(text: string, longest: number, countTokens: (text: string) => number): string {
  let kept = ''
  for (const word of text.split(' ')) {
    const next = kept === '' ? word : `${kept} ${word}`
    if (countTokens(next) > longest) break
    kept = next
  }
  return kept
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim()
}

/** Titles that programs write when nobody gave one. */
const NO_TITLE =
  /^(?:untitled|title|document\d*|microsoft (?:word|powerpoint|excel) - .*|.*\.(?:docx?|indd|dvi|tex|fm|qxd|pdf|pptx?))$/i

/** The document's own title when it has a usable one, else the file's name made readable. */
export function documentTitle(own: string | null, filename: string): string {
  const title = oneLine(own ?? '')
  if (title.length >= 3 && title.length <= 200 && /\p{L}{2}/u.test(title) && !NO_TITLE.test(title))
    return title
  return oneLine(filename.replace(/\.[a-z0-9]{1,8}$/i, '').replace(/[_]+|(?<=\p{L})-(?=\p{L})/gu, ' '))
}
