// What three methods found, as one list: each passage once, with its rank and score by each.
import type { Outputs } from '../../lib/trpc.ts'

export type Hit = Outputs['search']['passages']['passages'][number]
export const METHODS = ['fused', 'words', 'meaning'] as const
export type Method = (typeof METHODS)[number]

export interface Standing {
  /** From 1. */
  readonly rank: number
  readonly score: number
}

export interface Compared {
  readonly hit: Hit
  /** Null where the method did not find it. */
  readonly by: Readonly<Record<Method, Standing | null>>
}

/** In the order that people get, then what only a single method found, best rank first. */
export function compare(found: Readonly<Record<Method, readonly Hit[]>>): Compared[] {
  const hits = new Map<number, Hit>()
  for (const method of METHODS)
    for (const hit of found[method]) if (!hits.has(hit.passageId)) hits.set(hit.passageId, hit)
  const standing = (method: Method, passageId: number): Standing | null => {
    const at = found[method].findIndex((hit) => hit.passageId === passageId)
    const hit = found[method][at]
    return hit === undefined ? null : { rank: at + 1, score: hit.score }
  }
  return [...hits.values()]
    .map((hit) => ({
      hit,
      by: {
        fused: standing('fused', hit.passageId),
        words: standing('words', hit.passageId),
        meaning: standing('meaning', hit.passageId),
      },
    }))
    .sort((a, b) => place(a) - place(b) || a.hit.passageId - b.hit.passageId)
}

const LAST = 1_000
function place({ by }: Compared): number {
  const alone = Math.min(by.words?.rank ?? LAST, by.meaning?.rank ?? LAST)
  return by.fused?.rank ?? LAST + alone
}
