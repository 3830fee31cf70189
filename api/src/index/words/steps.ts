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

/**
 * - `whole`: all of a small scope
 * - `sure`: all passages with any of the rarest terms
 * - `glance`: a small sample, so that something is there before what may take long
 * - `together`: passages with all of some common terms
 * - `shared`: like `sure`, of a part of everything, as if it had its share of the passages with each term
 * - `sample`, and `rest`: some of the passages with any of the other terms, by documents and as PostgreSQL comes by them
 */
export type StepKind = 'whole' | 'sure' | 'glance' | 'together' | 'shared' | 'sample' | 'rest'

export interface Step {
  readonly kind: StepKind
  /** Passages with any of these terms, or with all of them at once. Null: whatever they have. */
  readonly terms: { readonly any: readonly WeighedTerm[] } | { readonly all: readonly WeighedTerm[] } | null
  /** Null: every such passage. */
  readonly sample: Sample | null
  /** Passages that are looked at. */
  readonly most: number
  /** The rarest so many terms: no other passage has any of them, unless this step stopped at a limit. */
  readonly covers: number
}

/** Of the passages that may be looked at: those with the rarest terms, so that what is found in milliseconds is there first. */
const FIRST = 0.1
/** So much of the limit may be taken by what numbers say, which are estimates or some seconds old. */
const SURE = 0.8
/** Up to so many times the limit, the first that PostgreSQL comes by are a good part of them, and a sample has few. */
const SEEN = 5
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
    return [{ kind: 'whole', terms: null, sample: null, most, covers: terms.length }]
  const covering = (kind: 'sure' | 'shared', budget: number, share: number, before: number): Step[] => {
    const covers = prefix(terms, budget * SURE, share)
    const any = terms.slice(0, covers)
    return covers > before ? [{ kind, terms: { any }, sample: null, most, covers }] : []
  }
  const first = covering('sure', most * FIRST, 1, 0)
  const begun = first[0]?.covers ?? 0
  const sure = covering('sure', most, 1, begun)
  const covers = sure[0]?.covers ?? begun
  const common = terms.slice(covers)
  if (common.length === 0) return [...first, ...sure]
  const together = togetherOf(common, scope.passages, passages, most)
  const share = Math.min(1, scope.passages / Math.max(1, passages))
  const shared = covering('shared', most, share, covers)
  const others = { any: terms.slice(shared[0]?.covers ?? covers) }
  const little = Math.ceil(most * FIRST)
  const steps: Step[] = [
    ...first,
    { kind: 'glance', terms: { any: terms }, sample: sampleOf(scope, little), most: little, covers: 0 },
    ...sure,
  ]
  if (together !== null)
    steps.push({ kind: 'together', terms: { all: together }, sample: null, most, covers })
  steps.push(...shared)
  const sample: Step = { kind: 'sample', terms: others, sample: sampleOf(scope, most), most, covers: 0 }
  const rest: Step = { kind: 'rest', terms: others, sample: null, most, covers: 0 }
  const left = others.any.reduce((sum, { live }) => sum + live * share, 0)
  if (left > 0) steps.push(...(left <= most * SEEN ? [rest, sample] : [sample, rest]))
  return steps
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

/** Of about so many passages. */
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
