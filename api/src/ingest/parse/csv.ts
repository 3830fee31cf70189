// CSV: every row becomes a line that can be understood alone, `column: value; column: value`. The separator is the
// one that cuts the first lines most evenly; a first row without numbers is the header.
import { Readable } from 'node:stream'
import { parse } from 'csv-parse'
import { SlicedText } from './blocks.ts'
import { cleanText, decodeText } from './charset.ts'
import { type ParsedDocument, ParseFailure } from './port.ts'

const SEPARATORS = [',', ';', '\t', '|']
/** Longer cells are somebody's mistake (an unclosed quote swallows the rest of the file). */
const LONGEST_RECORD = 1_000_000

export async function parseCsv(bytes: Buffer, onPages: (pages: number) => void): Promise<ParsedDocument> {
  const text = decodeText(bytes)
  if (text.trim() === '') throw new ParseFailure('FILE_EMPTY')
  const rows = Readable.from(chunks(Buffer.from(text)), { objectMode: false }).pipe(
    parse({
      delimiter: separatorOf(text),
      relax_column_count: true,
      relax_quotes: true,
      skip_empty_lines: true,
      skip_records_with_empty_values: true,
      max_record_size: LONGEST_RECORD,
      trim: true,
    }),
  )
  const slices = new SlicedText(bytes.length)
  let header: string[] | null = null
  let first: string[] | null = null
  let reported = 0
  try {
    for await (const record of rows) {
      const row = (record as string[]).map((cell) => cleanText(cell).replace(/\s+/g, ' '))
      if (first === null) {
        first = row
        if (isHeader(row)) {
          header = row
          continue
        }
      }
      slices.add({ text: rowText(row, header), tight: true })
      if (slices.length >= reported + 100) {
        reported = slices.length
        onPages(reported)
      }
    }
  } catch (error) {
    throw error instanceof ParseFailure ? error : new ParseFailure('FILE_DAMAGED', {}, error)
  }
  // Nothing but one row that looked like a header: then it is the content.
  if (slices.empty && first !== null) slices.add({ text: first.join('; ') })
  const pages = slices.finish()
  if (pages.length === 0) throw new ParseFailure('FILE_EMPTY')
  return { kind: 'csv', title: null, pages }
}

function rowText(row: readonly string[], header: readonly string[] | null): string {
  return row
    .map((cell, column) => {
      const name = header?.[column]
      return cell === '' || name === undefined || name === '' ? cell : `${name}: ${cell}`
    })
    .filter((cell) => cell !== '')
    .join('; ')
}

function isHeader(row: readonly string[]): boolean {
  const names = row.filter((cell) => cell !== '')
  return (
    names.length >= Math.min(2, row.length) &&
    names.length >= row.length * 0.6 &&
    new Set(names).size === names.length &&
    names.every((name) => name.length <= 80 && !/^[\d\s.,:/%€$£+-]+$/.test(name))
  )
}

function separatorOf(text: string): string {
  const lines = text
    .slice(0, 64 * 1024)
    .split('\n')
    .slice(0, 20)
  if (lines.length > 1) lines.pop()
  let best = ','
  let bestScore = 0
  for (const separator of SEPARATORS) {
    const counts = lines.filter((line) => line.trim() !== '').map((line) => unquotedCount(line, separator))
    const least = Math.min(...counts)
    const most = Math.max(...counts)
    // Even cuts count most: prose in quotes may hold any number of commas.
    const score = least === 0 ? most * 0.01 : least + (least === most ? 100 : 0)
    if (score > bestScore) [best, bestScore] = [separator, score]
  }
  return best
}

function unquotedCount(line: string, separator: string): number {
  let count = 0
  let quoted = false
  for (const char of line)
    if (char === '"') quoted = !quoted
    else if (char === separator && !quoted) count++
  return count
}

function* chunks(bytes: Buffer): Generator<Buffer> {
  for (let i = 0; i < bytes.length; i += 256 * 1024) yield bytes.subarray(i, i + 256 * 1024)
}
