// Images, registered from a snapshot that is there (kept as `snapshot`), and who else names images.

import { StartSnapshotCommand } from '@aws-sdk/client-ebs'
import {
  DeleteSnapshotCommand,
  DeregisterImageCommand,
  DescribeImagesCommand,
  type DescribeImagesCommandInput,
  DescribeLaunchTemplatesCommand,
  DescribeLaunchTemplateVersionsCommand,
  EnableImageDeprecationCommand,
  RegisterImageCommand,
  type RegisterImageCommandInput,
} from '@aws-sdk/client-ec2'
import type { Aws } from '../../../../aws/port.ts'
import type { Call, Kept } from './call.ts'

export const IMAGE_NAME = 'terrace-calls-image'
const NO_IMAGE = 'ami-00000000000000abc'
const NO_SNAPSHOT = 'snap-00000000000000abc'
const NO_TEMPLATE = 'lt-00000000000000abc'
const ROOT = '/dev/xvda'
const DAY = 24 * 3_600_000

/** @param from what it is made of, when that is not the snapshot that is there */
const register =
  (more: Partial<RegisterImageCommandInput> = {}, from?: string, keep?: string) =>
  async (aws: Aws, kept: Kept) => {
    const SnapshotId = from ?? kept.get('snapshot') ?? ''
    const { ImageId = '' } = await aws.ec2.send(
      new RegisterImageCommand({
        Name: IMAGE_NAME,
        Description: 'of the calls',
        Architecture: 'x86_64',
        VirtualizationType: 'hvm',
        BootMode: 'uefi',
        ImdsSupport: 'v2.0',
        EnaSupport: true,
        RootDeviceName: ROOT,
        BlockDeviceMappings: [{ DeviceName: ROOT, Ebs: { SnapshotId } }],
        ...more,
      }),
    )
    if (keep !== undefined) kept.set(keep, ImageId)
    return { isOne: /^ami-/.test(ImageId) }
  }
/** Under a name of its own: one that ought to be refused, and is not, leaves the name free. */
const refused = (Name: string, more: Partial<RegisterImageCommandInput>, from?: string) =>
  register({ Name: `terrace-calls-${Name}`, ...more }, from)

const images = (input: (kept: Kept) => DescribeImagesCommandInput) => async (aws: Aws, kept: Kept) => {
  const { Images = [] } = await aws.ec2.send(new DescribeImagesCommand(input(kept)))
  return Images.map(({ Name }) => Name).sort()
}
const ours = (Name: string, ...Values: string[]) => ({ Owners: ['self'], Filters: [{ Name, Values }] })

async function image(aws: Aws, kept: Kept) {
  await aws.clock.sleep(60_000)
  const { Images: [one] = [] } = await aws.ec2.send(
    new DescribeImagesCommand({ ImageIds: [kept.get('image') ?? ''] }),
  )
  const [disk] = one?.BlockDeviceMappings ?? []
  return {
    State: one?.State,
    Name: one?.Name,
    Architecture: one?.Architecture,
    VirtualizationType: one?.VirtualizationType,
    BootMode: one?.BootMode,
    ImdsSupport: one?.ImdsSupport,
    EnaSupport: one?.EnaSupport,
    RootDeviceName: one?.RootDeviceName,
    RootDeviceType: one?.RootDeviceType,
    disks: one?.BlockDeviceMappings?.length,
    isOfIt: disk?.Ebs?.SnapshotId === kept.get('snapshot'),
    size: disk?.Ebs?.VolumeSize,
    Tags: one?.Tags,
  }
}
const deprecate = (ms: number, id?: string) => (aws: Aws, kept: Kept) =>
  aws.ec2
    .send(
      new EnableImageDeprecationCommand({
        ImageId: id ?? kept.get('image'),
        DeprecateAt: new Date(aws.clock.now().getTime() + ms),
      }),
    )
    .then(() => ({}))
const versions = (id: (kept: Kept) => string, MaxResults?: number) => async (aws: Aws, kept: Kept) => {
  const { LaunchTemplateVersions = [], NextToken } = await aws.ec2.send(
    new DescribeLaunchTemplateVersionsCommand({
      LaunchTemplateId: id(kept),
      ...(MaxResults !== undefined && { MaxResults }),
    }),
  )
  return {
    versions: LaunchTemplateVersions.map(({ VersionNumber, LaunchTemplateData: data }) => [
      VersionNumber,
      data?.ImageId,
    ]).sort(),
    hasMore: Boolean(NextToken),
  }
}

