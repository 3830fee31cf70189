// A stand-in with what tests of EBS and EC2 begin with.
import { createHash } from 'node:crypto'
import {
  CompleteSnapshotCommand,
  PutSnapshotBlockCommand,
  type PutSnapshotBlockCommandInput,
  StartSnapshotCommand,
  type StartSnapshotCommandInput,
} from '@aws-sdk/client-ebs'
import {
  DescribeInstancesCommand,
  DescribeSnapshotsCommand,
  RegisterImageCommand,
  type RegisterImageCommandInput,
  RunInstancesCommand,
  type RunInstancesCommandInput,
} from '@aws-sdk/client-ec2'
import { BLOCK_BYTES } from '../ebs.ts'
import { standIn } from '../stand-in.ts'

export let world = standIn()
/** For the next test. */
export const renew = (): void => {
  world = standIn()
}

export const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest()
export const MINUTE = 60_000

export const begin = async (more: Partial<StartSnapshotCommandInput> = {}) =>
  (await world.aws.ebs.send(new StartSnapshotCommand({ VolumeSize: 1, ...more }))).SnapshotId ?? ''
export const block = (fill: number) => Buffer.alloc(BLOCK_BYTES, fill)
export const put = (
  SnapshotId: string,
  BlockIndex: number,
  more: Partial<PutSnapshotBlockCommandInput> = {},
) =>
  world.aws.ebs.send(
    new PutSnapshotBlockCommand({
      SnapshotId,
      BlockIndex,
      BlockData: block(BlockIndex),
      DataLength: BLOCK_BYTES,
      Checksum: sha256(block(BlockIndex)).toString('base64'),
      ChecksumAlgorithm: 'SHA256',
      ...more,
    }),
  )
export const complete = (SnapshotId: string, ChangedBlocksCount: number, checksum?: Buffer) =>
  world.aws.ebs.send(
    new CompleteSnapshotCommand({
      SnapshotId,
      ChangedBlocksCount,
      ...(checksum && {
        Checksum: checksum.toString('base64'),
        ChecksumAlgorithm: 'SHA256',
        ChecksumAggregationMethod: 'LINEAR',
      }),
    }),
  )
export const stateOf = async (id: string) => {
  const { Snapshots } = await world.aws.ec2.send(new DescribeSnapshotsCommand({ SnapshotIds: [id] }))
  return Snapshots?.[0]?.State
}
export async function snapshot(gib = 1): Promise<string> {
  const id = await begin({ VolumeSize: gib })
  await complete(id, 0)
  await world.clock.sleep(MINUTE)
  return id
}
export const registering = (of: string, more: Partial<RegisterImageCommandInput> = {}) =>
  world.aws.ec2.send(
    new RegisterImageCommand({
      Name: 'terrace-api',
      Architecture: 'x86_64',
      VirtualizationType: 'hvm',
      BootMode: 'uefi',
      ImdsSupport: 'v2.0',
      EnaSupport: true,
      RootDeviceName: '/dev/xvda',
      BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { SnapshotId: of } }],
      ...more,
    }),
  )
export async function image(name = 'terrace-api', gib = 1): Promise<string> {
  const { ImageId = '' } = await registering(await snapshot(gib), { Name: name })
  await world.clock.sleep(MINUTE)
  return ImageId
}
export const starting = (ImageId: string, more: Partial<RunInstancesCommandInput> = {}) =>
  world.aws.ec2.send(
    new RunInstancesCommand({ ImageId, InstanceType: 't3.small', MinCount: 1, MaxCount: 1, ...more }),
  )
export const instance = async (of: string, more: Partial<RunInstancesCommandInput> = {}) =>
  (await starting(of, more)).Instances?.[0]?.InstanceId ?? ''
export const instanceState = async (id: string) => {
  const { Reservations } = await world.aws.ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }))
  return Reservations?.[0]?.Instances?.[0]?.State?.Name
}
