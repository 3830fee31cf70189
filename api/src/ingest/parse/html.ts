// HTML: what a reader would read, as blocks. Scripts, styles, navigation and hidden things are left out; a table's
// rows become lines with ` | ` between cells. The tree is walked with a stack of its own: a file may nest a hundred
// thousand elements, and that must cost memory, not the process.
import { load } from 'cheerio'
import type { AnyNode, Element } from 'domhandler'
import { type Block, SlicedText } from './blocks.ts'
import { decodeText } from './charset.ts'
import { type ParsedDocument, ParseFailure } from './port.ts'

const SKIPPED = new Set(
  'script style noscript template nav iframe object embed svg math canvas audio video head dialog select button'.split(
    ' ',
  ),
)
const BLOCKS = new Set(
  (
    'address article aside blockquote body caption center dd details div dl dt fieldset figcaption figure footer form ' +
    'h1 h2 h3 h4 h5 h6 header hgroup hr html legend li main menu ol p pre search section summary table tbody td tfoot ' +
    'th thead tr ul'
  ).split(' '),
)

export function parseHtml(bytes: Buffer): ParsedDocument {
  const head = bytes.subarray(0, 4096).toString('latin1')
  const declared =
    /<meta[^>]+charset\s*=\s*["']?\s*([\w:-]+)/i.exec(head)?.[1] ??
    /<\?xml[^>]+encoding=["']([\w-]+)/i.exec(head)?.[1]
  const { title, blocks } = readHtml(decodeText(bytes, declared))
  const slices = new SlicedText(bytes.length)
  for (const block of blocks) slices.add(block)
  const pages = slices.finish()
  if (pages.length === 0) throw new ParseFailure('FILE_EMPTY')
  return { kind: 'html', title, pages }
}

export function readHtml(html: string): { title: string | null; blocks: Block[] } {
  const $ = load(isDeep(html) ? flattened(html) : html)
  const title = $('head > title').first().text().replace(/\s+/g, ' ').trim()
  const walker = new Walker()
  walker.walk($.root().contents().toArray())
  return { title: title === '' ? null : title, blocks: walker.blocks }
}

/** HTML parsers take a time that grows with depth times length: deeper than this is either broken or meant to hurt. */
const DEEP = 2_000
/** Elements that are closed by what follows them, or never: old pages leave out their end tags. */
const OPEN_ENDED = new Set(
  'p li dt dd tr td th option area base br col embed hr img input link meta source track wbr'.split(' '),
)
const TAG = /<(\/?)([a-z][a-z0-9-]{0,30})\b[^<>]*>/gi

function isDeep(html: string): boolean {
  let depth = 0
  for (const [, close, name = ''] of html.matchAll(TAG)) {
    if (OPEN_ENDED.has(name.toLowerCase())) continue
    depth += close ? -1 : 1
    if (depth > DEEP) return true
  }
  return false
}

/** The same text with nothing inside of anything: blocks become paragraphs, other elements vanish. One pass. */
function flattened(html: string): string {
  const kept: string[] = []
  const unclosed = new Set<string>()
  let from = 0
  for (const tag of html.matchAll(TAG)) {
    if (tag.index < from) continue
    const name = tag[2]?.toLowerCase() ?? ''
    kept.push(html.slice(from, tag.index))
    from = tag.index + tag[0].length
    if (BLOCKS.has(name)) kept.push('<p>')
    else if (SKIPPED.has(name) && !tag[1] && !unclosed.has(name)) {
      const end = html.indexOf(`</${tag[2]}`, from)
      if (end >= 0) from = end
      else unclosed.add(name)
    }
  }
  kept.push(html.slice(from))
  return kept.join('')
}

/** `leave` undoes what entering an element did. */
type Step = { readonly node: AnyNode } | { readonly leave: Element }

class Walker {
  readonly blocks: Block[] = []
  #text = ''
  /** Whether #text ends with a space or is empty; asking the text itself would go through all of it for every piece. */
  #spaced = true
  #tight = false
  #level: number | undefined
  #preformatted = 0
  /** Items so far of each list that is open, outermost first. */
  readonly #lists: { readonly ordered: boolean; items: number }[] = []
  /** Whether the next row is its table's first. */
  #firstRow = true
  /** Inside a row: cells are joined, and blocks inside of a cell do not end the row. */
  #row = 0

  walk(roots: readonly AnyNode[]): void {
    const stack: Step[] = roots.map((node) => ({ node })).reverse()
    for (let step = stack.pop(); step !== undefined; step = stack.pop()) {
      if ('leave' in step) {
        this.#leave(step.leave)
        continue
      }
      const { node } = step
      if (node.type === 'text') this.#append(node.data)
      else if (node.type === 'tag' || node.type === 'root') {
        if (node.type === 'tag') {
          if (isHidden(node)) continue
          this.#enter(node)
          stack.push({ leave: node })
        }
        for (let i = node.children.length - 1; i >= 0; i--) {
          const child = node.children[i]
          if (child !== undefined) stack.push({ node: child })
        }
      }
    }
    this.#flush()
  }

  #enter(element: Element): void {
    const name = element.name
    if (name === 'br') this.#put('\n')
    else if (name === 'img') {
      const alt = element.attribs.alt?.trim()
      if (alt) this.#append(` ${alt} `)
    } else if ((name === 'td' || name === 'th') && this.#row > 0) {
      if (this.#text.trim() !== '') {
        this.#text = this.#text.trimEnd()
        this.#put(' | ')
      }
    } else if (BLOCKS.has(name)) {
      if (this.#row > 0) this.#append(' ')
      else this.#flush()
      if (name === 'pre') this.#preformatted++
      if (name === 'ul' || name === 'ol') this.#lists.push({ ordered: name === 'ol', items: 0 })
      if (name === 'table') this.#firstRow = true
      if (name === 'dd') this.#tight = true
      if (name === 'tr' && this.#row++ === 0) {
        this.#tight = !this.#firstRow
        this.#firstRow = false
      }
      if (name === 'li' && this.#row === 0) this.#beginItem()
      const level = /^h([1-6])$/.exec(name)?.[1]
      if (level !== undefined && this.#row === 0) this.#level = Number(level)
    }
  }

  #beginItem(): void {
    const list = this.#lists.at(-1)
    if (list === undefined) return
    list.items++
    this.#tight = list.items > 1 || this.#lists.length > 1
    this.#text = ''
    this.#put(list.ordered ? `${list.items}. ` : '- ')
  }

  #leave(element: Element): void {
    const name = element.name
    if (!BLOCKS.has(name)) return
    if (name === 'ul' || name === 'ol') this.#lists.pop()
    if (name === 'tr') this.#row = Math.max(0, this.#row - 1)
    if (this.#row > 0) {
      this.#append(' ')
    } else this.#flush()
    if (name === 'pre') this.#preformatted--
  }

  #append(text: string): void {
    if (this.#preformatted > 0 && this.#row === 0) {
      this.#put(text)
      return
    }
    const flat = text.replace(/[ \t\n\r]+/g, ' ')
    this.#put(this.#spaced ? flat.trimStart() : flat)
  }

  #put(piece: string): void {
    if (piece === '') return
    this.#text += piece
    this.#spaced = /\s/.test(piece.at(-1) ?? '')
  }

  #flush(): void {
    const level = this.#level
    const text = level === undefined ? this.#text : this.#text.replace(/\s+/g, ' ')
    // A list item's mark alone: its text is in a block of its own, which follows.
    if (/^(?:-|\d+\.) ?$/.test(text)) return
    if (text.trim() !== '')
      this.blocks.push({
        text: this.#preformatted > 0 ? text.replace(/^\n+|\s+$/g, '') : text.trim(),
        ...(level === undefined ? {} : { level }),
        ...(this.#tight && level === undefined ? { tight: true } : {}),
      })
    this.#text = ''
    this.#spaced = true
    this.#tight = false
    this.#level = undefined
  }
}

function isHidden(element: Element): boolean {
  const { attribs, name } = element
  return (
    SKIPPED.has(name) ||
    attribs.hidden !== undefined ||
    attribs['aria-hidden'] === 'true' ||
    attribs.role === 'navigation' ||
    /display\s*:\s*none/i.test(attribs.style ?? '')
  )
}
