// A weakness that somebody has published, of a part that an image has.

export const SOURCES = ['debian', 'npm'] as const
export type Source = (typeof SOURCES)[number]

export interface Finding {
  readonly source: Source
  /** CVE-… or GHSA-…, as whoever tells of it calls it. */
  readonly id: string
  readonly package: string
  readonly version: string
  /** `unknown`: nobody has said yet how bad it is. */
  readonly severity: 'low' | 'moderate' | 'high' | 'critical' | 'unknown'
  /** What would be without it; undefined: nothing is, yet. */
  readonly fixed: string | undefined
}
