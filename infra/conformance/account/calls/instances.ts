// Instances: from their start to their end, and an image that is taken of one.
import {
  CreateImageCommand,
  DescribeImagesCommand,
  DescribeInstanceStatusCommand,
  DescribeInstancesCommand,
  type DescribeInstancesCommandInput,
  DescribeSnapshotsCommand,
  GetConsoleOutputCommand,
  RunInstancesCommand,
  type RunInstancesCommandInput,
  StopInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2'
import type { Aws } from '../../../../aws/port.ts'
import type { Call, Kept } from './call.ts'
import { IMAGE_NAME } from './images.ts'

const NO_IMAGE = 'ami-00000000000000abc'
const NO_INSTANCE = 'i-00000000000000abc'
const TAG = { Key: 'terrace-calls', Value: 'instance' }

/** What an emulator can start one from, when it can't from an image that was registered. */
const launched = (kept: Kept) => kept.get('launched') ?? kept.get('image')

const tagged = (Value: string) => [{ ResourceType: 'instance' as const, Tags: [{ Key: TAG.Key, Value }] }]
const FIRST = { ClientToken: 'terrace-calls-run', TagSpecifications: tagged(TAG.Value) }

const run =
  (more: Partial<RunInstancesCommandInput> = {}, keep?: string) =>
  async (aws: Aws, kept: Kept) => {
    const { Instances = [] } = await aws.ec2.send(
      new RunInstancesCommand({
        ImageId: launched(kept),
        InstanceType: 't3.small',
        MinCount: 1,
        MaxCount: 1,
        TagSpecifications: tagged('other'),
        ...more,
      }),
    )
    if (keep !== undefined) kept.set(keep, Instances[0]?.InstanceId ?? '')
    return Instances.map(({ InstanceType, State, Tags }) => ({ InstanceType, State, Tags }))
  }
/** What ought to be refused: only whether it is. */
const refused = (more: Partial<RunInstancesCommandInput>) => (aws: Aws, kept: Kept) =>
  run(more)(aws, kept).then(() => ({}))
const many = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ Key: `k${index}`, Value: 'v' }))
const found = (input: (kept: Kept) => DescribeInstancesCommandInput) => async (aws: Aws, kept: Kept) => {
  const { Reservations = [] } = await aws.ec2.send(new DescribeInstancesCommand(input(kept)))
  return Reservations.flatMap(({ Instances = [] }) => Instances).map(
    ({ InstanceType, State, Tags, ImageId }) => ({
      InstanceType,
      State,
      Tags,
      isOfIt: ImageId === launched(kept),
    }),
  )
}
const one = (kept: Kept) => ({ InstanceIds: [kept.get('instance') ?? ''] })
const by =
  (Name: string, ...Values: string[]) =>
  () => ({ Filters: [{ Name, Values }] })

/** Its state, once that is what it becomes. */
async function settled(aws: Aws, kept: Kept, state: string) {
  let name: string | undefined
  for (let tries = 0; tries < 30 && name !== state; tries++) {
    await aws.clock.sleep(10_000)
    const { Reservations = [] } = await aws.ec2.send(new DescribeInstancesCommand(one(kept)))
    name = Reservations[0]?.Instances?.[0]?.State?.Name
  }
  return { state: name }
}
const status =
  (more: (kept: Kept) => { InstanceIds?: string[]; IncludeAllInstances?: boolean }) =>
  async (aws: Aws, kept: Kept) => {
    const { InstanceStatuses = [] } = await aws.ec2.send(new DescribeInstanceStatusCommand(more(kept)))
    return InstanceStatuses.map(({ InstanceState, InstanceStatus, SystemStatus }) => [
      InstanceState?.Name,
      InstanceStatus?.Status,
      SystemStatus?.Status,
    ])
  }
const stop = (id: (kept: Kept) => string) => (aws: Aws, kept: Kept) =>
  aws.ec2.send(new StopInstancesCommand({ InstanceIds: [id(kept)] })).then(() => ({}))
const terminate = (id: (kept: Kept) => string) => (aws: Aws, kept: Kept) =>
  aws.ec2.send(new TerminateInstancesCommand({ InstanceIds: [id(kept)] })).then(() => ({}))
const id = (kept: Kept) => kept.get('instance') ?? ''
const output = (of: (kept: Kept) => string) => async (aws: Aws, kept: Kept) => {
  const { InstanceId, Output } = await aws.ec2.send(new GetConsoleOutputCommand({ InstanceId: of(kept) }))
  return { isOfIt: InstanceId === of(kept), isText: typeof Output === 'string' }
}

type Kind = 'image' | 'snapshot'
const take =
  (Name: string, of: (kept: Kept) => string, kinds: Kind[], keep?: string) =>
  async (aws: Aws, kept: Kept) => {
    const { ImageId = '' } = await aws.ec2.send(
      new CreateImageCommand({
        InstanceId: of(kept),
        Name,
        TagSpecifications: kinds.map((ResourceType) => ({ ResourceType, Tags: [TAG] })),
      }),
    )
    if (keep !== undefined) kept.set(keep, ImageId)
    return { isOne: /^ami-/.test(ImageId) }
  }
