// What a stage's servers are about to start from, asked of the two that know it: the state bucket, which image set this is
// meant to be, and EC2, whether servers can start from it. Found out later, it would be a roll that launches nothing.
import { isDeepStrictEqual } from 'node:util'
import { DescribeImagesCommand, type Image } from '@aws-sdk/client-ec2'
import { everything } from '../../aws/pages.ts'
import type { Aws } from '../../aws/port.ts'
import { TAG } from '../bootstrap/rights.ts'
import type { CommandLine } from '../command-line.ts'
import { TIERS, type Tier } from '../environment.ts'
import { ROOT_DEVICE } from '../fleet.ts'
import { type ImageChoice, imagesFor, type StageImages, UnusableImages } from '../images.ts'
import { publishedSet } from '../images-pull.ts'
import type { Stage } from '../stage-schema.ts'
import { architectureOf, type StageName } from '../stages.ts'

/** Images that a template was made with, and where they were read. */
export interface PlannedImages {
  readonly name: StageName
  readonly stage: Stage
  readonly choice: ImageChoice
  /** Where the local copy lies. */
  readonly folder: string
  readonly images: StageImages
}

export const plannedImages = (
  { stage: name, images: choice, imagesFolder: folder }: CommandLine,
  stage: Stage,
  images: StageImages,
): PlannedImages => ({ name, stage, choice, folder, images })

export interface ImageFindings {
  /** Why servers must not be started from them, a sentence each. */
  readonly refused: readonly string[]
  /** What a person should know nevertheless. */
  readonly noted: readonly string[]
}

const TIER_NAMES: Readonly<Record<Tier, string>> = { api: 'API', web: 'web' }
const PAGE = 100

/**
 * @throws UnusableImages when the local copy is not what the state bucket says, or servers can't start from an image:
 *   with every reason, and before anything has been sent; AwsProblem when neither can be asked
 * @returns what a person should know nevertheless, a sentence each
 */
export async function requireImages(aws: Aws, planned: PlannedImages): Promise<readonly string[]> {
  const { refused, noted } = await findImages(aws, planned)
  if (refused.length > 0)
    throw new UnusableImages(
      [`Stage ${planned.name} can’t start servers from these images:`, ...refused].join('\n  '),
    )
  return noted
}

/** @throws AwsProblem when AWS can't be asked; UnusableImages when what it answers is no image set of this stage */
export async function findImages(aws: Aws, planned: PlannedImages): Promise<ImageFindings> {
  const stale = staleness(planned, await publishedOf(aws, planned))
  // Of what is not meant to be started, it does not matter whether it could be.
  if (stale !== undefined) return { refused: [stale], noted: [] }
  const ids = [...new Set(TIERS.map((tier) => planned.images[tier].id))]
  const found = await describeImages(aws, ids)
  const now = aws.clock.now()
  return {
    refused: TIERS.flatMap((tier) => unusable(planned, tier, found.get(planned.images[tier].id))),
    noted: TIERS.flatMap((tier) => deprecated(planned, tier, found.get(planned.images[tier].id), now)),
  }
}

async function publishedOf(
  aws: Aws,
  { name, stage, choice }: PlannedImages,
): Promise<StageImages | undefined> {
  const set = await publishedSet(aws, name, stage, choice)
  return set && imagesFor(name, stage, set)
}

/** Compared is all that a template takes from a record, and not the file: somebody may have fetched another one since. */
function staleness(
  { name, stage, choice, folder, images }: PlannedImages,
  published: StageImages | undefined,
): string | undefined {
  if (isDeepStrictEqual(images, published)) return undefined
  const says = ({ api, web }: StageImages) => `release ${api.release} (API ${api.id}, web ${web.id})`
  const pull =
    `npm run images:pull -- --stage ${name} --choice ${choice}` +
    (folder === '.images' ? '' : ` --folder ${folder}`)
  const copy = `The copy of what is ${choice} in ${name}, ${folder}/${name}-${choice}.json, is ${says(images)};`
  return published === undefined
    ? `${copy} the state bucket of ${stage.region} says that ${name} has no ${choice} images. ${pull} removes the copy.`
    : `${copy} in the state bucket of ${stage.region} it is ${says(published)}. ${pull} fetches that.`
}

