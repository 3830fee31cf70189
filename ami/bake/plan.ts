// What a bake is about to do, and what it costs, in words.
import type { Home } from '../../infra/bootstrap/names.ts'
import type { BootPlace } from '../ec2/boot-place.ts'
import { BOOT_TYPES, mostUsd, PATIENCE_MINUTES } from '../ec2/boot-test.ts'
import { databaseAuthorities } from '../recipe/authorities.ts'
import type { Tier } from '../recipe/debian.ts'
import { ARCHITECTURE, SUITE } from '../recipe/debian.ts'
import { TIERS } from '../upload/baking.ts'
import type { Built, MadeTier } from './built.ts'
import type { Checkout } from './checkout.ts'
import type { DebianLists, Inputs } from './inputs.ts'

const MIB = 2 ** 20
const GIB = 2 ** 30
/** Snapshots, USD per GiB and month: aws.amazon.com/ebs/pricing, us-east-1 (2026); other regions are up to twice as dear. */
const SNAPSHOT_USD = 0.05

export interface Planned {
  readonly tiers: readonly Tier[]
  readonly checkout: Checkout
  readonly lists: DebianLists
  readonly inputs: Inputs
  readonly built: Built
  /** Whose static files the web image carries too, in words. */
  readonly carries: string | undefined
  readonly to: (Home & { readonly key: string; readonly bootPlace: BootPlace | undefined }) | undefined
  /** Of the builder. */
  readonly where: string
}

export function linesOf({ tiers, checkout, lists, inputs, built, carries, to, where }: Planned): string[] {
  const { uncommitted, commit } = checkout
  const mark = uncommitted.length === 0 ? '' : ` and ${uncommitted.length} uncommitted files`
  return [
    `Image set ${inputs.inputs.slice(0, 12)}: release ${inputs.release}, of commit ${commit.slice(0, 12)}${mark}`,
    `  Debian ${SUITE}, ${ARCHITECTURE}, made and booted ${where}`,
    ...tiers.map(
      (tier) => `  ${tier}: ${lists.images[tier].length} packages of Debian; ${stateOf(built.tier(tier))}`,
    ),
    `  its pages: ${carries === undefined ? 'no others' : `beside its own the static files of ${carries}`}`,
    to === undefined
      ? '  Nothing is uploaded.'
      : `  to account ${to.account}, ${to.region}, encrypted with ${to.key}: ${volumeOf(tiers, built)}`,
    ...(to === undefined ? [] : [bootsOf(to.bootPlace), ...unknownDatabases(to.region)]),
  ]
}

const bootsOf = (place: BootPlace | undefined): string =>
  place === undefined
    ? '  not booted on EC2: protected stages refuse the set, and that can’t be made good later'
    : `  booted on EC2 before they are recorded: ${TIERS.map((tier) => `${tier} on ${BOOT_TYPES[tier][0]}`).join(', ')}, ` +
      `${PATIENCE_MINUTES} minutes each at most, together USD ${mostUsd().toFixed(2)} at most`

/** Said now, and not by a server that is given up as it boots. */
function unknownDatabases(region: string): string[] {
  if (databaseAuthorities().regions.includes(region)) return []
  return [
    `  The API image knows no authorities of RDS in ${region}: put them into ami/recipe/rds-authorities (its README.md says how), or ` +
      'give servers there the parameter DATABASE_CA. Without either they are given up as they boot.',
  ]
}

function stateOf(made: MadeTier | undefined): string {
  if (made === undefined) return 'its disk is to be made and booted'
  const next = made.boot === undefined ? 'is to be booted' : `was ready after ${made.boot.seconds} s`
  return `its disk is there (${sizeOf(made)}) and ${next}`
}

export const sizeOf = ({ bytes, allocatedBytes }: Pick<MadeTier, 'bytes' | 'allocatedBytes'>): string =>
  `${Math.round(bytes / MIB)} MiB, ${Math.round(allocatedBytes / MIB)} of them not empty`

/** Every block is uploaded, those of zeros too. */
function volumeOf(tiers: readonly Tier[], built: Built): string {
  const made = tiers.map((tier) => built.tier(tier))
  const bytes = made.reduce((sum, one) => sum + (one?.bytes ?? 0), 0)
  return made.includes(undefined) ? 'how much is known once the disks are made' : costOf(bytes)
}

/** @param bytes of disks */
export const costOf = (bytes: number): string =>
  `${Math.round(bytes / MIB)} MiB, about USD ${((bytes / GIB) * SNAPSHOT_USD).toFixed(2)} a month for as long as it is kept`
