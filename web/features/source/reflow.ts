// Text out of a PDF, or wrapped at 80 columns, has a line break where its page was full, not where a thought ends;
// in a narrow column those make ragged lines. Here such a break is drawn as a blank. The length never changes, so
// offsets go on to mean the same.

/** Lines at least this long, as a share of the text's longest, were broken because they were full. */
const FULL = { amidSentence: 0.55, afterSentence: 0.85 } as const
/** Shorter texts are lists, verses or tables. */
const LONGEST_AT_LEAST = 48
/** Zero width: a word that was divided at its hyphen goes on. */
const JOINER = '\u2060'

const NEW_LINE = /^(?:\s|[•‣◦▪●○*–—+>#|-]|\(?\d{1,3}[.):]|[a-z][.)]\s)/
const ENDS = /[:;|]\s*$/
const SENTENCE_ENDS = /[.!?…]["”’)]?\s*$/

export function reflow(text: string): string {
  const lines = text.split('\n')
  const longest = lines.reduce((most, line) => Math.max(most, line.length), 0)
  if (longest < LONGEST_AT_LEAST) return text
  return lines.reduce((before, line, n) => {
    if (n === 0) return line
    const last = lines[n - 1] ?? ''
    if (!isFull(last, longest) || NEW_LINE.test(line) || line === '') return `${before}\n${line}`
    return `${before}${/\p{L}-$/u.test(last) && /^\p{Ll}/u.test(line) ? JOINER : ' '}${line}`
  }, '')
}

function isFull(line: string, longest: number): boolean {
  const share = SENTENCE_ENDS.test(line) ? FULL.afterSentence : FULL.amidSentence
  return line.length >= longest * share && !/^\s{2,}/.test(line) && !ENDS.test(line)
}
