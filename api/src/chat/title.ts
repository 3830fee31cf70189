import { LIMITS } from '../../../contract/limits.ts'
import { cleanLine } from './clean.ts'

const TITLE_LENGTH = 60

/** A chat's title from its first question: one line, cut at a word. Never empty for a question with a visible character. */
export function titleFrom(question: string): string {
  const line = cleanLine(question.replace(/[`*_#>|]+/g, ' '), LIMITS.questionLength)
  if (line.length <= TITLE_LENGTH) return line
  const cut = line.slice(0, TITLE_LENGTH + 1)
  const space = cut.lastIndexOf(' ')
  // Text without spaces is cut where it is full, but not inside a character.
  const kept =
    space > TITLE_LENGTH / 2 ? cut.slice(0, space) : [...cut.slice(0, TITLE_LENGTH)].join('').toWellFormed()
  return `${kept.replace(/[\s,;:.–—-]+$/u, '').replace(/\uFFFD$/u, '')}…`
}
