// A follow-up question often can't be searched by itself: "and how do I undo that?" names nothing.
// Without a language model the rarest terms of the question before it are added to a second search; a passage's
// score is the higher of the two, so a question that stands on its own loses nothing.
// Rewriting by a language model will come in here as another query of `searchQueries`.
import type { PassageHit } from '../retrieval/search.ts'

const TERMS_ADDED = 4
const FEW_WORDS = 5

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
  return contentWords(question).length < FEW_WORDS || POINTS_BACK.test(question) || GOES_ON.test(question)
}

/** What to search for: the question, and where it leans on the one before, that one's terms added to it. */
export function searchQueries(question: string, previous: string | null): string[] {
  if (previous === null || !leansOnHistory(question)) return [question]
  const asked = new Set(contentWords(question).map((word) => word.toLowerCase()))
  const terms = contentWords(previous)
    .filter((word) => !asked.has(word.toLowerCase()))
    .sort((a, b) => rarity(b) - rarity(a))
    .slice(0, TERMS_ADDED)
  return terms.length === 0 ? [question] : [question, `${question} ${terms.join(' ')}`]
}

function contentWords(text: string): string[] {
  const words = text.match(/[\p{L}\p{N}][\p{L}\p{N}_.+#-]*[\p{L}\p{N}+#]|[\p{L}\p{N}]/gu) ?? []
  const seen = new Set<string>()
  return words.filter((word) => {
    const key = word.toLowerCase()
    if (STOP_WORDS.has(key) || seen.has(key)) return false
    seen.add(key)
    return true
  })
}

/** A stand-in for document frequency: names, numbers and long words are rarer than short lower-case ones. */
function rarity(word: string): number {
  const marked = /\d|[_.+#]|.\p{Lu}/u.test(word) ? 10 : 0
  const name = /^\p{Lu}/u.test(word) ? 4 : 0
  return marked + name + Math.min(word.length, 12)
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
