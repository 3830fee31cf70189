import type { TextRange } from './highlight.ts'

export interface ReaderTarget {
  readonly page: number
  /** Null: the page without a passage. */
  readonly range: TextRange | null
}

/**
 * What can be marked of a target in the reading that is shown: a place in one that is kept no longer would be other words
 * in it. An address without a reading is taken as it stands.
 */
export function shownTarget(target: ReaderTarget, asked: number | undefined, shown: number): ReaderTarget {
  const same = asked === undefined || asked === shown
  return same || target.range === null ? target : { page: target.page, range: null }
}
