// What every step of an upload needs.
import type { Aws } from '../../aws/port.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Tier } from '../recipe/debian.ts'
import type { Progress } from './put-blocks.ts'

export const TIERS = ['api', 'web'] as const satisfies readonly Tier[]

/** A disk that was built and has passed its boot tests. */
export interface BuiltTier {
  readonly tier: Tier
  /** Raw, GPT, UEFI. */
  readonly file: string
  /** `checksumOf` the file, taken before it was tested. */
  readonly checksum: string
  /** GiB of the volume; without it as few as the disk needs. */
  readonly volumeGiB?: number | undefined
}

export interface Baking {
  readonly aws: Aws
  readonly ledger: Ledger
  /** Where the journal lies; digests of confirmed blocks are kept beside it. */
  readonly folder: string
  readonly architecture: 'arm64' | 'x86_64'
  /** ARN of the key that snapshots are encrypted with; undefined: the account's own for EBS. */
  readonly key: string | undefined
  readonly workers?: number | undefined
  readonly say: (line: string) => void
  readonly progress: (tier: Tier, progress: Progress) => void
  readonly signal: AbortSignal | undefined
}
