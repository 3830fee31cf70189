// A bake, from a checkout to a recorded image set. What is there already is not made again: a recorded set, a disk that
// was made of the same, a boot test that it has passed, blocks that AWS has confirmed.
import path from 'node:path'
import { type Aws, callerIn } from '../../aws/port.ts'
import { BOOTSTRAP_STACK, type Home } from '../../infra/bootstrap/names.ts'
import { type ImageSet, isBootedOnEc2 } from '../../infra/images.ts'
import { describeStack } from '../../infra/release/follow.ts'
import { Problem } from '../../local/problem.ts'
import { type BootPlace, bootPlaceOf } from '../ec2/boot-place.ts'
import { keepParts, partsOf, writeParts } from '../image-set/parts.ts'
import { type Choice, choosePrevious, keepChoice, nameOf } from '../image-set/previous.ts'
import { readSet } from '../image-set/record.ts'
import { readStatic } from '../image-set/static-files.ts'
import { BakeFailure } from '../ledger/failure.ts'
import { lock } from '../ledger/store.ts'
import type { Tier } from '../recipe/debian.ts'
import { TIERS } from '../upload/baking.ts'
import { publish } from '../upload/publish.ts'
import type { BakeLine } from './arguments.ts'
import { openBuilt } from './built.ts'
import type { Checkout } from './checkout.ts'
import { closing } from './closing.ts'
import { inputsOf, withPrevious } from './inputs.ts'
import { costOf, linesOf } from './plan.ts'
import { booting, type Kitchen, looking, making, type Other, type Work } from './work.ts'

export type Baked =
  /** `release` is undefined while nobody can know it. */
  | { readonly outcome: 'planned'; readonly release: string | undefined }
  | { readonly outcome: 'kept-here'; readonly release: string }
  /** `made` is false when there was one of these inputs. */
  | { readonly outcome: 'set'; readonly set: ImageSet; readonly made: boolean }

/** Where images go, and what encrypts them. */
type To = Home & {
  readonly aws: Aws
  readonly key: string
  /** Undefined: they are not booted on EC2. */
  readonly bootPlace: BootPlace | undefined
}

/**
 * @throws Problem, BakeFailure and AwsProblem in words, also when another process bakes the same; what was made on this
 *   machine is kept for the next run
 */
export const bake = (line: BakeLine, kitchen: Kitchen): Promise<Baked> =>
  closing(kitchen.builder, () => bakeWith(line, kitchen))

async function bakeWith(line: BakeLine, kitchen: Kitchen): Promise<Baked> {
  const { say, builder, signal } = kitchen
  const checkout = await kitchen.checkout()
  requireCommitted(checkout, line)
  const to = await destination(line, kitchen)
  if (line.dryRun && builder.foresee !== undefined) {
    for (const one of await builder.foresee()) say(one)
    return { outcome: 'planned', release: undefined }
  }
  const lists = await builder.lists(checkout)
  const base = inputsOf(checkout, lists)
  const { allowDirty, previous: which } = line
  const choice: Choice = { which, base: base.inputs, build: kitchen.pages.build(), allowDirty }
  const previous = to && (await choosePrevious(to.aws, to, choice))
  const inputs = withPrevious(base, checkout, previous)
  const recorded = to && (await readSet(to.aws, to, inputs.inputs))
  if (to !== undefined && recorded !== undefined) {
    say(
      `Image set ${inputs.inputs.slice(0, 12)} is there: release ${recorded.release}, made ${recorded.madeAt}.`,
    )
    if (to.bootPlace !== undefined && !TIERS.every((tier) => isBootedOnEc2(recorded, tier)))
      say(
        'Its record shows no boot on EC2, so protected stages refuse it. A record never changes: one of other inputs is made with it.',
      )
    if (line.dryRun) return { outcome: 'set', set: recorded, made: false }
    const set = await lookAfter(kitchen, to, recorded)
    await keepChoice(to.aws, to, choice, previous)
    return { outcome: 'set', set, made: false }
  }
  if (to !== undefined) kitchen.inspection.requireShippable()
  const carried = to && previous !== undefined ? await readCarried(to, previous) : undefined
  const folder = path.join(kitchen.disks, inputs.inputs)
  await using _lock = await lock(path.join(folder, 'bake'))
  const built = await openBuilt(folder, kitchen.now())
  const { build } = choice
  const work: Work = { line, kitchen, checkout, lists, inputs, built, carried, build, inspected: [] }
  const carries = carried && nameOf(carried.set)
  const plan = { tiers: line.tiers, checkout, lists, inputs, built, carries, to, where: builder.where }
  for (const one of linesOf(plan)) say(one)
  if (line.dryRun) return { outcome: 'planned', release: inputs.release }
  signal.throwIfAborted()
  const made = line.tiers.map((tier) => making(work, tier))
  await kitchen.perform([...made, looking(work), booting(work)])
  // It costs money, and has nothing to do any more.
  await builder.close?.()
  for (const tier of line.tiers) say(`${tier}: ${built.file(tier)}`)
  if (to === undefined) return { outcome: 'kept-here', release: inputs.release }
  say(`To upload: ${costOf(TIERS.reduce((sum, tier) => sum + (built.tier(tier)?.bytes ?? 0), 0))}.`)
  const found: ImageSet[] = []
  await kitchen.perform([
    {
      title: `Upload to account ${to.account}, ${to.region}${to.bootPlace ? ', and boot there' : ''}`,
      work: async (progress) => {
        found.push(
          await upload(work, to, (text) => {
            progress.output = text
          }),
        )
      },
    },
  ])
  const [set] = found
  if (set === undefined) throw new Error('an upload ended without an image set')
  await keepChoice(to.aws, to, choice, previous)
  return { outcome: 'set', set, made: true }
}

