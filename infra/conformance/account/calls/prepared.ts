// What has to be there before the calls, and that the stand-in is told of by tests and not by calls: made in both alike.
import {
  CreateAutoScalingGroupCommand,
  DescribeAutoScalingInstancesCommand,
  PutLifecycleHookCommand,
} from '@aws-sdk/client-auto-scaling'
import { CompleteSnapshotCommand, StartSnapshotCommand } from '@aws-sdk/client-ebs'
import {
  CreateLaunchTemplateCommand,
  CreateLaunchTemplateVersionCommand,
  CreateSnapshotCommand,
  CreateVolumeCommand,
  RegisterImageCommand,
} from '@aws-sdk/client-ec2'
import { CreateBucketCommand, PutBucketVersioningCommand } from '@aws-sdk/client-s3'
import { CreateSecretCommand, DeleteSecretCommand } from '@aws-sdk/client-secrets-manager'
import type { Aws } from '../../../../aws/port.ts'
import type { StandIn } from '../../../../aws/stand-in/stand-in.ts'
import { TAG } from './blocks.ts'
import { NEW_BUCKET } from './buckets.ts'
import type { Emulator, Kept } from './call.ts'
import { BUCKET } from './s3.ts'
import { HOOKED_GROUP, HOOKS, SECRETS } from './servers.ts'

/** GiB, by the name under which the snapshot is kept. */
const DISKS = { snapshot: 1, large: 2 } as const
/** Of a launch template, in the order of its versions. */
const LAUNCHED = ['ami-00000000000000001', 'ami-00000000000000002'] as const
const HEARTBEAT = 300

export async function inStandIn(world: StandIn): Promise<Kept> {
  const kept: Kept = new Map()
  for (const bucket of [BUCKET, NEW_BUCKET]) world.buckets.make(bucket)
  for (const [name, gib] of Object.entries(DISKS)) {
    const { SnapshotId = '' } = await world.aws.ebs.send(new StartSnapshotCommand({ VolumeSize: gib }))
    await world.aws.ebs.send(new CompleteSnapshotCommand({ SnapshotId, ChangedBlocksCount: 0 }))
    kept.set(name, SnapshotId)
  }
  await world.clock.sleep(60_000)
  await image(world.aws, kept, 'large image', 'large')
  for (const [name, value] of Object.entries({ ...SECRETS, leaving: 'x' })) {
    const arn = `arn:aws:secretsmanager:eu-west-1:222233334444:secret:terrace-calls-${name}-AbCdEf`
    world.secrets.put(arn, value)
    kept.set(`${name} secret`, arn)
  }
  world.secrets.scheduleDeletion(kept.get('leaving secret') ?? '')
  kept.set('template', 'lt-00000000000000001')
  world.compute.templates.all.set('lt-00000000000000001', LAUNCHED)
  const hook = (name: string) => ({ name, seconds: HEARTBEAT, result: 'ABANDON' }) as const
  world.groups.make(HOOKED_GROUP, 1, 1, { launch: hook(HOOKS.launch), terminate: hook(HOOKS.terminate) })
  await keepServer(world.aws, kept)
  return kept
}

