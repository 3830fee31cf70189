// What a file is: decided by its first bytes, and by its name where bytes can't tell (Markdown, CSV and plain text
// are all just text). A supported file under another supported name is read as what it is: a PDF called notes.txt
// is a PDF. A name that promises a PDF or DOCX over other bytes, or text over binary bytes, is refused as a mismatch.
import { type FileKind, ParseFailure } from './port.ts'

const BY_EXTENSION: Readonly<Record<string, FileKind>> = {
  pdf: 'pdf',
  docx: 'docx',
  html: 'html',
  htm: 'html',
  xhtml: 'html',
  md: 'markdown',
  markdown: 'markdown',
  txt: 'text',
  text: 'text',
  log: 'text',
  csv: 'csv',
  tsv: 'csv',
}

/** Files that are recognised in order to say what they are. Offset 0 unless given. */
const SIGNATURES: readonly (readonly [name: string, bytes: string, offset?: number])[] = [
  ['a PNG image', '89504e470d0a1a0a'],
  ['a JPEG image', 'ffd8ff'],
  ['a GIF image', '47494638'],
  ['a TIFF image', '49492a00'],
  ['a TIFF image', '4d4d002a'],
  ['a WebP image', '57454250', 8],
  ['a gzip archive', '1f8b'],
  ['a bzip2 archive', '425a68'],
  ['an xz archive', 'fd377a585a00'],
  ['a 7-Zip archive', '377abcaf271c'],
  ['a RAR archive', '526172211a07'],
  ['a program', '7f454c46'],
  ['a program', '4d5a'],
  ['an MP4 film', '66747970', 4],
  ['an MP3 recording', '494433'],
  ['a PostScript file', '25215053'],
  ['an RTF document', '7b5c727466'],
  ['an SQLite database', '53514c69746520666f726d6174'],
]

const OLE = Buffer.from('d0cf11e0a1b11ae1', 'hex')

/** @throws ParseFailure FILE_EMPTY, FILE_TYPE_UNSUPPORTED, FILE_TYPE_MISMATCH, FILE_ENCRYPTED */
export function fileKind(filename: string, bytes: Buffer): FileKind {
  if (bytes.length === 0) throw new ParseFailure('FILE_EMPTY')
  const extension = /\.([a-z0-9]{1,10})$/i.exec(filename)?.[1]?.toLowerCase()
  const promised = extension === undefined ? undefined : BY_EXTENSION[extension]
  const found = byContent(bytes)
  if (found === 'pdf' || found === 'docx') return found
  // A PDF may have rubbish before its header; one that lost its header is a damaged PDF, not another kind.
  if (found === 'text') {
    if (promised === 'pdf' || promised === 'docx')
      throw new ParseFailure('FILE_TYPE_MISMATCH', { type: 'text' })
    if (promised !== undefined) return promised
    return looksLikeHtml(bytes) ? 'html' : 'text'
  }
  throw new ParseFailure(promised === undefined ? 'FILE_TYPE_UNSUPPORTED' : 'FILE_TYPE_MISMATCH', {
    type: found.name,
  })
}

function byContent(bytes: Buffer): 'pdf' | 'docx' | 'text' | { name: string } {
  const head = bytes.subarray(0, 1024)
  if (head.includes('%PDF-')) return 'pdf'
  if (head.readUInt32BE !== undefined && head.length >= 4 && head.readUInt32BE(0) === 0x504b0304) {
    const type = zipType(bytes)
    return type === 'docx' ? 'docx' : { name: type }
  }
  if (head.subarray(0, 8).equals(OLE)) {
    // Office puts a password-protected DOCX into the old container, its parts named in UTF-16.
    if (bytes.includes(Buffer.from('EncryptedPackage', 'utf16le'))) throw new ParseFailure('FILE_ENCRYPTED')
    return { name: 'an old Office document' }
  }
  for (const [name, signature, offset = 0] of SIGNATURES) {
    const magic = Buffer.from(signature, 'hex')
    if (head.subarray(offset, offset + magic.length).equals(magic)) return { name }
  }
  return isText(bytes) ? 'text' : { name: 'binary data' }
}

/** Names stand uncompressed in a zip's directory, so that they can be looked for as they are. */
function zipType(bytes: Buffer): string {
  const directory = bytes.subarray(Math.max(0, bytes.length - 4 * 1024 * 1024))
  if (directory.includes('word/document.xml') || bytes.subarray(0, 8192).includes('word/')) return 'docx'
  if (directory.includes('xl/workbook')) return 'an Excel workbook'
  if (directory.includes('ppt/presentation')) return 'a PowerPoint presentation'
  if (bytes.subarray(0, 200).includes('opendocument')) return 'an OpenDocument file'
  if (bytes.subarray(0, 200).includes('epub')) return 'an e-book'
  return 'a zip archive'
}

/** Text in some encoding: few control characters, or UTF-16 (by its mark, or by where its zero bytes are). */
function isText(bytes: Buffer): boolean {
  const sample = bytes.subarray(0, 64 * 1024)
  if (utf16Of(sample) !== null) return true
  let control = 0
  for (const byte of sample)
    if (byte < 32 && byte !== 9 && byte !== 10 && byte !== 12 && byte !== 13 && byte !== 27) control++
  return control <= sample.length * 0.01
}

/** The byte order of UTF-16, by mark or by statistics; null when it is something else. */
export function utf16Of(sample: Buffer): 'utf-16le' | 'utf-16be' | null {
  if (sample.length >= 2) {
    const mark = sample.readUInt16BE(0)
    if (mark === 0xfffe) return 'utf-16le'
    if (mark === 0xfeff) return 'utf-16be'
  }
  if (sample.length < 4) return null
  let even = 0
  let odd = 0
  const length = Math.min(sample.length, 4096) & ~1
  for (let i = 0; i < length; i += 2) {
    if (sample[i] === 0) even++
    if (sample[i + 1] === 0) odd++
  }
  const pairs = length / 2
  if (odd > pairs * 0.4 && even < pairs * 0.05) return 'utf-16le'
  if (even > pairs * 0.4 && odd < pairs * 0.05) return 'utf-16be'
  return null
}

function looksLikeHtml(bytes: Buffer): boolean {
  // A comment's text never runs over its end: with `[\s\S]*?` a hundred comments could be cut up in 2^100 ways.
  return /^\s*(?:<\?xml[^>]*>\s*)?(?:<!--(?:(?!-->)[\s\S])*-->\s*)*<(?:!doctype\s+html|html|head|body)\b/i.test(
    bytes.subarray(0, 1024).toString('latin1'),
  )
}
