// From two tested disks to an image set: each is uploaded and registered, then the record is written, which is the moment
// from which the set exists. Before that everything can be taken back; ended anywhere, the next run goes on.
import path from 'node:path'
import { DescribeImagesCommand } from '@aws-sdk/client-ec2'
import { type Aws, callerIn } from '../../aws/port.ts'
import { AwsProblem } from '../../aws/problems.ts'
import type { ImageSet } from '../../infra/images.ts'
import { type BootPlace, bootOnEc2 } from '../ec2/boot-test.ts'
import { end } from '../ec2/machine.ts'
import { readSet, writeSet } from '../image-set/record.ts'
import { BakeFailure, Continuable } from '../ledger/failure.ts'
import { beginLedger, type Ledger, readLedger } from '../ledger/ledger.ts'
import { fileStore, type LedgerStore, lock } from '../ledger/store.ts'
import type { Tier } from '../recipe/debian.ts'
import { type Baking, type BuiltTier, TIERS } from './baking.ts'
import { imageName, makeImage, removeImage } from './image.ts'
import type { Progress } from './put-blocks.ts'
import { makeSnapshot, removeSnapshot, snapshotName } from './snapshot.ts'

export interface Publication extends Omit<ImageSet, 'regions'> {
  readonly tiers: Readonly<Record<Tier, Omit<BuiltTier, 'tier'>>>
  /** ARN of the key that images are encrypted with; undefined: the account's own for EBS. */
  readonly key?: string | undefined
  /** Where its images are booted before the set is recorded; undefined: nowhere. */
  readonly bootPlace?: BootPlace | undefined
}

export interface Publishing {
  /** Where journals lie. */
  readonly folder: string
  /** Blocks under way at a time. */
  readonly workers?: number | undefined
  readonly say: (line: string) => void
  readonly progress?: (tier: Tier, progress: Progress) => void
  /** When it is aborted, everything is taken back. */
  readonly signal?: AbortSignal | undefined
  /** Instead of a file in `folder`. */
  readonly store?: LedgerStore | undefined
}

/** So much of a bake's time has to be left when its images are recorded: from then on nothing sweeps them. */
const SAFE_MS = 60 * 60_000

/**
 * @returns the set of these inputs; nothing is made when there is one
 * @throws BakeFailure and AwsProblem in words, with what was taken back, or how to go on
 */
export async function publish(aws: Aws, publication: Publication, publishing: Publishing): Promise<ImageSet> {
  const { account, inputs } = publication
  const home = { account, region: aws.region }
  await callerIn(aws, account, `Image set ${inputs.slice(0, 12)}`)
  const file = path.join(publishing.folder, `${account}-${aws.region}-${inputs}.json`)
  await using _lock = await lock(file)
  const store = publishing.store ?? fileStore(file)

  const existing = await readSet(aws, home, inputs)
  let ledger = await readLedger(store)
  if (existing !== undefined) {
    if (ledger !== undefined) await keepOnly(bakingOf(aws, publication, publishing, ledger), existing)
    await stillThere(aws, existing)
    return existing
  }
  if (ledger !== undefined && !isContinuable(ledger, publication, aws.clock.now())) {
    publishing.say(
      'The bake that was begun here is of other disks, another key, or too old: what it made is removed.',
    )
    await takeBack(bakingOf(aws, publication, publishing, ledger))
    ledger = undefined
  }
  if (ledger !== undefined) publishing.say(`Bake ${ledger.state.bake} is continued.`)
  ledger ??= await beginLedger(
    store,
    { inputs, account, region: aws.region, disks: disksOf(publication), key: publication.key ?? null },
    aws.clock.now(),
  )
  const baking = bakingOf(aws, publication, publishing, ledger)
  let made: Made
  try {
    made = await make(baking, publication)
  } catch (error) {
    throw await afterFailure(baking, error)
  }
  // From here on the record may be there, whatever an answer says: nothing is taken back that it does not exclude.
  const { tiers: _, key: __, bootPlace: ___, ...about } = publication
  const set = await writeSet(aws, home, { ...about, ...made })
  await keepOnly(baking, set)
  return set
}

const disksOf = ({ tiers }: Publication) => ({ api: tiers.api.checksum, web: tiers.web.checksum })

function isContinuable({ state }: Ledger, publication: Publication, now: Date): boolean {
  const disks = disksOf(publication)
  return (
    TIERS.every((tier) => state.disks[tier] === disks[tier]) &&
    state.key === (publication.key ?? null) &&
    Date.parse(state.expires) - now.getTime() > SAFE_MS
  )
}

const bakingOf = (
  aws: Aws,
  { architecture, key }: Publication,
  { folder, workers, say, progress, signal }: Publishing,
  ledger: Ledger,
): Baking => ({
  aws,
  ledger,
  folder,
  architecture,
  key,
  workers,
  say,
  progress: progress ?? (() => undefined),
  signal,
})

type Made = Pick<ImageSet, 'regions' | 'bootTests'>