export async function inEmulator(emulator: Emulator, aws: Aws): Promise<Kept> {
  const kept: Kept = new Map()
  const CreateBucketConfiguration = { LocationConstraint: 'eu-west-1' } as const
  for (const Bucket of [BUCKET, NEW_BUCKET])
    await aws.s3.send(new CreateBucketCommand({ Bucket, CreateBucketConfiguration }))
  await aws.s3.send(
    new PutBucketVersioningCommand({ Bucket: BUCKET, VersioningConfiguration: { Status: 'Enabled' } }),
  )
  const disks = emulator === 'ministack' ? { ...DISKS, written: 1 } : DISKS
  for (const [name, gib] of Object.entries(disks)) {
    const { VolumeId } = await aws.ec2.send(
      new CreateVolumeCommand({ AvailabilityZone: 'eu-west-1a', Size: gib }),
    )
    const { SnapshotId = '' } = await aws.ec2.send(
      new CreateSnapshotCommand({ VolumeId, TagSpecifications: [{ ResourceType: 'snapshot', Tags: [TAG] }] }),
    )
    kept.set(name, SnapshotId)
  }
  await image(aws, kept, 'large image', 'large')
  if (emulator === 'ministack') {
    // It has no call that takes an image of an instance. What was registered from a snapshot it refuses to start, and any
    // other id it starts, whatever that is.
    await image(aws, kept, 'taken', 'written')
    kept.set('launched', 'ami-00000000000000abd')
  }
  for (const [name, value] of Object.entries({ ...SECRETS, leaving: 'x' })) {
    const { ARN = '' } = await aws.secretsmanager.send(
      new CreateSecretCommand({
        Name: `terrace-calls-${name}`,
        ...(typeof value === 'string' ? { SecretString: value } : { SecretBinary: value }),
      }),
    )
    kept.set(`${name} secret`, ARN)
  }
  await aws.secretsmanager.send(
    new DeleteSecretCommand({ SecretId: kept.get('leaving secret'), RecoveryWindowInDays: 7 }),
  )
  await launchTemplate(aws, kept)
  await hookedGroup(aws, kept)
  await keepServer(aws, kept)
  return kept
}

async function launchTemplate(aws: Aws, kept: Kept): Promise<void> {
  const [first, second] = LAUNCHED
  const LaunchTemplateName = 'terrace-calls'
  const { LaunchTemplate: made } = await aws.ec2.send(
    new CreateLaunchTemplateCommand({
      LaunchTemplateName,
      LaunchTemplateData: { ImageId: first, InstanceType: 't3.small' },
    }),
  )
  await aws.ec2.send(
    new CreateLaunchTemplateVersionCommand({
      LaunchTemplateName,
      LaunchTemplateData: { ImageId: second, InstanceType: 't3.small' },
    }),
  )
  kept.set('template', made?.LaunchTemplateId ?? '')
}

async function hookedGroup(aws: Aws, kept: Kept): Promise<void> {
  await aws.autoscaling.send(
    new CreateAutoScalingGroupCommand({
      AutoScalingGroupName: HOOKED_GROUP,
      MinSize: 0,
      MaxSize: 1,
      DesiredCapacity: 1,
      AvailabilityZones: ['eu-west-1a'],
      LaunchTemplate: { LaunchTemplateId: kept.get('template'), Version: '1' },
      LifecycleHookSpecificationList: [
        {
          LifecycleHookName: HOOKS.launch,
          LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
          HeartbeatTimeout: HEARTBEAT,
        },
      ],
    }),
  )
  await aws.autoscaling.send(
    new PutLifecycleHookCommand({
      AutoScalingGroupName: HOOKED_GROUP,
      LifecycleHookName: HOOKS.terminate,
      LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
      HeartbeatTimeout: HEARTBEAT,
    }),
  )
}

async function keepServer(aws: Aws, kept: Kept): Promise<void> {
  const { AutoScalingInstances = [] } = await aws.autoscaling.send(
    new DescribeAutoScalingInstancesCommand({}),
  )
  const found = AutoScalingInstances.find((one) => one.AutoScalingGroupName === HOOKED_GROUP)
  if (found?.InstanceId !== undefined) kept.set('server', found.InstanceId)
}

async function image(aws: Aws, kept: Kept, name: string, of: string): Promise<void> {
  const { ImageId = '' } = await aws.ec2.send(
    new RegisterImageCommand({
      Name: `terrace-calls-${of}`,
      Architecture: 'x86_64',
      VirtualizationType: 'hvm',
      RootDeviceName: '/dev/xvda',
      BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { SnapshotId: kept.get(of) } }],
    }),
  )
  kept.set(name, ImageId)
  await aws.clock.sleep(60_000)
}
