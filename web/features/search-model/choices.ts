// How long passages can be in what is built next: not what is there already.
import type { Generation, Overview } from './rows.ts'

export interface Choice {
  readonly tokens: Overview['passageTokens'][number]
  /** How the generation stands that a build would be the same as; null when it can be built. */
  readonly taken: Generation['state'] | null
}

/** Where nothing is in use yet, as the API does. */
const USUAL_TOKENS = 200

export function choicesOf({ generations, passageTokens, parser }: Overview, embedderId: string): Choice[] {
  return passageTokens.map((tokens) => {
    const same = generations.find(
      (each) => each.embedderId === embedderId && each.passageTokens === tokens && each.parser === parser,
    )
    return { tokens, taken: same?.state ?? null }
  })
}

/** As long as in use, or else the first that can be built; null when none can. */
export function proposed(choices: readonly Choice[], { generations }: Overview): Choice['tokens'] | null {
  const free = choices.filter(({ taken }) => taken === null)
  const now = generations.find(({ state }) => state === 'active')?.passageTokens ?? USUAL_TOKENS
  return (free.find(({ tokens }) => tokens === now) ?? free[0])?.tokens ?? null
}

/** Whether documents are kept read so: only vectors have to be made then. */
export function isRead({ generations, parser }: Overview, tokens: number): boolean {
  return generations.some(
    (each) => each.passageTokens === tokens && each.parser === parser && each.state !== 'removing',
  )
}

/** Whether a newer build reads files better than those in use were read, and nothing of that is there yet. */
export function isWorthReadingAnew(
  overview: Overview,
  { parser, passageTokens, embedderId }: Generation,
): boolean {
  if (overview.parser <= parser || embedderId === null) return false
  return choicesOf(overview, embedderId).some(
    ({ tokens, taken }) => tokens === passageTokens && taken === null,
  )
}