/** By a filter: asked by id, one that is missing would hide the others. */
async function describeImages(aws: Aws, ids: readonly string[]): Promise<Map<string, Image>> {
  const images = await everything(async (NextToken) => {
    const page = await aws.ec2.send(
      new DescribeImagesCommand({
        Owners: ['self'],
        // So that a disabled one is told from one that is gone.
        IncludeDisabled: true,
        Filters: [{ Name: 'image-id', Values: [...ids] }],
        MaxResults: PAGE,
        NextToken,
      }),
    )
    return { items: page.Images, next: page.NextToken }
  })
  return new Map(images.map((image) => [image.ImageId ?? '', image]))
}

/** What keeps servers of a tier from starting from an image; undefined: AWS has none of that id. */
function unusable(planned: PlannedImages, tier: Tier, image: Image | undefined): string[] {
  const { stage } = planned
  const subject = subjectOf(planned, tier)
  if (image === undefined)
    return [
      `${subject} is not there among the own images of account ${stage.account}: it was deregistered, or belongs to ` +
        'another account. A bake makes the set again.',
    ]
  if (!isBaked(image))
    return [
      `${subject} does not have the tag ${TAG.key}=${TAG.value}, which every bake gives its images: no bake made it, or ` +
        'somebody took the tag off. Find out who wrote its record; a bake makes the set again.',
    ]
  const stateProblem = stateOf(stage.region, image)
  if (stateProblem !== undefined) return [`${subject} ${stateProblem}`]
  return [...wrongMachine(stage, tier, image)].map((problem) => `${subject} ${problem}`)
}

/** `ami-… of eu-west-1, for API servers of prod,` */
const subjectOf = ({ name, stage, images }: PlannedImages, tier: Tier): string =>
  `${images[tier].id} of ${stage.region}, for ${TIER_NAMES[tier]} servers of ${name},`

const isBaked = ({ Tags = [] }: Image) =>
  Tags.some(({ Key, Value }) => Key === TAG.key && Value === TAG.value)

function stateOf(
  region: string,
  { ImageId: id, State: state, StateReason: reason }: Image,
): string | undefined {
  switch (state) {
    case 'available':
      return undefined
    case 'pending':
      return 'is still being made: run the same command again in some minutes.'
    case 'disabled':
      return `is disabled, and nothing starts from it: aws --region ${region} ec2 enable-image --image-id ${id} takes that back.`
    default:
      return `is ${state ?? 'in no state'}${reason?.Message ? ` (${reason.Message})` : ''}: a bake makes the set again.`
  }
}

function* wrongMachine(stage: Stage, tier: Tier, image: Image): Generator<string> {
  const { instanceType, diskGiB } = stage[tier]
  const { Architecture, EnaSupport, RootDeviceName, RootDeviceType, BlockDeviceMappings = [] } = image
  const architecture = architectureOf(stage)
  if (Architecture !== architecture)
    yield `is ${Architecture}, and ${instanceType} is ${architecture}: its record says something else than EC2.`
  if (EnaSupport !== true)
    yield `does not say that it supports ENA, without which ${instanceType} does not start.`
  if (RootDeviceType !== 'ebs' || RootDeviceName !== ROOT_DEVICE) {
    yield `has its root at ${RootDeviceName} (${RootDeviceType}), and servers are started with theirs at ${ROOT_DEVICE}.`
    return
  }
  const root = BlockDeviceMappings.find(({ DeviceName }) => DeviceName === RootDeviceName)?.Ebs
  const size = root?.VolumeSize ?? 0
  if (size > diskGiB)
    yield `is a disk of ${size} GiB, and servers are started with ${diskGiB}: raise ${tier}.diskGiB in infra/stages.ts.`
  // Their disks are encrypted anyway; but what every bake encrypts with the key of the bootstrap, and this is not, no bake made.
  if (stage.isProtected && root?.Encrypted !== true)
    yield 'is not encrypted, as the images of a protected stage have to be: bakes encrypt theirs with the bootstrap’s key.'
}

function deprecated(planned: PlannedImages, tier: Tier, image: Image | undefined, now: Date): string[] {
  const since = image?.DeprecationTime
  if (since === undefined || new Date(since) > now) return []
  return [
    `${subjectOf(planned, tier)} has been deprecated since ${since.slice(0, 10)}: servers still start from it; a newer set is due.`,
  ]
}
