// Weaknesses that images may ship with for a while, each with who is not in danger and why, and until when: for 90 days
// at most, then somebody looks again.
export interface Waiver {
  /** CVE-… or GHSA-… */
  readonly id: string
  /** Of npm, or source package of Debian. */
  readonly package: string
  readonly reason: string
  /** Last day, YYYY-MM-DD, UTC. */
  readonly until: string
}

export const WAIVERS: readonly Waiver[] = []
