// Where a question's words stand in a passage, so that an eye finds the place. Only a help for reading:
// what was found, and why, is the search's business.
import type { TextRange } from './highlight.ts'

// Words that every English question has; marking them would mark everything.
const QUIET = new Set(
  (
    'a about after all also an and any are as at be because been before but by can could did do does for from ' +
    'get had has have how i if in into is it its just like make many may me more most much must my need no not of ' +
    'on one only or other our out over should so some such tell than that the their them then there these they ' +
    'this those to under up use using was way we were what when where which while who why will with would you your'
  ).split(' '),
)

const segmenter = new Intl.Segmenter(undefined, { granularity: 'word' })

/** Ranges of `text` whose word is one of `query`'s, endings aside. */
export function wordRanges(text: string, query: string): TextRange[] {
  const wanted = new Set<string>()
  for (const { segment, isWordLike } of segmenter.segment(query)) {
    const word = segment.toLowerCase()
    if (isWordLike && !QUIET.has(word)) wanted.add(stem(word))
  }
  if (wanted.size === 0) return []
  const ranges: TextRange[] = []
  for (const { segment, index, isWordLike } of segmenter.segment(text)) {
    if (isWordLike && wanted.has(stem(segment.toLowerCase()))) {
      ranges.push({ start: index, end: index + segment.length })
    }
  }
  return ranges
}

/** Rough on purpose: "packages" marks "package", "upgrading" marks "upgrade". */
function stem(word: string): string {
  if (word.length < 4) return word
  return word.replace(/(?:ies|ing|ed|es|s|e)$/, (ending, at: number) => (at >= 3 ? '' : ending))
}
