// Which passages a question looks at. What has its rare words comes first, and all of it: a common word never takes the place
// of a rare one, however many passages have it. Common words are asked for together; where they have too many passages even so, or
// too few were found, a sample of the documents is looked at.
import { K1, type WeighedTerm } from '../lexical/question.ts'

export interface Scope {
  /** Passages that the filter leaves, of all that there are, and the documents that they are in. */
  readonly passages: number
  readonly documents: number
  /** Ids of the documents' words; null where collections are named. */
  readonly ids: readonly number[] | null
}

export interface Sample {
  readonly documents: number
  /** Passages that are looked at of each. */
  readonly each: number
}

export interface Step {
  /** Passages with any of these terms, or with all of them at once. Null: whatever they have. */
  readonly terms: { readonly any: readonly WeighedTerm[] } | { readonly all: readonly WeighedTerm[] } | null
  /** Null: every such passage. */
  readonly sample: Sample | null
  /** The rarest so many terms: no other passage has any of them, unless this step stopped at a limit. */
  readonly covers: number
  /** Only where the steps before have found too little. */
  readonly spare: boolean
}

/** Of the passages that may be looked at: those with the rarest terms, so that what is found in milliseconds is there first. */
const FIRST = 0.1
/** So much of the limit may be taken by what numbers say, which are estimates or some seconds old. */
const SURE = 0.8
/** Passages of one document that are looked at in a sample, at least: they lie side by side. */
const EACH = 50

/**
 * @param terms rarest first, with the passages that have them of `passages` in all
 * @param most passages that may be looked at
 */
export function stepsOf(
  terms: readonly WeighedTerm[],
  scope: Scope,
  passages: number,
  most: number,
): readonly Step[] {
  const all = terms.reduce((sum, { live }) => sum + live, 0)
  if (scope.passages <= most && scope.passages <= all)
    return [{ terms: null, sample: null, covers: terms.length, spare: false }]
  const share = Math.min(1, scope.passages / Math.max(1, passages))
  // In the scope may be all passages with a term, or its share of them: the first is what can be relied on.
  const prefixes = [
    prefix(terms, most * SURE * FIRST, 1),
    prefix(terms, most * SURE, 1),
    prefix(terms, most * SURE, share),
  ]
  const covering = prefixes.filter((length, i) => length > Math.max(0, ...prefixes.slice(0, i)))
  const steps = covering.map(
    (covers): Step => ({ terms: { any: terms.slice(0, covers) }, sample: null, covers, spare: false }),
  )
  const covers = covering.at(-1) ?? 0
  const rest = terms.slice(covers)
  if (rest.length === 0) return steps
  const together = togetherOf(rest, scope.passages, passages, most)
  if (together !== null) steps.push({ terms: { all: together }, sample: null, covers, spare: false })
  const spare = { terms: { any: rest }, covers, spare: true }
  return [...steps, { ...spare, sample: sampleOf(scope, most) }, { ...spare, sample: null }]
}

/** The rarest so many terms have no more passages than this. */
function prefix(terms: readonly WeighedTerm[], passages: number, share: number): number {
  let sum = 0
  const first = terms.findIndex(({ live }) => {
    sum += live * share
    return sum > passages
  })
  return first < 0 ? terms.length : first
}

/**
 * The rarest of the common terms that few passages have all of; as if each term occurred by itself, so that there are rather
 * more than that. Null: nothing is few, and a sample has such passages as well.
 */
function togetherOf(
  terms: readonly WeighedTerm[],
  scope: number,
  passages: number,
  most: number,
): readonly WeighedTerm[] | null {
  let expected = scope
  for (const [i, { live }] of terms.entries()) {
    expected *= Math.min(1, live / Math.max(1, passages))
    if (i > 0 && expected <= most * FIRST) return terms.slice(0, i + 1)
  }
  return terms.length > 1 && expected <= most ? terms : null
}

function sampleOf({ passages, documents }: Scope, most: number): Sample {
  const each = Math.max(EACH, Math.ceil(most / Math.max(1, documents)))
  const average = Math.max(1, passages / Math.max(1, documents))
  return { documents: Math.ceil(most / Math.min(each, average)), each }
}

/** The score that no passage with none but these terms can exceed. @param maxima by language number */
export function boundOf(terms: readonly WeighedTerm[], maxima: readonly number[]): number {
  const bounds = maxima.map((maximum, n) => {
    if (maximum === 0) return 0
    const own = terms.filter(({ languages }) => ((languages >> BigInt(n)) & 1n) === 1n)
    return own.reduce((sum, { idf }) => sum + idf * (K1 + 1), 0) / maximum
  })
  return Math.max(0, ...bounds)
}
