// PDF through unpdf's build of pdf.js (no eval in it, and the process forbids it): page after page its text items
// become lines and paragraphs (pdf-lines.ts); what repeats on page after page and what is set larger than the body
// is found at the end (pdf-structure.ts).
import { getDocumentProxy, getResolvedPDFJS } from 'unpdf'
import { type PageLines, pageLines } from './pdf-lines.ts'
import { structure } from './pdf-structure.ts'
import { mostText, type ParsedDocument, ParseFailure } from './port.ts'

/** Fewer characters a page on average: maybe a scan. */
const SPARSE = 20
/** Pages of a sparse document that are looked at for pictures. */
const LOOKED_AT = 3
/** Share of pages that may be unreadable in a file that is still taken. */
const BAD_PAGES = 0.1
/** Pages asked for at once: pdf.js waits for its own messages between one and the next. */
const AHEAD = 3

const NO_PAGE: PageLines = { text: '', lines: [], layout: { width: 0, height: 0, items: [] } }

type Pdf = Awaited<ReturnType<typeof getDocumentProxy>>
type Page = Awaited<ReturnType<Pdf['getPage']>>

export async function parsePdf(
  bytes: Buffer,
  onPages: (pages: number, total: number) => void,
): Promise<ParsedDocument> {
  // pdf.js mends a file that was cut off as well as it can: silently without its last pages. Better to say so.
  if (!bytes.subarray(-64 * 1024).includes('%%EOF')) throw new ParseFailure('FILE_DAMAGED')
  const most = mostText(bytes.length)
  const pdf = await open(bytes)
  try {
    const pages: PageLines[] = []
    let length = 0
    let bad = 0
    const ahead: Promise<PageLines>[] = []
    for (let number = 1; number <= pdf.numPages; number++) {
      for (let next = number + ahead.length; ahead.length < AHEAD && next <= pdf.numPages; next++) {
        const page = readPage(pdf, next)
        page.catch(() => {})
        ahead.push(page)
      }
      try {
        pages.push((await ahead.shift()) ?? NO_PAGE)
      } catch (error) {
        if (++bad > pdf.numPages * BAD_PAGES) throw new ParseFailure('FILE_DAMAGED', { page: number }, error)
        pages.push(NO_PAGE)
      }
      length += pages.at(-1)?.text.length ?? 0
      if (length > most) throw new ParseFailure('FILE_TOO_COMPLEX')
      onPages(number, pdf.numPages)
    }
    const characters = pages.reduce((sum, page) => sum + page.text.replace(/\s+/g, '').length, 0)
    if (characters === 0 || (characters < SPARSE * pages.length && (await hasPictures(pdf, pages))))
      throw new ParseFailure('FILE_NO_TEXT')
    return { kind: 'pdf', title: await titleOf(pdf), pages: structure(pages) }
  } finally {
    await pdf.loadingTask.destroy()
  }
}

async function open(bytes: Buffer): Promise<Pdf> {
  try {
    // pdf.js takes the array for its own and refuses a Buffer; this is a view, not a copy.
    const data = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    return await getDocumentProxy(data, { verbosity: 0, stopAtErrors: false, useSystemFonts: false })
  } catch (error) {
    if (error instanceof Error && error.name === 'PasswordException') throw new ParseFailure('FILE_ENCRYPTED')
    throw new ParseFailure('FILE_DAMAGED', {}, error)
  }
}

async function readPage(pdf: Pdf, number: number): Promise<PageLines> {
  const page = await pdf.getPage(number)
  try {
    const { transform, width, height } = page.getViewport({ scale: 1 })
    const { items } = await page.getTextContent()
    return pageLines(items, { transform, width, height })
  } finally {
    page.cleanup()
  }
}

/** Whether the emptiest pages draw pictures: then what is missing is text recognition, not text. */
async function hasPictures(pdf: Pdf, pages: readonly PageLines[]): Promise<boolean> {
  const { OPS } = await getResolvedPDFJS()
  const drawing = new Set([OPS.paintImageXObject, OPS.paintInlineImageXObject, OPS.paintImageMaskXObject])
  const emptiest = pages
    .map((page, i) => ({ number: i + 1, length: page.text.length }))
    .sort((a, b) => a.length - b.length)
    .slice(0, LOOKED_AT)
  for (const { number } of emptiest) {
    const page: Page = await pdf.getPage(number)
    try {
      const { fnArray } = await page.getOperatorList()
      if (fnArray.some((operation) => drawing.has(operation))) return true
    } catch {
      // a page that can't be drawn tells nothing
    } finally {
      page.cleanup()
    }
  }
  return false
}

async function titleOf(pdf: Pdf): Promise<string | null> {
  try {
    const { info } = await pdf.getMetadata()
    const title = 'Title' in info && typeof info.Title === 'string' ? info.Title.trim() : ''
    return title === '' ? null : title
  } catch {
    return null
  }
}
