// What bakes have left in an account and a region, and what of it may go: found by tags, since whoever made it may have
// forgotten it. Only what has expired goes, and never what anything names from which a server is or may be started.
import {
  DescribeImagesCommand,
  DescribeInstancesCommand,
  DescribeLaunchTemplatesCommand,
  DescribeLaunchTemplateVersionsCommand,
  DescribeSnapshotsCommand,
  type Image,
  type Instance,
  type Tag,
} from '@aws-sdk/client-ec2'
import { everything } from '../../aws/pages.ts'
import type { Aws } from '../../aws/port.ts'
import { type Home, stateBucket } from '../../infra/bootstrap/names.ts'
import { TAG } from '../../infra/bootstrap/rights.ts'
import { pointerSchema } from '../../infra/image-sets.ts'
import { type ImageSet, parseJson } from '../../infra/images.ts'
import { listObjects, readObject, readSet } from '../image-set/record.ts'
import { BakeFailure } from './failure.ts'
import { TAGS } from './tags.ts'

export type Kind = 'instance' | 'image' | 'snapshot'
export interface Found {
  readonly kind: Kind
  readonly id: string
  readonly bake: string
  /** As its tag says. */
  readonly expires: string
  /** Why it stays; undefined: it may go. */
  readonly because: string | undefined
}

/** Clocks differ, and a bake that is about to be recorded looks at its own. */
const GRACE_MS = 60 * 60_000

/**
 * Everything that carries the tags of a bake, in the order in which it can be removed.
 * @throws BakeFailure when something can't be read that may name images: then nothing is known to be free
 */
export async function survey(aws: Aws, home: Home): Promise<Found[]> {
  const instances = await instancesOf(aws)
  const images = await imagesOf(aws)
  const named = new Map([
    ...(await recorded(aws, home)),
    ...(await inTemplates(aws)),
    ...instances.flatMap(({ InstanceId, ImageId }): [string, string][] =>
      ImageId === undefined ? [] : [[ImageId, `instance ${InstanceId} was started from it`]],
    ),
  ])
  const now = aws.clock.now().getTime()
  const judged = (
    kind: Kind,
    id: string | undefined,
    tags: readonly Tag[] | undefined,
    isNamed: string | undefined,
  ) => {
    const of = tagged(tags)
    if (id === undefined || of === undefined) return []
    return [{ kind, id, ...of, because: isNamed ?? notYet(of.expires, now) }]
  }
  const found = images.flatMap(({ ImageId: id, Tags }) => judged('image', id, Tags, named.get(id ?? '')))
  const goes = new Set(found.filter(({ because }) => because === undefined).map(({ id }) => id))
  const used = usedBy(images.filter(({ ImageId: id }) => id === undefined || !goes.has(id)))
  return [
    ...instances.flatMap(({ InstanceId, Tags }) => judged('instance', InstanceId, Tags, undefined)),
    ...found,
    ...(await snapshotsOf(aws)).flatMap(({ SnapshotId: id, Tags }) =>
      judged('snapshot', id, Tags, used.get(id ?? '')),
    ),
  ]
}

/** @returns undefined for what is not of a bake */
function tagged(tags: readonly Tag[] = []): { bake: string; expires: string } | undefined {
  const of = (key: string) => tags.find(({ Key }) => Key === key)?.Value
  const bake = of(TAGS.bake)
  if (of(TAG.key) !== TAG.value || bake === undefined) return undefined
  return { bake, expires: of(TAGS.expires) ?? '' }
}

function notYet(expires: string, now: number): string | undefined {
  const at = Date.parse(expires)
  if (Number.isNaN(at)) return `its tag ${TAGS.expires} is no time`
  return at + GRACE_MS > now ? 'its bake may still be running, or be continued' : undefined
}

function usedBy(images: readonly Image[]): Map<string, string> {
  return new Map(
    images.flatMap(({ ImageId, BlockDeviceMappings = [] }) =>
      BlockDeviceMappings.flatMap(({ Ebs }): [string, string][] =>
        Ebs?.SnapshotId === undefined ? [] : [[Ebs.SnapshotId, `image ${ImageId} uses it`]],
      ),
    ),
  )
}

/** Images that records name, and with them those of every pointer. */
async function recorded(aws: Aws, home: Home): Promise<Map<string, string>> {
  const named = new Map<string, string>()
  const sets = await recordedSets(aws, home)
  for (const { inputs, regions } of sets)
    for (const { api, web } of Object.values(regions))
      for (const id of [api, web]) named.set(id, `image set ${inputs.slice(0, 12)} names it`)
  const known = new Set(sets.map(({ inputs }) => inputs))
  // What it points at may have been made here, and nobody can tell which.
  for (const [inputs, key] of await pointers(aws, home)) if (!known.has(inputs)) refuse(home, key)
  return named
}

