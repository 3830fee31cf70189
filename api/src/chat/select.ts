// Which of the passages found go into an answer: relevant at all, each thing said once, not all from one document.
import type { PassageHit } from '../retrieval/search.ts'

export interface SelectOptions {
  /** Passages at most. */
  readonly limit: number
  /** Passages of one document at most. */
  readonly perDocument: number
}

/**
 * A passage that shares few of the question's words and is far from its meaning is not relevant; when that holds for
 * all, the answer says that nothing was found and no model is asked to make something of it. Both have to be low,
 * since either alone misjudges: a reworded question shares no words, one rare name has no meaning to be near to.
 * `words` is BM25 over the most that a passage could reach for this question, `cosine` is bge-small's.
 *
 * Measured on the Debian handbook: the best passage of 40 questions about it had cosines from 0.59 and words from
 * 0.24; of 121 questions about other things 85 % were below both 0.56 and 0.3, and by words alone 89 % below 0.2.
 * Rather too low than too high: a model that is given the wrong passages can still say so.
 */
const RELEVANT = { cosine: 0.56, words: 0.3, wordsAlone: 0.2 }

export function isRelevant({ words, cosine }: Pick<PassageHit, 'words' | 'cosine'>): boolean {
  if (cosine === null) return words >= RELEVANT.wordsAlone
  return cosine >= RELEVANT.cosine || words >= RELEVANT.words
}

/** Chooses from hits that come best first, and keeps their order. */
export function selectPassages(hits: readonly PassageHit[], options: SelectOptions): PassageHit[] {
  const chosen: { hit: PassageHit; shingles: ReadonlySet<string> }[] = []
  const perDocument = new Map<string, number>()
  for (const hit of hits) {
    if (chosen.length === options.limit) break
    if (!isRelevant(hit)) continue
    const already = perDocument.get(hit.documentId) ?? 0
    if (already >= options.perDocument) continue
    const shingles = shinglesOf(hit.text)
    if (chosen.some((other) => saysTheSame(shingles, other.shingles))) continue
    perDocument.set(hit.documentId, already + 1)
    chosen.push({ hit, shingles })
  }
  return chosen.map(({ hit }) => hit)
}

const SHINGLE_WORDS = 3

/** Every run of three words, without case and punctuation. Text without spaces between words goes by characters. */
function shinglesOf(text: string): Set<string> {
  const words =
    text.toLowerCase().match(/\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|[\p{L}\p{N}]+/gu) ?? []
  if (words.length <= SHINGLE_WORDS) return new Set([words.join(' ')])
  const shingles = new Set<string>()
  for (let i = 0; i + SHINGLE_WORDS <= words.length; i++)
    shingles.add(words.slice(i, i + SHINGLE_WORDS).join(' '))
  return shingles
}

/** Three quarters of the shorter text stand in the longer one: the same, or an edition of it with a word changed. */
function saysTheSame(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  const [small, large] = a.size <= b.size ? [a, b] : [b, a]
  let common = 0
  for (const shingle of small) if (large.has(shingle)) common++
  return common >= small.size * 0.75
}
