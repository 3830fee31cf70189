// A manual's page becomes documents, one a section, each without its own heading: that is the question.
import { load } from 'cheerio'
import { readHtml } from '../../../api/src/ingest/parse/html.ts'
import type { Heading, Source } from './sources.ts'

export interface Section {
  readonly id: string
  /** The source and the chapter; never the section's own heading. */
  readonly title: string
  readonly text: string
  /** Null where the heading is no question. */
  readonly question: string | null
}

/** What stands around a page's text, and tables of contents, which are nothing but headings. */
const FURNITURE =
  '.navheader, .navfooter, .headerlink, .toc, .contents, .sphinxsidebar, .related, .footer, .indexterm, nav, hr ~ table'
/** Shorter ones are no answers: they point elsewhere. */
const LEAST_WORDS = 20
const NUMBER = /^(?:(?:Chapter )?\d+(?:\.\d+)*\.?|[A-Z]\d+\.|Appendix [A-Z]\.)\s+/

interface Open {
  readonly heading: Heading
  readonly chapter: string
  readonly question: boolean
  readonly lines: string[]
}

/** @param taken ids of documents before it; its own are added */
export function sectionsOf(html: string, source: Source, taken: Set<string>): Section[] {
  const sections: Section[] = []
  let chapter = ''
  let open: Open | undefined
  const close = () => {
    const section = open === undefined ? undefined : finish(open, source, taken)
    if (section !== undefined) sections.push(section)
    open = undefined
  }
  for (const { text, level, tight } of readHtml(withoutFurniture(html)).blocks) {
    if (level === undefined) {
      open?.lines.push(`${tight ? '\n' : '\n\n'}${text}`)
      continue
    }
    const heading = { level, text: text.replace(NUMBER, '') }
    const question = source.asks?.(heading) ?? false
    // What an answer is divided into stays in it.
    if (open?.question && level > open.heading.level && !question) {
      open.lines.push(`\n\n${heading.text}`)
      continue
    }
    close()
    if (level === 1) chapter = heading.text
    open = { heading, chapter, question, lines: [] }
  }
  close()
  return sections
}

function withoutFurniture(html: string): string {
  const $ = load(html)
  $(FURNITURE).remove()
  // Cross references repeat the heading of the section they lead to: another document would hold its question.
  $('a[href]')
    .not(':header a')
    .each((_, link) => {
      if ($(link).text().includes('?')) $(link).remove()
    })
  return $.html()
}

function finish(
  { heading, chapter, question, lines }: Open,
  source: Source,
  taken: Set<string>,
): Section | undefined {
  const text = lines.join('').trim()
  if (text.split(/\s+/).length < LEAST_WORDS || source.withoutChapters?.test(chapter)) return undefined
  return {
    id: freeId(`${source.name}/${slug(heading.text)}`, taken),
    title: chapter === source.title || chapter === '' ? source.title : `${source.title}: ${chapter}`,
    text,
    question: question ? heading.text : null,
  }
}

function slug(heading: string): string {
  const words = heading.toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? ['section']
  return words.slice(0, 8).join('-')
}

function freeId(wanted: string, taken: Set<string>): string {
  let id = wanted
  for (let n = 2; taken.has(id); n++) id = `${wanted}-${n}`
  taken.add(id)
  return id
}
