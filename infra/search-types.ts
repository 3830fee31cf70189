// The instance types of Amazon OpenSearch Service that a stage may name for its search domain. Prices are on-demand list
// prices of us-east-1, as two tables in public repositories have them alike, read in November 2026. Ours is a choice of
// those with volumes on EBS: what they hold lies on encrypted gp3 disks.

interface SearchType {
  readonly memoryGiB: number
  readonly usdPerHour: number
  /** Lives on CPU credits: to try things with. */
  readonly burstable: boolean
}
const type = (memoryGiB: number, usdPerHour: number, burstable = false): SearchType => ({
  memoryGiB,
  usdPerHour,
  burstable,
})

export const SEARCH_TYPES = {
  't3.medium.search': type(4, 0.073, true),
  'm7g.medium.search': type(4, 0.068),
  'm7g.large.search': type(8, 0.135),
  'm7g.xlarge.search': type(16, 0.271),
  'm7g.2xlarge.search': type(32, 0.542),
  'm7g.4xlarge.search': type(64, 1.084),
  'r7g.medium.search': type(8, 0.089),
  'r7g.large.search': type(16, 0.178),
  'r7g.xlarge.search': type(32, 0.356),
  'r7g.2xlarge.search': type(64, 0.711),
  'r7g.4xlarge.search': type(128, 1.422),
  'r7g.8xlarge.search': type(256, 2.845),
} as const satisfies Readonly<Record<string, SearchType>>

export type SearchTypeName = keyof typeof SEARCH_TYPES
export const SEARCH_TYPE_NAMES = Object.keys(SEARCH_TYPES) as [SearchTypeName, ...SearchTypeName[]]
