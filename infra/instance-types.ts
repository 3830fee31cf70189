// The instance types that a stage may name, with what the rest of the stack has to know of them.
// Prices are AWS's on-demand list prices in us-east-1 (Linux; PostgreSQL): other regions differ, mostly by 5 to 15 %, and
// they change. They order the types and date the estimate; the bill is AWS's.

export type Architecture = 'arm64' | 'x86_64'

/** When a price was looked up. What has none in a source that can be named has no price here, and a plan says so. */
type Price = readonly [usdPerHour: number, asOf: string] | undefined

interface InstanceType {
  readonly architecture: Architecture
  readonly vcpus: number
  readonly memoryGiB: number
  /** What the network carries at any time, in Gbit a second; above it a type lives on credits. */
  readonly networkGbps: number
  /** Burstable: above its share of the CPU it uses up credits, and then is throttled or billed for more. */
  readonly burstable: boolean
  readonly price: Price
}

/** AWS's price list and its instances' network specifications, as Karpenter's tables of that day have them. */
const SERVERS_AS_OF = 'January 2026'

const type = (
  architecture: Architecture,
  vcpus: number,
  memoryGiB: number,
  networkGbps: number,
  usdPerHour: number,
  burstable = false,
): InstanceType => ({
  architecture,
  vcpus,
  memoryGiB,
  networkGbps,
  burstable,
  price: [usdPerHour, SERVERS_AS_OF],
})

export const INSTANCE_TYPES = {
  't4g.small': type('arm64', 2, 2, 0.128, 0.0168, true),
  't4g.medium': type('arm64', 2, 4, 0.256, 0.0336, true),
  't4g.large': type('arm64', 2, 8, 0.512, 0.0672, true),
  't4g.xlarge': type('arm64', 4, 16, 1.024, 0.1344, true),
  't4g.2xlarge': type('arm64', 8, 32, 2.048, 0.2688, true),
  'm7g.medium': type('arm64', 1, 4, 0.52, 0.0408),
  'm7g.large': type('arm64', 2, 8, 0.937, 0.0816),
  'm7g.xlarge': type('arm64', 4, 16, 1.876, 0.1632),
  'm7g.2xlarge': type('arm64', 8, 32, 3.75, 0.3264),
  'c7g.large': type('arm64', 2, 4, 0.937, 0.0725),
  'c7g.xlarge': type('arm64', 4, 8, 1.876, 0.145),
  'c7g.2xlarge': type('arm64', 8, 16, 3.75, 0.29),
  'r7g.large': type('arm64', 2, 16, 0.937, 0.1071),
  'r7g.xlarge': type('arm64', 4, 32, 1.876, 0.2142),
  'r7g.2xlarge': type('arm64', 8, 64, 3.75, 0.4284),
  't3.small': type('x86_64', 2, 2, 0.128, 0.0208, true),
  't3.medium': type('x86_64', 2, 4, 0.256, 0.0416, true),
  't3.large': type('x86_64', 2, 8, 0.512, 0.0832, true),
  't3.xlarge': type('x86_64', 4, 16, 1.024, 0.1664, true),
  't3.2xlarge': type('x86_64', 8, 32, 2.048, 0.3328, true),
  't3a.small': type('x86_64', 2, 2, 0.128, 0.0188, true),
  't3a.medium': type('x86_64', 2, 4, 0.256, 0.0376, true),
  't3a.large': type('x86_64', 2, 8, 0.512, 0.0752, true),
  't3a.xlarge': type('x86_64', 4, 16, 1.024, 0.1504, true),
  't3a.2xlarge': type('x86_64', 8, 32, 2.048, 0.3008, true),
  'm6i.large': type('x86_64', 2, 8, 0.781, 0.096),
  'm6i.xlarge': type('x86_64', 4, 16, 1.562, 0.192),
  'm6i.2xlarge': type('x86_64', 8, 32, 3.125, 0.384),
  'm6i.4xlarge': type('x86_64', 16, 64, 6.25, 0.768),
  'm7i.large': type('x86_64', 2, 8, 0.781, 0.1008),
  'm7i.xlarge': type('x86_64', 4, 16, 1.562, 0.2016),
  'm7i.2xlarge': type('x86_64', 8, 32, 3.125, 0.4032),
  'm7i.4xlarge': type('x86_64', 16, 64, 6.25, 0.8064),
  'm7a.large': type('x86_64', 2, 8, 0.781, 0.11592),
  'm7a.xlarge': type('x86_64', 4, 16, 1.562, 0.23184),
  'm7a.2xlarge': type('x86_64', 8, 32, 3.125, 0.46368),
  'm7a.4xlarge': type('x86_64', 16, 64, 6.25, 0.92736),
  'c6i.large': type('x86_64', 2, 4, 0.781, 0.085),
  'c6i.xlarge': type('x86_64', 4, 8, 1.562, 0.17),
  'c6i.2xlarge': type('x86_64', 8, 16, 3.125, 0.34),
  'c6i.4xlarge': type('x86_64', 16, 32, 6.25, 0.68),
  'c7i.large': type('x86_64', 2, 4, 0.781, 0.08925),
  'c7i.xlarge': type('x86_64', 4, 8, 1.562, 0.1785),
  'c7i.2xlarge': type('x86_64', 8, 16, 3.125, 0.357),
  'c7i.4xlarge': type('x86_64', 16, 32, 6.25, 0.714),
  'c7a.large': type('x86_64', 2, 4, 0.781, 0.10264),
  'c7a.xlarge': type('x86_64', 4, 8, 1.562, 0.20528),
  'c7a.2xlarge': type('x86_64', 8, 16, 3.125, 0.41056),
  'c7a.4xlarge': type('x86_64', 16, 32, 6.25, 0.82112),
  'r6i.large': type('x86_64', 2, 16, 0.781, 0.126),
  'r6i.xlarge': type('x86_64', 4, 32, 1.562, 0.252),
  'r6i.2xlarge': type('x86_64', 8, 64, 3.125, 0.504),
  'r6i.4xlarge': type('x86_64', 16, 128, 6.25, 1.008),
  'r7i.large': type('x86_64', 2, 16, 0.781, 0.1323),
  'r7i.xlarge': type('x86_64', 4, 32, 1.562, 0.2646),
  'r7i.2xlarge': type('x86_64', 8, 64, 3.125, 0.5292),
  'r7i.4xlarge': type('x86_64', 16, 128, 6.25, 1.0584),
} as const satisfies Readonly<Record<string, InstanceType>>
export type InstanceTypeName = keyof typeof INSTANCE_TYPES