async function make(baking: Baking, publication: Publication): Promise<Made> {
  const { aws, ledger } = baking
  const image = async (tier: Tier) => {
    const snapshot = await makeSnapshot(baking, { tier, ...publication.tiers[tier] })
    return makeImage(baking, tier, snapshot)
  }
  // One after the other: both would share the same line.
  const api = await image('api')
  const web = await image('web')
  const { bootPlace, bootTests, release } = publication
  const onEc2 = bootPlace && (await bootOnEc2(baking, bootPlace, release, { api, web }))
  if (Date.parse(ledger.state.expires) - aws.clock.now().getTime() < SAFE_MS)
    throw new BakeFailure('The bake took longer than its images may live unrecorded.')
  const tests = onEc2 === undefined ? bootTests : [...(bootTests ?? []), ...onEc2]
  return { regions: { [aws.region]: { api, web } }, ...(tests && { bootTests: tests }) }
}

/** The record decides: what it names stays, everything else that this bake made goes. */
async function keepOnly(baking: Baking, set: ImageSet): Promise<void> {
  const { ledger, aws, say } = baking
  const named = set.regions[aws.region]
  const isKept = (tier: Tier) => {
    const image = ledger.find(imageName(tier))
    return image?.id !== undefined && image.id === named?.[tier]
  }
  const isOurs = TIERS.every(isKept)
  if (!isOurs && ledger.state.resources.length > 0)
    say('Somebody else was first with the same inputs: theirs is used.')
  await remove(
    baking,
    TIERS.filter((tier) => !isKept(tier)),
  )
  await ledger.end()
}

/** @returns ids of what was removed */
async function remove(baking: Baking, tiers: readonly Tier[]): Promise<string[]> {
  const { ledger } = baking
  const removed: (string | undefined)[] = []
  // What runs costs money, so it goes first.
  for (const { name, kind, state } of ledger.state.resources)
    if (kind === 'instance' && state !== 'removed') removed.push(await end(baking, name))
  for (const tier of tiers) {
    // A snapshot can't go before the image that uses it.
    const image = ledger.find(imageName(tier))
    if (image !== undefined) removed.push(await removeImage(baking, image))
    const snapshot = ledger.find(snapshotName(tier))
    if (snapshot !== undefined) removed.push(await removeSnapshot(baking, snapshot))
  }
  return removed.filter((id) => id !== undefined)
}

async function takeBack(baking: Baking): Promise<string[]> {
  // Nobody's signal stops the cleaning up.
  const removed = await remove({ ...baking, signal: undefined }, TIERS)
  await baking.ledger.end()
  return removed
}

/** What can pass is kept for the next run; everything else is taken back. @returns what is to be thrown */
async function afterFailure(baking: Baking, error: unknown): Promise<unknown> {
  const { ledger, signal } = baking
  const { bake, resources } = ledger.state
  const left = resources
    .filter(({ state }) => state !== 'removed')
    .map(({ id, name }) => id ?? `${name}, if it was made`)
  const goOn =
    left.length === 0
      ? ''
      : ` Kept: ${left.join(', ')}. The same command goes on from here; npm run bake:sweep removes it after ${ledger.state.expires}.`
  const message = error instanceof Error ? error.message : String(error)
  if (!signal?.aborted && error instanceof AwsProblem)
    return new AwsProblem(error.kind, `${message}${goOn}`, error)
  if (!signal?.aborted && error instanceof Continuable)
    return new BakeFailure(`${message}.${goOn}`, { cause: error })
  try {
    const removed = await takeBack(baking)
    const what = removed.length === 0 ? 'Nothing was made.' : `Removed: ${removed.join(', ')}.`
    const said = signal?.aborted === true ? 'The bake was ended.' : message
    return new BakeFailure(`${said.replace(/\.?$/, '.')} ${what}`, { cause: error })
  } catch (cleaning) {
    return new BakeFailure(
      `${message} And bake ${bake} could not be taken back: ${cleaning instanceof Error ? cleaning.message : cleaning}.${goOn}`,
      { cause: error },
    )
  }
}

/** @throws BakeFailure when a record names images that are gone */
async function stillThere(aws: Aws, set: ImageSet): Promise<void> {
  const wanted = Object.values(set.regions[aws.region] ?? {})
  const { Images: found = [] } = await aws.ec2.send(
    new DescribeImagesCommand({ Owners: ['self'], Filters: [{ Name: 'image-id', Values: wanted }] }),
  )
  const gone = wanted.filter(
    (id) => !found.some(({ ImageId, State }) => ImageId === id && State === 'available'),
  )
  if (wanted.length === 0)
    throw new BakeFailure(
      `Image set ${set.inputs.slice(0, 12)} is recorded, and has no images in ${aws.region}.`,
    )
  if (gone.length > 0)
    throw new BakeFailure(
      `Image set ${set.inputs.slice(0, 12)} is recorded, but ${gone.join(' and ')} can’t be used any more: somebody deregistered them. ` +
        'Nothing was made. Restore them from the Recycle Bin, or change what the images are made from.',
    )
}
