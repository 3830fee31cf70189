// A follow-up question often can't be searched by itself: "and how do I undo that?" names nothing.
// Where it seems to lean on what was said, it is searched twice: as it was asked, and either as a language model writes it
// out (rewrite.ts) or with the questions that it leans on. A passage's score is the higher of the two, so a question
// that stands on its own loses little.
import type { PassageHit } from '../retrieval/search.ts'

const FEW_WORDS = 5
/** With fewer, a question can't be what another leans on by itself. */
const HARDLY_ANY = 2
/** Questions back, and UTF-16 units in all. */
const FURTHEST = { questions: 3, length: 500 }

/** Words that say nothing about what is asked. */
const STOP_WORDS = new Set(
  `a about after all also am an and any are as at be because been before being but by can could did do does doing
  done else for from get had has have having he her here his how i if in into is it its just like many may me might
  more most much must my no not now of off on once only or other our out over own please really said same she should
  so some such tell than that the their them then there these they thing things this those to too under until up us
  use very was we were what when where which while who whom why will with would you your`.split(/\s+/),
)

const POINTS_BACK =
  /\b(it|its|they|them|their|theirs|this|that|these|those|one|ones|he|she|him|her|his|former|latter|same|there|then|above|previous|instead|else|other|another)\b/i
const GOES_ON =
  /^\s*(and|but|or|so|then|also|what about|how about|why|why not|what if|more|go on|continue)\b/i

/** Whether a question seems to lean on what was said before it. */
export function leansOnHistory(question: string): boolean {
  return refersBack(question) || contentWords(question).length < FEW_WORDS
}

/**
 * The questions that this one seems to lean on, oldest first, as one text: the one before, and where that only refers
 * back as well, the one before that. Null when the question stands by itself.
 * @param asked before it, oldest first
 */
export function leanedOn(question: string, asked: readonly string[]): string | null {
  if (asked.length === 0 || !leansOnHistory(question)) return null
  const found: string[] = []
  for (const earlier of asked.slice(-FURTHEST.questions).reverse()) {
    found.unshift(earlier)
    if (!refersBack(earlier)) break
  }
  return found.join(' ').slice(-FURTHEST.length)
}

function refersBack(question: string): boolean {
  return POINTS_BACK.test(question) || GOES_ON.test(question) || contentWords(question).length < HARDLY_ANY
}

/** Of writing without spaces between its words. */
export const UNSPACED =
  /\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Thai}|\p{Script=Khmer}|\p{Script=Lao}/u
const segmenter = new Intl.Segmenter(undefined, { granularity: 'word' })

/** Each once, as it is written first. */
export function contentWords(text: string): string[] {
  const words = UNSPACED.test(text)
    ? [...segmenter.segment(text)].filter(({ isWordLike }) => isWordLike).map(({ segment }) => segment)
    : (text.match(/[\p{L}\p{N}][\p{L}\p{N}_.+#-]*[\p{L}\p{N}+#]|[\p{L}\p{N}]/gu) ?? [])
  const seen = new Set<string>()
  return words.filter((word) => {
    const key = word.toLowerCase()
    if (STOP_WORDS.has(key) || seen.has(key)) return false
    seen.add(key)
    return true
  })
}

/** Several searches as one: each passage once, with its best score, best first. */
export function mergeHits(searches: readonly (readonly PassageHit[])[]): PassageHit[] {
  const [only] = searches
  if (searches.length === 1 && only !== undefined) return [...only]
  const best = new Map<number, PassageHit>()
  for (const hit of searches.flat()) {
    const known = best.get(hit.passageId)
    if (known === undefined || hit.score > known.score) best.set(hit.passageId, hit)
  }
  return [...best.values()].sort((a, b) => b.score - a.score || a.passageId - b.passageId)
}