interface DatabaseType {
  readonly memoryGiB: number
  /** Of one zone; Multi-AZ costs twice that. */
  readonly price: Price
}

/** As a public table of that month has them, where no other one that was found says otherwise. */
const DATABASES_AS_OF = 'April 2026'
const BY_HAND = 'November 2026'
const database = (memoryGiB: number, usdPerHour?: number, asOf = DATABASES_AS_OF): DatabaseType => ({
  memoryGiB,
  price: usdPerHour === undefined ? undefined : [usdPerHour, asOf],
})

/** Database instances (PostgreSQL). Which of them a region has, RDS says. */
export const DATABASE_CLASSES = {
  'db.t4g.micro': database(1, 0.016, BY_HAND),
  'db.t4g.small': database(2, 0.032, BY_HAND),
  'db.t4g.medium': database(4, 0.065, BY_HAND),
  'db.t4g.large': database(8, 0.129, BY_HAND),
  'db.m7g.large': database(8, 0.168, BY_HAND),
  'db.m7g.xlarge': database(16, 0.337),
  'db.m7g.2xlarge': database(32, 0.674),
  'db.r7g.large': database(16, 0.239, BY_HAND),
  'db.t3.medium': database(4),
  'db.t3.large': database(8),
  'db.m6i.large': database(8, 0.178),
  'db.m6i.xlarge': database(16, 0.356),
  'db.m6i.2xlarge': database(32, 0.712),
  'db.r6i.large': database(16),
  'db.r6i.xlarge': database(32),
  'db.r6i.2xlarge': database(64),
  'db.m7i.large': database(8),
  'db.m7i.xlarge': database(16),
  'db.m7i.2xlarge': database(32),
  'db.r7i.large': database(16),
  'db.r7i.xlarge': database(32),
  'db.r7i.2xlarge': database(64),
} as const satisfies Readonly<Record<string, DatabaseType>>
export type DatabaseClass = keyof typeof DATABASE_CLASSES

const keys = <T extends object>(table: T) => Object.keys(table) as [keyof T & string, ...(keyof T & string)[]]
export const INSTANCE_TYPE_NAMES = keys(INSTANCE_TYPES)
export const DATABASE_CLASS_NAMES = keys(DATABASE_CLASSES)

/** @returns families of the architecture whose CPU is theirs at any time */
export const steadyFamilies = (architecture: Architecture): string[] => [
  ...new Set(
    INSTANCE_TYPE_NAMES.filter(
      (name) => INSTANCE_TYPES[name].architecture === architecture && !INSTANCE_TYPES[name].burstable,
    ).map((name) => name.split('.')[0] ?? ''),
  ),
]
