// The domain that so many passages need, and its price.

import { HOURS, PRICES } from '../../infra/cost.ts'
import { SEARCH_TYPES } from '../../infra/search-types.ts'

const TYPES = (
  [
    'r7g.large.search',
    'r7g.xlarge.search',
    'r7g.2xlarge.search',
    'r7g.4xlarge.search',
    'r7g.8xlarge.search',
  ] as const
).map((name) => ({ name, ...SEARCH_TYPES[name] }))
const MANAGER_USD_PER_HOUR = SEARCH_TYPES['m7g.large.search'].usdPerHour
const DISK_USD_PER_GIB = PRICES.searchGiB
const GIB = 2 ** 30

const COPIES = 2
const MANAGERS_FROM_NODES = 3
const DISK_FACTOR = 1.45
const SHARD_GIB = 30
const FEWEST_SHARDS = 3
const CACHE_SHARE = 0.5
/** A vector of 384 floats, and its 32 neighbours in the graph's lowest layer with a tenth for the layers above. */
const HOT_BYTES = 4 * 384 + 1.1 * 32 * 4

export const SIZES_ASSUMED = {
  prices: 'us-east-1, on demand, November 2026; without traffic and snapshots',
  copies: COPIES,
  diskOverIndex: DISK_FACTOR,
  mostGiBOfAShard: SHARD_GIB,
  bytesOfAPassageInThePageCache: HOT_BYTES,
  pageCacheOfMemory: CACHE_SHARE,
  managers: `three m7g.large.search from ${MANAGERS_FROM_NODES} data nodes on`,
} as const

export interface Domain {
  readonly nodes: number
  readonly type: string
  readonly shards: number
  readonly diskGiB: number
  readonly usdAMonth: number
}

/** The cheapest even number of equal nodes in two zones whose page caches hold the vectors of all copies. */
export function domainFor(passages: number, diskBytesPerPassage: number): Domain {
  const indexGiB = (passages * diskBytesPerPassage) / GIB
  const shards = Math.max(FEWEST_SHARDS, Math.ceil(indexGiB / SHARD_GIB))
  const diskGiB = Math.max(20, indexGiB * COPIES * DISK_FACTOR)
  const hotGiB = (passages * HOT_BYTES * COPIES) / GIB
  const domains = TYPES.map(({ name, memoryGiB, usdPerHour }) => {
    const nodes = Math.max(2, 2 * Math.ceil(hotGiB / (2 * CACHE_SHARE * memoryGiB)))
    const managers = nodes >= MANAGERS_FROM_NODES ? 3 * MANAGER_USD_PER_HOUR : 0
    const usdAMonth = (nodes * usdPerHour + managers) * HOURS + diskGiB * DISK_USD_PER_GIB
    return { nodes, type: name, shards, diskGiB, usdAMonth }
  })
  // Of equal prices the fewest nodes.
  return domains.reduce((best, one) =>
    one.usdAMonth < 0.999 * best.usdAMonth ||
    (one.usdAMonth < 1.001 * best.usdAMonth && one.nodes < best.nodes)
      ? one
      : best,
  )
}
