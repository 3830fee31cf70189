// A long answer is rendered block by block, so that a new token costs one paragraph and not the whole answer:
// finished blocks keep their text, and React skips what keeps its text.
// Only blank lines outside fences and lists part blocks; the pieces put together are the text.

const FENCE = /^ {0,3}(`{3,}|~{3,})/
const LIST_ITEM = /^ {0,3}(?:[-*+]|\d{1,9}[.)])(?:\s|$)/
const INDENTED = /^(?: {2,}|\t)/

export function splitBlocks(text: string): string[] {
  const blocks: string[] = []
  let begin = 0
  let at = 0
  let fence: string | null = null
  let inList = false
  let blankBefore = false
  while (at < text.length) {
    const newline = text.indexOf('\n', at)
    const next = newline < 0 ? text.length : newline + 1
    const line = text.slice(at, newline < 0 ? next : newline)
    const mark = FENCE.exec(line.trimStart() === line ? line : line.replace(/^\s+/, ''))?.[1]
    if (fence !== null) {
      if (closes(line, fence)) fence = null
      blankBefore = false
    } else if (line.trim() === '') {
      blankBefore = true
    } else {
      const continues = inList && (INDENTED.test(line) || LIST_ITEM.test(line))
      if (blankBefore && at > begin && !continues) {
        blocks.push(text.slice(begin, at))
        begin = at
        inList = false
      }
      if (LIST_ITEM.test(line)) inList = true
      if (mark !== undefined) fence = mark
      blankBefore = false
    }
    at = next
  }
  if (begin < text.length) blocks.push(text.slice(begin))
  return blocks
}

function closes(line: string, fence: string): boolean {
  const trimmed = line.trim()
  return trimmed.length >= fence.length && trimmed === fence.charAt(0).repeat(trimmed.length)
}

/**
 * The last block while it still grows: what its writer has opened and not yet closed is closed for the moment,
 * so that stars, brackets and half an address don't flash by. Never used once the answer has ended.
 */
export function settleTail(block: string): string {
  if (endsInFence(block)) return block
  let tail = block
    // half a citation or half a link's text
    .replace(/\[[^\]\n]{0,80}$/, '')
    // a link whose address is still coming
    .replace(/\[([^[\]\n]{0,500})\]\([^)\s]{0,2000}$/, '$1')
    // stars and ticks that nothing follows yet
    .replace(/(?:\*{1,3}|`)$/, (mark, offset: number, all: string) => (opens(all, offset) ? '' : mark))
  const prose = tail.replace(/`[^`\n]*`/g, '')
  if (count(prose, /`/g) % 2 === 1) return `${tail}\``
  if (count(prose, /\*\*/g) % 2 === 1) tail = `${tail.trimEnd()}**`
  return tail
}

function endsInFence(block: string): boolean {
  let fence: string | null = null
  for (const line of block.split('\n')) {
    if (fence !== null) {
      if (closes(line, fence)) fence = null
    } else fence = FENCE.exec(line.trimStart())?.[1] ?? null
  }
  return fence !== null
}

/** A mark at the very end opens something when whitespace or nothing stands before it. */
function opens(text: string, offset: number): boolean {
  return offset === 0 || /[\s([{]/.test(text.charAt(offset - 1))
}

function count(text: string, mark: RegExp): number {
  return text.match(mark)?.length ?? 0
}
