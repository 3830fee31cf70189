// Markdown: read by marked's lexer into blocks of plain text, without the marks; headings keep their level.
import { lexer, type MarkedToken, type Token } from 'marked'
import { type Block, SlicedText } from './blocks.ts'
import { decodeText } from './charset.ts'
import { readHtml } from './html.ts'
import { type ParsedDocument, ParseFailure } from './port.ts'

export function parseMarkdown(bytes: Buffer): ParsedDocument {
  const { body, title } = frontMatter(decodeText(bytes))
  const slices = new SlicedText(bytes.length)
  for (const block of blocksOf(lexer(body))) slices.add(block)
  const pages = slices.finish()
  if (pages.length === 0) throw new ParseFailure('FILE_EMPTY')
  return { kind: 'markdown', title, pages }
}

/** The YAML some tools put on top: only its title is for readers. */
function frontMatter(text: string): { body: string; title: string | null } {
  const match = /^---\n([\s\S]{0,20000}?)\n(?:---|\.\.\.)\n/.exec(text)
  if (match === null) return { body: text, title: null }
  const title = /^title:[ \t]*(?:"([^"\n]+)"|'([^'\n]+)'|([^\n]+))$/m.exec(match[1] ?? '')
  return {
    body: text.slice(match[0].length),
    title: (title?.[1] ?? title?.[2] ?? title?.[3])?.trim() ?? null,
  }
}

function* blocksOf(tokens: readonly Token[], tight = false): Generator<Block> {
  for (const token of tokens as readonly MarkedToken[])
    switch (token.type) {
      case 'heading':
        yield { text: inline(token.tokens).replace(/\s+/g, ' '), level: token.depth }
        break
      case 'paragraph':
      case 'text':
        yield { text: inline(token.tokens ?? [token]), tight }
        break
      case 'code':
        yield { text: token.text }
        break
      case 'blockquote':
        yield* blocksOf(token.tokens)
        break
      case 'list':
        for (const [i, item] of token.items.entries()) {
          const mark = token.ordered ? `${Number(token.start || 1) + i}. ` : '- '
          let first = true
          for (const block of blocksOf(item.tokens, true)) {
            yield first ? { ...block, text: mark + block.text, tight: i > 0 || tight } : block
            first = false
          }
        }
        break
      case 'table':
        for (const row of [token.header, ...token.rows])
          yield { text: row.map((cell) => inline(cell.tokens)).join(' | '), tight: row !== token.header }
        break
      case 'html':
        yield* readHtml(token.text).blocks
        break
      default:
        break
    }
}

function inline(tokens: readonly Token[]): string {
  let text = ''
  for (const token of tokens as readonly MarkedToken[])
    switch (token.type) {
      case 'br':
        text += '\n'
        break
      case 'html':
        text += /^<br\b/i.test(token.text) ? '\n' : ''
        break
      case 'image':
        text += token.text
        break
      case 'codespan':
      case 'escape':
        text += token.text
        break
      default:
        text +=
          'tokens' in token && token.tokens !== undefined
            ? inline(token.tokens)
            : 'text' in token
              ? unescaped(token.text)
              : ''
    }
  return text
}

/** marked leaves character references in plain text as they are written. */
function unescaped(text: string): string {
  if (!text.includes('&')) return text
  return text
    .replace(/&#(?:x([0-9a-f]{1,6})|(\d{1,7}));/gi, (whole, hex?: string, decimal?: string) => {
      const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16)
      return code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000)
        ? String.fromCodePoint(code)
        : whole
    })
    .replace(/&(amp|lt|gt|quot|apos|nbsp);/g, (_, name: string) => NAMED[name] ?? '')
}

const NAMED: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: ' ',
}
