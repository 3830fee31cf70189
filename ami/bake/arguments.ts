// The command line of a bake, and everything that can be wrong with it.
import { parseArgs } from 'node:util'
import type { Home } from '../../infra/bootstrap/names.ts'
import type { Which } from '../image-set/previous.ts'
import { BakeFailure } from '../ledger/failure.ts'
import { readHome } from '../ledger/home.ts'
import type { Tier } from '../recipe/debian.ts'
import { TIERS } from '../upload/baking.ts'

export interface BakeLine {
  /** Where images are made: on this machine, or on an instance of the account. */
  readonly builder: 'local' | 'ec2'
  readonly tiers: readonly Tier[]
  /** Where the images go; undefined: their disks stay here. */
  readonly home: Home | undefined
  readonly profile: string | undefined
  readonly dryRun: boolean
  readonly allowDirty: boolean
  /** Whose static files the web image carries beside its own. */
  readonly previous: Which
  /** Why images may be uploaded of which not everybody could be asked what is weak in them. */
  readonly allowUnscanned: string | undefined
  /** Where the images are booted once more before their set is recorded. */
  readonly bootTest: 'ec2' | 'none'
}

export const USAGE =
  'npm run bake -- [--builder local|ec2] --tier all --region REGION --account 12-DIGITS [--profile NAME]\n' +
  '  [--builder local|ec2]                local: this machine, a Debian or Ubuntu with root’s rights; ec2: an instance of the account,\n' +
  '                                       the default where AWS itself is asked\n' +
  '  [--dry-run] [--allow-dirty]          plan only; bake what is not committed, for stages that are not protected\n' +
  '  [--previous SET|latest|none]         whose static files the web image carries too, for pages that are open during a roll;\n' +
  '                                       default: what images of these inputs carry already, else the newest set’s of other pages\n' +
  '  [--boot-test ec2|none]               default ec2: both images are started there once; without it protected stages refuse the set\n' +
  '  [--allow-unscanned "REASON"]         where who knows of weaknesses is not reached; the reason stands in the record\n' +
  'npm run bake -- [--builder local] --tier api|web|all --no-upload [--dry-run] [--allow-dirty]'

const OPTIONS = {
  builder: { type: 'string' },
  tier: { type: 'string' },
  region: { type: 'string' },
  account: { type: 'string' },
  profile: { type: 'string' },
  'dry-run': { type: 'boolean', default: false },
  'no-upload': { type: 'boolean', default: false },
  'allow-dirty': { type: 'boolean', default: false },
  previous: { type: 'string' },
  'allow-unscanned': { type: 'string' },
  'boot-test': { type: 'string' },
} as const

const refuse = (what: string, cause?: unknown) => new BakeFailure(`${what}\n${USAGE}`, { cause })

/**
 * @param isAws whether EC2 is AWS's own, and no emulator
 * @throws BakeFailure saying what is wrong, and how it is meant
 */
export function readBakeLine(args: readonly string[], isAws: boolean): BakeLine {
  let values: ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values']
  try {
    ;({ values } = parseArgs({ options: OPTIONS, args: [...args] }))
  } catch (cause) {
    throw refuse(cause instanceof Error ? cause.message : '', cause)
  }
  const tiers = values.tier === 'all' ? TIERS : TIERS.filter((tier) => tier === values.tier)
  if (tiers.length === 0) throw refuse(`--tier ${values.tier ?? ''}: there is api, web and all.`)
  const home = values['no-upload'] ? nowhere(values) : readHome(values, refuse)
  if (home !== undefined && tiers.length < TIERS.length)
    throw refuse(
      `--tier ${values.tier} makes one disk, and an image set has both: --tier all, or --no-upload to keep the disk here.`,
    )
  const builder = readBuilder(values.builder, home, isAws)
  if (builder === 'ec2' && home === undefined)
    throw refuse('--builder ec2 needs an account: with --no-upload there is --builder local only.')
  return {
    builder,
    tiers,
    home,
    profile: values.profile,
    dryRun: values['dry-run'],
    allowDirty: values['allow-dirty'],
    previous: home === undefined ? 'none' : readPrevious(values.previous),
    allowUnscanned: readReason(values['allow-unscanned'], home),
    bootTest: readBootTest(values['boot-test'], home),
  }
}

function readPrevious(given: string | undefined): Which {
  if (given === undefined) return 'usual'
  if (given === 'latest' || given === 'none') return given
  if (/^[0-9a-f]{12,64}$/.test(given)) return { set: given }
  throw refuse(`--previous ${given}: there is latest, none, and at least 12 digits of an image set’s name.`)
}

function readReason(text: string | undefined, home: Home | undefined): string | undefined {
  if (text === undefined) return undefined
  if (home === undefined) throw refuse('--no-upload sends nothing: --allow-unscanned has no meaning with it.')
  const reason = text.trim()
  if (reason === '' || reason.length > 500)
    throw refuse('--allow-unscanned wants the reason, in 500 letters at most.')
  return reason
}

function readBootTest(given: string | undefined, home: Home | undefined): BakeLine['bootTest'] {
  if (home === undefined) {
    if (given !== undefined) throw refuse('--no-upload sends nothing: --boot-test has no meaning with it.')
    return 'none'
  }
  if (given === undefined || given === 'ec2') return 'ec2'
  if (given === 'none') return given
  throw refuse(`--boot-test ${given}: there is ec2 and none.`)
}

function readBuilder(
  builder: string | undefined,
  home: Home | undefined,
  isAws: boolean,
): BakeLine['builder'] {
  if (builder === 'local' || builder === 'ec2') return builder
  if (builder !== undefined) throw refuse(`--builder ${builder}: there is local and ec2.`)
  // An emulator's instances build nothing.
  return home !== undefined && isAws ? 'ec2' : 'local'
}

interface Place {
  readonly account?: string | undefined
  readonly region?: string | undefined
  readonly previous?: string | undefined
}

function nowhere({ account, region, previous = 'none' }: Place): undefined {
  if (previous !== 'none')
    throw refuse(`--previous ${previous}: with --no-upload no account is asked, and other sets are there.`)
  if (account !== undefined || region !== undefined)
    throw refuse('--no-upload sends nothing: --account and --region have no meaning with it.')
}
