// The instance types that a stage may name, with what the rest of the stack has to know of them.
// Prices are AWS's on-demand list prices in us-east-1, noted in November 2026 by hand: other regions differ, mostly by
// 5 to 15 %, and they change. They order the types and date the estimate; the bill is AWS's.

export type Architecture = 'arm64' | 'x86_64'

interface InstanceType {
  readonly architecture: Architecture
  readonly vcpus: number
  readonly memoryGiB: number
  /** Burstable: above its share of the CPU it uses up credits, and then is throttled or billed for more. */
  readonly burstable: boolean
  readonly usdPerHour: number
}

const type = (
  architecture: Architecture,
  vcpus: number,
  memoryGiB: number,
  usdPerHour: number,
  burstable = false,
): InstanceType => ({ architecture, vcpus, memoryGiB, burstable, usdPerHour })

export const INSTANCE_TYPES = {
  't4g.small': type('arm64', 2, 2, 0.0168, true),
  't4g.medium': type('arm64', 2, 4, 0.0336, true),
  't4g.large': type('arm64', 2, 8, 0.0672, true),
  'm7g.medium': type('arm64', 1, 4, 0.0408),
  'm7g.large': type('arm64', 2, 8, 0.0816),
  'm7g.xlarge': type('arm64', 4, 16, 0.1632),
  'c7g.large': type('arm64', 2, 4, 0.0725),
  'c7g.xlarge': type('arm64', 4, 8, 0.145),
  'r7g.large': type('arm64', 2, 16, 0.1071),
  'r7g.xlarge': type('arm64', 4, 32, 0.2142),
  't3.small': type('x86_64', 2, 2, 0.0208, true),
  't3.medium': type('x86_64', 2, 4, 0.0416, true),
  'm7i.large': type('x86_64', 2, 8, 0.1008),
  'm7i.xlarge': type('x86_64', 4, 16, 0.2016),
  'c7i.large': type('x86_64', 2, 4, 0.08925),
  'r7i.large': type('x86_64', 2, 16, 0.1323),
} as const satisfies Readonly<Record<string, InstanceType>>
export type InstanceTypeName = keyof typeof INSTANCE_TYPES

/** Database instances (PostgreSQL): USD per hour in one zone; Multi-AZ costs twice that. */
export const DATABASE_CLASSES = {
  'db.t4g.micro': { memoryGiB: 1, usdPerHour: 0.016 },
  'db.t4g.small': { memoryGiB: 2, usdPerHour: 0.032 },
  'db.t4g.medium': { memoryGiB: 4, usdPerHour: 0.065 },
  'db.t4g.large': { memoryGiB: 8, usdPerHour: 0.129 },
  'db.m7g.large': { memoryGiB: 8, usdPerHour: 0.168 },
  'db.r7g.large': { memoryGiB: 16, usdPerHour: 0.239 },
} as const satisfies Readonly<Record<string, { readonly memoryGiB: number; readonly usdPerHour: number }>>
export type DatabaseClass = keyof typeof DATABASE_CLASSES

const keys = <T extends object>(table: T) => Object.keys(table) as [keyof T & string, ...(keyof T & string)[]]
export const INSTANCE_TYPE_NAMES = keys(INSTANCE_TYPES)
export const DATABASE_CLASS_NAMES = keys(DATABASE_CLASSES)