/**
 * Every image set that has a record.
 * @param known records that were read before, and are read from there: a record never changes
 * @throws BakeFailure for a record that can't be read
 */
export async function recordedSets(
  aws: Aws,
  home: Home,
  known = new Map<string, ImageSet>(),
): Promise<readonly ImageSet[]> {
  const sets: ImageSet[] = []
  for (const { key, at } of await listObjects(aws, home, 'image-sets/')) {
    const inputs = /^image-sets\/([0-9a-f]{64})\.json$/.exec(key)?.[1] ?? refuse(home, key)
    // Removed and made again it is another one.
    const one = `${key} ${at.getTime()}`
    const set = known.get(one) ?? (await readSet(aws, home, inputs))
    // It went meanwhile.
    if (set === undefined) continue
    known.set(one, set)
    sets.push(set)
  }
  return sets
}

/** Inputs of every set that a stage runs, or is to run next → key of the pointer. @throws BakeFailure for one that is none */
export async function pointers(aws: Aws, home: Home): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>()
  for (const key of await keysOf(aws, home, 'stages/')) {
    if (!/^stages\/[^/]+\/images\/[^/]+\.json$/.test(key)) continue
    const text = (await readObject(aws, home, key))?.text
    if (text === undefined) continue
    const pointer = pointerSchema.safeParse(parseJson(text))
    if (!pointer.success) refuse(home, key)
    found.set(pointer.data.inputs, key)
  }
  return found
}

/** Images that a server is, or may be, started from → why. */
export async function startedFrom(aws: Aws): Promise<ReadonlyMap<string, string>> {
  const instances = await instancesOf(aws)
  return new Map([
    ...(await inTemplates(aws)),
    ...instances.flatMap(({ InstanceId, ImageId }): [string, string][] =>
      ImageId === undefined ? [] : [[ImageId, `instance ${InstanceId} was started from it`]],
    ),
  ])
}

function refuse(home: Home, key: string): never {
  throw new BakeFailure(
    `s3://${stateBucket(home)}/${key} does not tell which images it means. Nothing was removed: ` +
      'its versions tell what it was; once it is right again, sweep again.',
  )
}

/** Images of every version: a group may go back to any. */
async function inTemplates(aws: Aws): Promise<Map<string, string>> {
  const templates = await everything(async (NextToken) => {
    const page = await aws.ec2.send(new DescribeLaunchTemplatesCommand({ NextToken }))
    return { items: page.LaunchTemplates, next: page.NextToken }
  })
  const named = new Map<string, string>()
  for (const { LaunchTemplateId: id } of templates) {
    const versions = await everything(async (NextToken) => {
      const page = await aws.ec2.send(
        // One that names a parameter is shown with the image that it means now.
        new DescribeLaunchTemplateVersionsCommand({ LaunchTemplateId: id, NextToken, ResolveAlias: true }),
      )
      return { items: page.LaunchTemplateVersions, next: page.NextToken }
    })
    for (const { LaunchTemplateData, VersionNumber } of versions)
      if (LaunchTemplateData?.ImageId !== undefined)
        named.set(LaunchTemplateData.ImageId, `version ${VersionNumber} of launch template ${id} names it`)
  }
  return named
}

const instancesOf = async (aws: Aws): Promise<Instance[]> =>
  everything(async (NextToken) => {
    const page = await aws.ec2.send(
      new DescribeInstancesCommand({
        Filters: [{ Name: 'instance-state-name', Values: ['pending', 'running', 'stopping', 'stopped'] }],
        NextToken,
      }),
    )
    return { items: page.Reservations?.flatMap(({ Instances = [] }) => Instances), next: page.NextToken }
  })

const imagesOf = (aws: Aws): Promise<Image[]> =>
  everything(async (NextToken) => {
    const page = await aws.ec2.send(
      new DescribeImagesCommand({
        Owners: ['self'],
        IncludeDeprecated: true,
        IncludeDisabled: true,
        NextToken,
      }),
    )
    return { items: page.Images, next: page.NextToken }
  })

const snapshotsOf = (aws: Aws) =>
  everything(async (NextToken) => {
    const page = await aws.ec2.send(
      new DescribeSnapshotsCommand({
        OwnerIds: ['self'],
        Filters: [{ Name: 'tag-key', Values: [TAGS.bake] }],
        NextToken,
      }),
    )
    return { items: page.Snapshots, next: page.NextToken }
  })

async function keysOf(aws: Aws, home: Home, prefix: string): Promise<string[]> {
  return (await listObjects(aws, home, prefix)).map(({ key }) => key)
}
