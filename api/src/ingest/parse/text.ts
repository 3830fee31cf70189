// Plain text: paragraphs are what empty lines part.
import { type Block, SlicedText } from './blocks.ts'
import { decodeText } from './charset.ts'
import type { ParsedDocument } from './port.ts'
import { ParseFailure } from './port.ts'

export function parseText(bytes: Buffer, onPages: (pages: number) => void): ParsedDocument {
  const slices = new SlicedText(bytes.length)
  let reported = 0
  for (const block of paragraphs(decodeText(bytes))) {
    slices.add(block)
    if (slices.length >= reported + 100) {
      reported = slices.length
      onPages(reported)
    }
  }
  const pages = slices.finish()
  if (pages.length === 0) throw new ParseFailure('FILE_EMPTY')
  return { kind: 'text', title: null, pages }
}

function* paragraphs(text: string): Generator<Block> {
  const gap = /\n[ \t]*(?:\n[ \t]*)+/g
  let from = 0
  for (let match = gap.exec(text); match !== null; match = gap.exec(text)) {
    // The first line's indent is part of it: lists and listings in plain text live by it.
    const start = match.index + match[0].length - (/[ \t]*$/.exec(match[0])?.[0].length ?? 0)
    yield { text: text.slice(from, match.index) }
    from = start
  }
  yield { text: text.slice(from) }
}