/** Before anything is made. @throws BakeFailure when they can't be had */
async function readCarried({ aws, ...home }: To, inputs: string): Promise<Other> {
  const set = await readSet(aws, home, inputs)
  if (set === undefined)
    throw new BakeFailure(
      `Image set ${inputs.slice(0, 12)}, whose static files the web image is to carry, is not recorded any more. Nothing was made. ` +
        '--previous latest takes those of the newest set.',
    )
  return { set, files: await readStatic(aws, home, set) }
}

function requireCommitted({ uncommitted }: Checkout, { allowDirty }: BakeLine): void {
  if (uncommitted.length === 0 || allowDirty) return
  const named = uncommitted.slice(0, 5).join(', ')
  const more = uncommitted.length > 5 ? ` and ${uncommitted.length - 5} more` : ''
  throw new Problem(
    `What images are made of is not committed: ${named}${more}. Nobody could tell later what is in them.`,
    'Commit it, or bake with --allow-dirty for a stage that is not protected.',
  )
}

/** @throws AwsProblem for credentials of another account; BakeFailure without a bootstrap */
async function destination({ home, bootTest }: BakeLine, { aws }: Kitchen): Promise<To | undefined> {
  if (home === undefined || aws === undefined) return undefined
  await callerIn(aws, home.account, 'This bake')
  const stack = await describeStack(aws, BOOTSTRAP_STACK)
  const output = (name: string) => stack?.Outputs?.find(({ OutputKey }) => OutputKey === name)?.OutputValue
  const key = output('ImageKey')
  if (key === undefined)
    throw new BakeFailure(
      `Account ${home.account} has no ${BOOTSTRAP_STACK} in ${home.region}, whose key encrypts images: npm run bootstrap makes it, ` +
        'once for an account and a region. Nothing was made.',
    )
  return { ...home, aws, key, bootPlace: bootTest === 'ec2' ? bootPlaceOf(home, output) : undefined }
}

/** Nothing is sent: its images are looked at, and what an ended run has left is removed. */
function lookAfter({ journals, say, signal }: Kitchen, to: To, recorded: ImageSet): Promise<ImageSet> {
  const disk = { file: 'none', checksum: 'none' }
  const publication = { ...recorded, key: to.key, tiers: { api: disk, web: disk } }
  return publish(to.aws, publication, { folder: journals, say, signal })
}

async function upload(work: Work, to: To, tell: (text: string) => void): Promise<ImageSet> {
  const { kitchen, checkout, inputs, built, carried, build } = work
  const [looked] = work.inspected
  if (looked === undefined) throw new Error('nobody has looked at what is to be uploaded')
  const files = await kitchen.pages.files(build, tell)
  const parts = partsOf({ packages: inputs.packages, sbom: looked.sbom, staticFiles: files })
  await writeParts(to.aws, to, parts)
  const tested = (tier: Tier) => {
    const made = built.tier(tier)
    if (made?.boot === undefined) throw new Error(`${tier} is to be uploaded and was never booted`)
    return { disk: { file: built.file(tier), checksum: made.checksum }, boot: made.boot }
  }
  const tiers = { api: tested('api'), web: tested('web') }
  const set = await publish(
    to.aws,
    {
      inputs: inputs.inputs,
      release: inputs.release,
      madeAt: built.madeAt,
      account: to.account,
      architecture: 'x86_64',
      bootSeconds: { api: tiers.api.boot.seconds, web: tiers.web.boot.seconds },
      bootTests: TIERS.map((tier) => ({ tier, where: 'local', ...tiers[tier].boot })),
      packages: inputs.packages.sha256,
      pages: { build, files: files.sha256 },
      ...(carried && { previous: carried.set.inputs }),
      sbom: looked.sbom.sha256,
      scan: looked.scan,
      commit: checkout.commit,
      key: to.key,
      bootPlace: to.bootPlace,
      tiers: { api: tiers.api.disk, web: tiers.web.disk },
    },
    {
      folder: kitchen.journals,
      say: tell,
      signal: kitchen.signal,
      progress: (tier, { done, total, bytesPerSecond }) =>
        tell(
          `${tier}: ${mib(done)} of ${mib(total)} MiB, ${(bytesPerSecond / 2 ** 20).toFixed(1)} MiB a second`,
        ),
    },
  )
  await keepParts(to.aws, to, parts)
  return set
}

const mib = (bytes: number): number => Math.round(bytes / 2 ** 20)
