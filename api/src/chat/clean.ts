// Text from documents and people made safe for where it goes. File names, titles and headings are as untrusted as
// the text itself: a name may carry a line break, a mark that turns the direction of writing, or half a tag.

/** Control characters but tab and line feed; marks that turn or hide text, but not the joiners that some writing needs. */
const INVISIBLE = /(?![\t\n])\p{Cc}|(?![\u200C\u200D])\p{Cf}/gu

/** For PostgreSQL and JSON: no NUL, no half of a surrogate pair. Otherwise unchanged. */
export function storable(text: string): string {
  return text.toWellFormed().replaceAll('\u0000', '')
}

/** Text of several lines without invisible characters, and with one kind of line end. */
export function cleanText(text: string): string {
  return text.toWellFormed().replaceAll('\r\n', '\n').replaceAll('\r', '\n').replace(INVISIBLE, '')
}

/** One line of at most `length` UTF-16 units. */
export function cleanLine(text: string, length: number): string {
  const line = cleanText(text).replace(/\s+/gu, ' ').trim()
  return line.length <= length
    ? line
    : `${line
        .slice(0, length - 1)
        .toWellFormed()
        .replace(/\uFFFD$/u, '')}…`
}