async function taken(aws: Aws, kept: Kept) {
  await aws.clock.sleep(600_000)
  const { Images: [image] = [] } = await aws.ec2.send(
    new DescribeImagesCommand({ ImageIds: [kept.get('taken') ?? ''] }),
  )
  const { Snapshots: [snapshot] = [] } = await aws.ec2.send(
    new DescribeSnapshotsCommand({
      SnapshotIds: [image?.BlockDeviceMappings?.[0]?.Ebs?.SnapshotId ?? ''],
    }),
  )
  return {
    State: image?.State,
    Architecture: image?.Architecture,
    BootMode: image?.BootMode,
    Tags: image?.Tags,
    snapshot: snapshot?.State,
  }
}

export const INSTANCE_CALLS: readonly Call[] = [
  { what: 'instances: of an image that is not there', ask: refused({ ImageId: NO_IMAGE }) },
  {
    what: 'instances: a disk that is too small',
    ask: (aws, kept) =>
      refused({
        ImageId: kept.get('large image') ?? '',
        BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { VolumeSize: 1 } }],
      })(aws, kept),
  },
  {
    what: 'instances: tags of something else',
    ask: refused({ TagSpecifications: [{ ResourceType: 'image', Tags: [TAG] }] }),
  },
  {
    what: 'instances: a tag of AWS’s own',
    ask: refused({ TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'aws:x', Value: 'y' }] }] }),
  },
  {
    what: 'instances: more tags than one may have',
    ask: refused({ TagSpecifications: [{ ResourceType: 'instance', Tags: many(51) }] }),
  },
  {
    what: 'instances: more user data than one may have',
    ask: refused({ UserData: Buffer.alloc(16_385, 'x').toString('base64') }),
  },
  {
    what: 'instances: of an image that was registered',
    ask: (aws, kept) => run({ ImageId: kept.get('image') })(aws, kept),
  },
  { what: 'instances: run', ask: run(FIRST, 'instance') },
  {
    what: 'instances: run again, with the same token',
    ask: async (aws, kept) => {
      await run(FIRST, 'again')(aws, kept)
      return { same: kept.get('again') === kept.get('instance') }
    },
  },
  {
    what: 'instances: run another one with that token',
    ask: run({ ...FIRST, InstanceType: 't3.large' }),
  },
  { what: 'instances: when it runs', ask: (aws, kept) => settled(aws, kept, 'running') },
  { what: 'instances: one', ask: found(one) },
  { what: 'instances: one that is not there', ask: found(() => ({ InstanceIds: [NO_INSTANCE] })) },
  { what: 'instances: by a tag that none has', ask: found(by('tag:terrace-calls', 'none')) },
  {
    what: 'instances: by a tag and a state',
    ask: found((kept) => ({
      Filters: [
        { Name: 'tag:terrace-calls', Values: ['instance'] },
        { Name: 'instance-state-name', Values: ['running'] },
        { Name: 'instance-id', Values: [id(kept)] },
      ],
    })),
  },
  {
    what: 'instances: by what can’t be asked for',
    ask: (aws) => aws.ec2.send(new DescribeInstancesCommand(by('colour', 'red')())).then(() => ({})),
  },
  { what: 'instances: one, in pages', ask: found((kept) => ({ ...one(kept), MaxResults: 5 })) },
  {
    what: 'instances: status',
    ask: async (aws, kept) => {
      await aws.clock.sleep(300_000)
      return status(one)(aws, kept)
    },
  },
  { what: 'instances: status of one that is not there', ask: status(() => ({ InstanceIds: [NO_INSTANCE] })) },
  { what: 'instances: console', ask: output(id) },
  { what: 'instances: console of one that is not there', ask: output(() => NO_INSTANCE) },
  { what: 'instances: stop', ask: stop(id) },
  { what: 'instances: when it is stopped', ask: (aws, kept) => settled(aws, kept, 'stopped') },
  { what: 'instances: status of one that is stopped', ask: status(one) },
  {
    what: 'instances: status of one that is stopped, all being asked for',
    ask: status((kept) => ({ ...one(kept), IncludeAllInstances: true })),
  },
  { what: 'instances: stop of one that is stopped', ask: stop(id) },
  { what: 'instances: stop of one that is not there', ask: stop(() => NO_INSTANCE) },
  {
    what: 'images: taken of an instance that is not there',
    ask: take('terrace-calls-none', () => NO_INSTANCE, ['image']),
  },
  { what: 'images: taken under a name that is in use', ask: take(IMAGE_NAME, id, ['image']) },
  { what: 'images: taken of an instance', ask: take('terrace-calls-taken', id, ['image'], 'taken') },
  { what: 'images: what was taken', ask: taken },
  {
    what: 'images: taken of an instance, with tags of its snapshot',
    ask: take('terrace-calls-tagged', id, ['image', 'snapshot']),
  },
  { what: 'instances: terminate', ask: terminate(id) },
  { what: 'instances: when it is gone', ask: (aws, kept) => settled(aws, kept, 'terminated') },
  { what: 'instances: terminate again', ask: terminate(id) },
  { what: 'instances: terminate one that is not there', ask: terminate(() => NO_INSTANCE) },
  { what: 'instances: stop of one that is gone', ask: stop(id) },
]