export const IMAGE_CALLS: readonly Call[] = [
  { what: 'images: of a snapshot that is not there', ask: refused('a', {}, NO_SNAPSHOT) },
  {
    what: 'images: of a snapshot that is being written',
    ask: async (aws, kept) => {
      const { SnapshotId } = await aws.ebs.send(new StartSnapshotCommand({ VolumeSize: 1 }))
      return refused('b', {}, SnapshotId)(aws, kept)
    },
  },
  { what: 'images: a name that is too short', ask: register({ Name: 'x' }) },
  { what: 'images: a name with strange letters', ask: register({ Name: 'terrace:calls' }) },
  { what: 'images: no root device', ask: refused('c', { RootDeviceName: undefined }) },
  { what: 'images: a root device of nothing', ask: refused('d', { RootDeviceName: '/dev/sda1' }) },
  { what: 'images: UEFI without hvm', ask: refused('e', { VirtualizationType: 'paravirtual' }) },
  { what: 'images: another version of IMDS', ask: refused('f', { ImdsSupport: 'v1.0' as never }) },
  {
    what: 'images: a disk that is too small',
    ask: (aws, kept) =>
      refused('g', {
        BlockDeviceMappings: [
          { DeviceName: ROOT, Ebs: { SnapshotId: kept.get('large') ?? '', VolumeSize: 1 } },
        ],
      })(aws, kept),
  },
  {
    what: 'images: tags of something else',
    ask: refused('h', {
      TagSpecifications: [{ ResourceType: 'snapshot', Tags: [{ Key: 'a', Value: 'b' }] }],
    }),
  },
  {
    what: 'images: register',
    ask: register(
      { TagSpecifications: [{ ResourceType: 'image', Tags: [{ Key: 'terrace-calls', Value: 'image' }] }] },
      undefined,
      'image',
    ),
  },
  { what: 'images: one', ask: image },
  { what: 'images: one that is not there', ask: images(() => ({ ImageIds: [NO_IMAGE] })) },
  { what: 'images: by a name', ask: images(() => ours('name', 'terrace-calls-im*')) },
  { what: 'images: by a tag', ask: images(() => ours('tag:terrace-calls', 'image')) },
  { what: 'images: by a tag that none has', ask: images(() => ours('tag:terrace-calls', 'none')) },
  {
    what: 'images: somebody else’s',
    ask: images(() => ({ ...ours('name', IMAGE_NAME), Owners: ['999988887777'] })),
  },
  {
    what: 'images: by what can’t be asked for',
    ask: (aws) => aws.ec2.send(new DescribeImagesCommand(ours('colour', 'red'))).then(() => ({})),
  },
  { what: 'images: register under the same name', ask: register() },
  {
    what: 'images: deprecate',
    ask: async (aws, kept) => {
      await deprecate(30 * DAY)(aws, kept)
      const { Images: [one] = [] } = await aws.ec2.send(
        new DescribeImagesCommand({ ImageIds: [kept.get('image') ?? ''] }),
      )
      return { isDeprecated: Boolean(one?.DeprecationTime) }
    },
  },
  { what: 'images: deprecate in the past', ask: deprecate(-DAY) },
  { what: 'images: deprecate one that is not there', ask: deprecate(DAY, NO_IMAGE) },
  {
    what: 'templates: all',
    ask: async (aws, kept) => {
      const { LaunchTemplates = [] } = await aws.ec2.send(new DescribeLaunchTemplatesCommand({}))
      return { isThere: LaunchTemplates.some(({ LaunchTemplateId: id }) => id === kept.get('template')) }
    },
  },
  { what: 'templates: versions', ask: versions((kept) => kept.get('template') ?? '') },
  { what: 'templates: a page of versions', ask: versions((kept) => kept.get('template') ?? '', 1) },
  { what: 'templates: versions of one that is not there', ask: versions(() => NO_TEMPLATE) },
]

const deregister =
  (id: (kept: Kept) => string | undefined, DeleteAssociatedSnapshots?: boolean) =>
  async (aws: Aws, kept: Kept) => {
    const { DeleteSnapshotResults } = await aws.ec2.send(
      new DeregisterImageCommand({
        ImageId: id(kept),
        ...(DeleteAssociatedSnapshots && { DeleteAssociatedSnapshots }),
      }),
    )
    return { snapshots: DeleteSnapshotResults?.map(({ ReturnCode }) => ReturnCode) }
  }
const remove = (name: string) => (aws: Aws, kept: Kept) =>
  aws.ec2.send(new DeleteSnapshotCommand({ SnapshotId: kept.get(name) })).then(() => ({}))

/** Once nothing runs on them any more. */
export const LAST_IMAGE_CALLS: readonly Call[] = [
  { what: 'snapshots: delete of one that an image uses', ask: remove('large') },
  { what: 'images: deregister one that is not there', ask: deregister(() => NO_IMAGE) },
  { what: 'images: deregister', ask: deregister((kept) => kept.get('image')) },
  { what: 'images: deregister again', ask: deregister((kept) => kept.get('image')) },
  { what: 'images: deregister with its snapshot', ask: deregister((kept) => kept.get('taken'), true) },
  { what: 'snapshots: delete', ask: remove('snapshot') },
  { what: 'snapshots: delete again', ask: remove('snapshot') },
]
