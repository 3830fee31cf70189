// Names that people send with files, and titles that they type. They are shown, never used as a path or a key:
// cleaning is for the reader (no direction marks that make "exe.pdf" of "fdp.exe", no hidden characters that
// smuggle text into prompts) and for whatever a browser does with the name at download.
import { LIMITS } from '../../../contract/limits.ts'
import { AppError } from '../errors.ts'

/** For a name of which nothing is left. */
const NAMELESS = 'unnamed'

/**
 * Controls (line ends and tabs are made spaces before), marks of direction, zero-width and tag characters, what
 * Unicode will never assign. The joiners U+200C and U+200D stay: Persian and emoji are written with them.
 */
const INVISIBLE = /[\p{Cc}\p{Noncharacter_Code_Point}]|(?![\u200c\u200d])\p{Cf}/gu
/** What shows as a gap; U+FEFF, which \s counts in, shows as nothing. */
const SPACES = /(?:[^\S\ufeff]|[\u0085\u3164\uffa0\u115f\u1160\u2800])+/gu
/** An ending counts as one up to this many characters; more is part of the name. */
const EXTENSION = /\.[^.\s]{1,16}$/u

/** One line of visible text in NFC without spaces around it; may be empty. */
function visible(text: string): string {
  return text
    .toWellFormed()
    .replace(SPACES, ' ')
    .replace(INVISIBLE, '')
    .normalize('NFC')
    .replace(SPACES, ' ')
    .trim()
}

/** At most `length` UTF-16 units, cut between characters as people see them. */
function cut(text: string, length: number): string {
  if (text.length <= length) return text
  let end = 0
  for (const { segment, index } of new Intl.Segmenter('en').segment(text.slice(0, length + 64))) {
    if (index + segment.length > length) break
    end = index + segment.length
  }
  return text.slice(0, end)
}

/**
 * The name of an uploaded file as it is kept: the last part of any path, visible characters only, no leading dots,
 * at most 255 UTF-16 units with the ending kept. Never empty, and cleaning a clean name changes nothing.
 */
export function cleanFileName(raw: string): string {
  const parts = raw.split(/[/\\]/u).map(withoutDots)
  const name = parts.findLast((part) => part !== '') ?? NAMELESS
  if (name.length <= LIMITS.fileNameLength) return name
  const extension = EXTENSION.exec(name)?.[0] ?? ''
  const stem = name.slice(0, name.length - extension.length)
  return withoutDots(cut(stem, LIMITS.fileNameLength - extension.length)) + extension
}

/** Leading dots hide a file, trailing ones and spaces vanish on Windows. */
function withoutDots(part: string): string {
  return visible(part).replace(/^[. ]+|[. ]+$/gu, '')
}

/** A title that a person typed (of a document or collection). @throws AppError INVALID_INPUT when nothing is left */
export function cleanTitle(raw: string, length: number): string {
  const title = cut(visible(raw), length).trim()
  if (title === '') throw new AppError('INVALID_INPUT', { reason: 'the name is empty' })
  return title
}

/** A longer text that a person typed: lines stay lines. May be empty. */
export function cleanText(raw: string): string {
  return raw
    .split(/\r\n|[\n\r\u2028\u2029]/u)
    .map(visible)
    .join('\n')
    .trim()
}
