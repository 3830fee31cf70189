// DOCX: the zip's parts are read under byte caps (a bomb is told by what really comes out, whatever its directory
// says), only those parts that carry text; mammoth turns them into HTML, which is read like any other.
import { createRequire } from 'node:module'
import type { Readable } from 'node:stream'
import type mammothType from 'mammoth'
import yauzl from 'yauzl'
import { SlicedText } from './blocks.ts'
import { readHtml } from './html.ts'
import { type ParsedDocument, ParseFailure } from './port.ts'

/** Bytes of all parts together, unpacked. Word's own documents of 2,000 pages stay far below. */
const MAX_UNPACKED = 256 * 1024 * 1024
/** Parts below this may be packed as tightly as they like. */
const RATIO_FREE = 8 * 1024 * 1024
/** XML packs about 1:20; 1:200 is no document. */
const MAX_RATIO = 200
const MAX_ENTRIES = 20_000

/** Pictures, fonts and embedded files carry no text and are not unpacked. */
const TEXT_PARTS =
  /^(?:\[Content_Types\]\.xml|_rels\/[^/]+|word\/(?:_rels\/)?[^/]+\.(?:xml|rels)|docProps\/core\.xml)$/

export async function parseDocx(bytes: Buffer): Promise<ParsedDocument> {
  const parts = await readParts(bytes)
  // No producer of DOCX writes a DTD: entities are never expanded because there is nothing that could declare them.
  for (const [name, part] of parts)
    if (part.subarray(0, 4096).includes('<!DOCTYPE') || part.includes('<!ENTITY'))
      throw new ParseFailure('FILE_DAMAGED', { part: name.slice(0, 100) })
  const html = await toHtml(parts)
  const { blocks } = readHtml(html)
  const slices = new SlicedText(bytes.length)
  for (const block of blocks) slices.add(block)
  const pages = slices.finish()
  if (pages.length === 0) throw new ParseFailure('FILE_EMPTY')
  return { kind: 'docx', title: titleOf(parts), pages }
}

async function readParts(bytes: Buffer): Promise<Map<string, Buffer>> {
  const parts = new Map<string, Buffer>()
  let unpacked = 0
  let entries = 0
  const zip = await yauzl
    .fromBufferPromise(bytes, { lazyEntries: true, validateEntrySizes: true })
    .catch((error: unknown) => {
      throw new ParseFailure('FILE_DAMAGED', {}, error)
    })
  try {
    for await (const entry of zip.eachEntry()) {
      if (++entries > MAX_ENTRIES) throw new ParseFailure('FILE_TOO_COMPLEX')
      if (!TEXT_PARTS.test(entry.fileName)) continue
      const stream = await zip.openReadStreamPromise(entry)
      const chunks: Buffer[] = []
      let size = 0
      for await (const chunk of stream as Readable) {
        size += (chunk as Buffer).length
        unpacked += (chunk as Buffer).length
        if (unpacked > MAX_UNPACKED || (size > RATIO_FREE && size > entry.compressedSize * MAX_RATIO)) {
          stream.destroy()
          throw new ParseFailure('FILE_TOO_COMPLEX')
        }
        chunks.push(chunk as Buffer)
      }
      parts.set(entry.fileName, Buffer.concat(chunks))
    }
  } catch (error) {
    if (error instanceof ParseFailure) throw error
    throw new ParseFailure('FILE_DAMAGED', {}, error)
  } finally {
    zip.close()
  }
  return parts
}

/** What mammoth calls a file: it asks for parts by name and never sees the zip. */
interface PartSource {
  exists(name: string): boolean
  read(name: string, encoding?: string): Promise<Uint8Array | string>
}

async function toHtml(parts: ReadonlyMap<string, Buffer>): Promise<string> {
  const require = createRequire(import.meta.url)
  const mammoth: typeof mammothType = require('mammoth')
  const file: PartSource = {
    exists: (name) => parts.has(name),
    async read(name, encoding) {
      const part = parts.get(name)
      if (part === undefined) throw new ParseFailure('FILE_DAMAGED', { part: name.slice(0, 100) })
      if (encoding === undefined) return part
      return encoding === 'base64' ? part.toString('base64') : new TextDecoder(encoding).decode(part)
    },
  }
  try {
    // The `file` form of the input is mammoth's own, missing from its types.
    const input = { file } as unknown as Parameters<typeof mammoth.convertToHtml>[0]
    const result = await mammoth.convertToHtml(input, {
      convertImage: mammoth.images.imgElement(async () => ({ src: '' })),
      includeEmbeddedStyleMap: false,
      styleMap: ["p[style-name='Title'] => h1:fresh", "p[style-name='Subtitle'] => p:fresh"],
    })
    return result.value
  } catch (error) {
    if (error instanceof ParseFailure) throw error
    throw new ParseFailure('FILE_DAMAGED', {}, error)
  }
}

function titleOf(parts: ReadonlyMap<string, Buffer>): string | null {
  const core = parts.get('docProps/core.xml')?.toString('utf8') ?? ''
  const title = /<dc:title>([^<]*)<\/dc:title>/.exec(core)?.[1]?.trim()
  if (!title) return null
  return title
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&quot;/g, '"')
    .replace(/&apos;/g, "'")
    .replace(/&amp;/g, '&')
}
