// What the stand-in promises of EBS direct and EC2: the rules that AWS's documents and the services' models state.
import { createHash } from 'node:crypto'
import {
  CompleteSnapshotCommand,
  PutSnapshotBlockCommand,
  type PutSnapshotBlockCommandInput,
  StartSnapshotCommand,
  type StartSnapshotCommandInput,
} from '@aws-sdk/client-ebs'
import {
  CreateImageCommand,
  DeleteSnapshotCommand,
  DeregisterImageCommand,
  DescribeImagesCommand,
  DescribeInstanceStatusCommand,
  DescribeInstancesCommand,
  DescribeSnapshotsCommand,
  EnableImageDeprecationCommand,
  GetConsoleOutputCommand,
  RegisterImageCommand,
  type RegisterImageCommandInput,
  RunInstancesCommand,
  type RunInstancesCommandInput,
  StopInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2'
import { beforeEach, describe, expect, test } from 'vitest'
import { BLOCK_BYTES } from '../ebs.ts'
import { type StandIn, standIn } from '../stand-in.ts'

let world: StandIn
beforeEach(() => {
  world = standIn()
})
const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest()
const MINUTE = 60_000

const begin = async (more: Partial<StartSnapshotCommandInput> = {}) =>
  (await world.aws.ebs.send(new StartSnapshotCommand({ VolumeSize: 1, ...more }))).SnapshotId ?? ''
const block = (fill: number) => Buffer.alloc(BLOCK_BYTES, fill)
const put = (SnapshotId: string, BlockIndex: number, more: Partial<PutSnapshotBlockCommandInput> = {}) =>
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
const complete = (SnapshotId: string, ChangedBlocksCount: number, checksum?: Buffer) =>
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
const stateOf = async (id: string) => {
  const { Snapshots } = await world.aws.ec2.send(new DescribeSnapshotsCommand({ SnapshotIds: [id] }))
  return Snapshots?.[0]?.State
}
async function snapshot(gib = 1): Promise<string> {
  const id = await begin({ VolumeSize: gib })
  await complete(id, 0)
  await world.clock.sleep(MINUTE)
  return id
}
const registering = (of: string, more: Partial<RegisterImageCommandInput> = {}) =>
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
async function image(name = 'terrace-api', gib = 1): Promise<string> {
  const { ImageId = '' } = await registering(await snapshot(gib), { Name: name })
  await world.clock.sleep(MINUTE)
  return ImageId
}
const starting = (ImageId: string, more: Partial<RunInstancesCommandInput> = {}) =>
  world.aws.ec2.send(
    new RunInstancesCommand({ ImageId, InstanceType: 't3.small', MinCount: 1, MaxCount: 1, ...more }),
  )
const instance = async (of: string, more: Partial<RunInstancesCommandInput> = {}) =>
  (await starting(of, more)).Instances?.[0]?.InstanceId ?? ''
const instanceState = async (id: string) => {
  const { Reservations } = await world.aws.ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }))
  return Reservations?.[0]?.Instances?.[0]?.State?.Name
}

describe('a snapshot that is written', () => {
  test('takes blocks in any order and again, and is completed with their number and checksum', async () => {
    const id = await begin()
    for (const index of [2, 0, 1, 2]) await put(id, index)
    const checksum = sha256(Buffer.concat([0, 1, 2].map((index) => sha256(block(index)))))
    expect((await complete(id, 3, checksum)).Status).toBe('pending')
    expect(await stateOf(id)).toBe('pending')
    await world.clock.sleep(MINUTE)
    expect(await stateOf(id)).toBe('completed')
  })

  test.each([
    ['a count that is not theirs', 2, undefined],
    ['a checksum of other blocks', 3, sha256(Buffer.from('x'))],
    ['a checksum in another order', 3, sha256(Buffer.concat([2, 1, 0].map((index) => sha256(block(index)))))],
  ])('is not completed with %s', async (_, count, checksum) => {
    const id = await begin()
    for (const index of [0, 1, 2]) await put(id, index)
    await expect(complete(id, count, checksum)).rejects.toMatchObject({ name: 'ValidationException' })
    await complete(id, 3)
  })

  test.each([
    ['outside of the volume', { BlockIndex: 2048 }, 'INVALID_BLOCK'],
    ['of another size', { BlockData: Buffer.alloc(512) }, 'INVALID_PARAMETER_VALUE'],
    ['that says another size', { DataLength: 512 }, 'INVALID_PARAMETER_VALUE'],
    ['with another checksum', { Checksum: sha256(Buffer.from('x')).toString('base64') }, 'INVALID_BLOCK'],
  ])('takes no block %s', async (_, more, Reason) => {
    const id = await begin()
    await expect(put(id, 0, more)).rejects.toMatchObject({ name: 'ValidationException', Reason })
    await put(id, 2047)
  })

  test('takes none once it is sealed, and no second seal', async () => {
    const id = await begin()
    await complete(id, 0)
    await expect(put(id, 0)).rejects.toMatchObject({ name: 'ValidationException' })
    await expect(complete(id, 0)).rejects.toMatchObject({ name: 'ValidationException' })
  })

  test('the same token is the same snapshot, with other parameters a conflict', async () => {
    const id = await begin({ ClientToken: 't' })
    expect(await begin({ ClientToken: 't' })).toBe(id)
    await expect(begin({ ClientToken: 't', VolumeSize: 2 })).rejects.toMatchObject({
      name: 'ConflictException',
    })
    expect(await begin({ ClientToken: 'u' })).not.toBe(id)
  })

  test.each([
    ['a parent and encryption', { ParentSnapshotId: 'snap-1', Encrypted: true }],
    ['a key without encryption', { KmsKeyArn: 'arn' }],
    ['no size', { VolumeSize: 0 }],
    ['a size that no volume has', { VolumeSize: 65_537 }],
    ['nine minutes', { Timeout: 9 }],
    ['a tag without a key', { Tags: [{ Key: '', Value: 'x' }] }],
  ])('is not begun with %s', async (_, more) => {
    await expect(begin(more)).rejects.toMatchObject({ name: 'ValidationException' })
  })

  test('has its parent’s encryption', async () => {
    const parent = await begin({ Encrypted: true, KmsKeyArn: 'arn:key' })
    await complete(parent, 0)
    await world.clock.sleep(MINUTE)
    const child = await begin({ ParentSnapshotId: parent })
    expect(world.compute.snapshots.all.get(child)).toMatchObject({ encrypted: true, key: 'arn:key' })
    await expect(begin({ ParentSnapshotId: 'snap-0' })).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    })
  })

  test('is given up when no block comes for its time; each block gives it that again', async () => {
    const [left, kept] = [await begin({ Timeout: 10 }), await begin({ Timeout: 10 })]
    for (let index = 0; index < 3; index++) {
      await world.clock.sleep(8 * MINUTE)
      await put(kept, index)
    }
    expect(await stateOf(left)).toBe('error')
    expect(await stateOf(kept)).toBe('pending')
    await world.clock.sleep(11 * MINUTE)
    expect(await stateOf(kept)).toBe('error')
  })

  test('is not known at once', async () => {
    world.compute.snapshots.lag = 5_000
    const id = await begin()
    await expect(put(id, 0)).rejects.toMatchObject({ name: 'ResourceNotFoundException' })
    await expect(stateOf(id)).rejects.toMatchObject({ name: 'InvalidSnapshot.NotFound' })
    await world.clock.sleep(5_000)
    await put(id, 0)
  })

  test('is not deleted while an image uses it', async () => {
    const id = await snapshot()
    const { ImageId = '' } = await registering(id)
    const remove = () => world.aws.ec2.send(new DeleteSnapshotCommand({ SnapshotId: id }))
    await expect(remove()).rejects.toMatchObject({
      name: 'InvalidSnapshot.InUse',
      message: expect.stringContaining(ImageId),
    })
    await world.aws.ec2.send(new DeregisterImageCommand({ ImageId }))
    await remove()
    await expect(remove()).rejects.toMatchObject({ name: 'InvalidSnapshot.NotFound' })
  })
})

describe('an image', () => {
  test('is pending, then available, and says what it was registered with', async () => {
    const id = await snapshot()
    const { ImageId = '' } = await registering(id)
    const look = async () =>
      (await world.aws.ec2.send(new DescribeImagesCommand({ ImageIds: [ImageId] }))).Images?.[0]
    expect((await look())?.State).toBe('pending')
    await world.clock.sleep(MINUTE)
    expect(await look()).toMatchObject({
      State: 'available',
      BootMode: 'uefi',
      ImdsSupport: 'v2.0',
      EnaSupport: true,
      BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { SnapshotId: id, VolumeSize: 1 } }],
    })
  })

  test('has AWS’s old defaults where nothing is said', async () => {
    const { ImageId = '' } = await world.aws.ec2.send(
      new RegisterImageCommand({
        Name: 'old',
        RootDeviceName: '/dev/xvda',
        BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { SnapshotId: await snapshot() } }],
      }),
    )
    expect(world.compute.images.all.get(ImageId)).toMatchObject({
      architecture: 'i386',
      virtualization: 'paravirtual',
      ena: false,
    })
  })

  test.each<[string, Partial<RegisterImageCommandInput>, string]>([
    ['a name that is too short', { Name: 'x' }, 'InvalidAMIName.Malformed'],
    ['a name with strange letters', { Name: 'terrace:api' }, 'InvalidAMIName.Malformed'],
    ['no root device', { RootDeviceName: undefined }, 'MissingParameter'],
    ['a root device of nothing', { RootDeviceName: '/dev/sda1' }, 'InvalidBlockDeviceMapping'],
    ['another version of IMDS', { ImdsSupport: 'v1.0' as never }, 'InvalidParameterValue'],
    ['UEFI without hvm', { VirtualizationType: 'paravirtual' }, 'InvalidParameterCombination'],
    [
      'tags of something else',
      { TagSpecifications: [{ ResourceType: 'snapshot', Tags: [] }] },
      'InvalidParameterValue',
    ],
  ])('is not registered with %s', async (_, more, name) => {
    await expect(registering(await snapshot(), more)).rejects.toMatchObject({ name })
    expect(world.compute.images.all.size).toBe(0)
  })

  test('needs a snapshot that is there, completed, and fits', async () => {
    await expect(registering('snap-0')).rejects.toMatchObject({ name: 'InvalidSnapshot.NotFound' })
    await expect(registering(await begin())).rejects.toMatchObject({ name: 'IncorrectState' })
    const large = await snapshot(4)
    const mappings = [{ DeviceName: '/dev/xvda', Ebs: { SnapshotId: large, VolumeSize: 3 } }]
    await expect(registering(large, { BlockDeviceMappings: mappings })).rejects.toMatchObject({
      name: 'InvalidBlockDeviceMapping',
      message: expect.stringContaining('expect size >= 4GB'),
    })
  })

  test('has a name that no other has', async () => {
    const id = await image()
    await expect(registering(await snapshot())).rejects.toMatchObject({
      name: 'InvalidAMIName.Duplicate',
      message: expect.stringContaining(id),
    })
  })

  test('is found by owner, name, tag and state, page by page', async () => {
    const ids = [await image('terrace-a'), await image('terrace-b'), await image('other')]
    const find = async (input: object) =>
      (await world.aws.ec2.send(new DescribeImagesCommand(input))).Images?.map(({ ImageId }) => ImageId)
    expect(await find({ Owners: ['self'], Filters: [{ Name: 'name', Values: ['terrace-*'] }] })).toEqual(
      ids.slice(0, 2),
    )
    expect(await find({ Owners: ['136693071363'] })).toEqual([])
    expect(await find({ Filters: [{ Name: 'tag:x', Values: ['*'] }] })).toEqual([])
    await expect(find({ Filters: [{ Name: 'colour', Values: ['red'] }] })).rejects.toMatchObject({
      name: 'InvalidParameterValue',
    })
    const first = await world.aws.ec2.send(new DescribeImagesCommand({ MaxResults: 2 }))
    expect(first.Images).toHaveLength(2)
    expect(await find({ MaxResults: 2, NextToken: first.NextToken })).toEqual([ids[2]])
  })

  test('deregistered takes its snapshot along when that is asked for, unless another image uses it', async () => {
    const of = await snapshot()
    const [one, other] = [
      (await registering(of, { Name: 'one' })).ImageId,
      (await registering(of, { Name: 'other' })).ImageId,
    ]
    const remove = (ImageId: string | undefined) =>
      world.aws.ec2.send(new DeregisterImageCommand({ ImageId, DeleteAssociatedSnapshots: true }))
    expect((await remove(one)).DeleteSnapshotResults).toEqual([{ SnapshotId: of, ReturnCode: 'skipped' }])
    await remove(other)
    expect(world.compute.snapshots.all.size).toBe(0)
    await expect(remove(one)).rejects.toMatchObject({ name: 'InvalidAMIID.Unavailable' })
    await expect(remove('ami-0')).rejects.toMatchObject({ name: 'InvalidAMIID.NotFound' })
  })

  test('is deprecated from a time that is still to come', async () => {
    const ImageId = await image()
    const until = (ms: number) =>
      world.aws.ec2.send(
        new EnableImageDeprecationCommand({
          ImageId,
          DeprecateAt: new Date(world.clock.now().getTime() + ms),
        }),
      )
    await until(MINUTE)
    await expect(until(-MINUTE)).rejects.toMatchObject({ name: 'InvalidParameterValue' })
  })

  test('of a stopped instance comes with a snapshot, and is what the instance was', async () => {
    const from = await instance(await image(), {
      BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { VolumeSize: 8, Encrypted: true } }],
    })
    await world.clock.sleep(MINUTE)
    await world.aws.ec2.send(new StopInstancesCommand({ InstanceIds: [from] }))
    await world.clock.sleep(MINUTE)
    const tags = (ResourceType: 'image' | 'snapshot') => ({
      ResourceType,
      Tags: [{ Key: 'kind', Value: ResourceType }],
    })
    const { ImageId = '' } = await world.aws.ec2.send(
      new CreateImageCommand({
        InstanceId: from,
        Name: 'taken',
        TagSpecifications: [tags('image'), tags('snapshot')],
      }),
    )
    const taken = world.compute.images.all.get(ImageId)
    expect(taken).toMatchObject({ state: 'pending', bootMode: 'uefi', volumeSize: 8 })
    expect(taken?.tags.get('kind')).toBe('image')
    await world.clock.sleep(10 * MINUTE)
    expect(taken?.state).toBe('available')
    const of = world.compute.snapshots.all.get(taken?.snapshot ?? '')
    expect(of).toMatchObject({ state: 'completed', encrypted: true, volumeSize: 8 })
    expect(of?.tags.get('kind')).toBe('snapshot')
  })

  test('may fail, or never come', async () => {
    world.compute.images.failing = 'why'
    expect(world.compute.images.all.get(await image())).toMatchObject({ state: 'failed', reason: 'why' })
    world.compute.images.stuck = true
    expect(world.compute.images.all.get(await image('other'))?.state).toBe('pending')
  })
})

describe('an instance', () => {
  test('starts, passes its checks, stops and ends', async () => {
    const id = await instance(await image())
    expect(await instanceState(id)).toBe('pending')
    await world.clock.sleep(MINUTE)
    expect(await instanceState(id)).toBe('running')
    const checks = async () => {
      const { InstanceStatuses } = await world.aws.ec2.send(
        new DescribeInstanceStatusCommand({ InstanceIds: [id] }),
      )
      return InstanceStatuses?.[0]?.InstanceStatus?.Status
    }
    expect(await checks()).toBe('initializing')
    await world.clock.sleep(3 * MINUTE)
    expect(await checks()).toBe('ok')
    await world.aws.ec2.send(new StopInstancesCommand({ InstanceIds: [id] }))
    expect(await instanceState(id)).toBe('stopping')
    await world.clock.sleep(MINUTE)
    expect(await instanceState(id)).toBe('stopped')
    await world.aws.ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }))
    expect(await instanceState(id)).toBe('shutting-down')
    await world.clock.sleep(MINUTE)
    expect(await instanceState(id)).toBe('terminated')
    await expect(world.aws.ec2.send(new StopInstancesCommand({ InstanceIds: [id] }))).rejects.toMatchObject({
      name: 'IncorrectInstanceState',
    })
  })

  test('that never gets ready', async () => {
    world.compute.instances.neverReady = true
    const id = await instance(await image())
    await world.clock.sleep(60 * MINUTE)
    expect(world.compute.instances.all.get(id)).toMatchObject({ state: 'running', checked: 'initializing' })
  })

  test('that turns itself off is stopped or ends, as was said when it was started', async () => {
    const of = await image()
    const stops = await instance(of)
    const ends = await instance(of, { InstanceInitiatedShutdownBehavior: 'terminate' })
    await world.clock.sleep(MINUTE)
    world.compute.instances.says(stops, 'baked\n')
    for (const id of [stops, ends]) world.compute.instances.powerOff(id)
    await world.clock.sleep(MINUTE)
    expect([await instanceState(stops), await instanceState(ends)]).toEqual(['stopped', 'terminated'])
    const { Output = '' } = await world.aws.ec2.send(new GetConsoleOutputCommand({ InstanceId: stops }))
    expect(Buffer.from(Output, 'base64').toString()).toBe('baked\n')
  })

  test('the same token is the same instance, with other parameters a mismatch', async () => {
    const of = await image()
    const id = await instance(of, { ClientToken: 't' })
    expect(await instance(of, { ClientToken: 't' })).toBe(id)
    await expect(starting(of, { ClientToken: 't', InstanceType: 't3.large' })).rejects.toMatchObject({
      name: 'IdempotentParameterMismatch',
    })
  })

  test('is not started from what is not available, on a type that is not there, with a disk that is too small', async () => {
    const of = await image('large', 4)
    const { ImageId = '' } = await registering(await snapshot(), { Name: 'new' })
    world.compute.instances.unsupported.add('m8z.large')
    await expect(starting('ami-0')).rejects.toMatchObject({ name: 'InvalidAMIID.NotFound' })
    await expect(starting(ImageId)).rejects.toMatchObject({ name: 'InvalidAMIID.Unavailable' })
    await expect(starting(of, { InstanceType: 'm8z.large' as never })).rejects.toMatchObject({
      name: 'Unsupported',
    })
    const small = [{ DeviceName: '/dev/xvda', Ebs: { VolumeSize: 3 } }]
    await expect(starting(of, { BlockDeviceMappings: small })).rejects.toMatchObject({
      name: 'InvalidBlockDeviceMapping',
    })
    expect(world.compute.instances.all.size).toBe(0)
  })

  test('carries the tags that it was started with, and is not known at once', async () => {
    const of = await image()
    world.compute.snapshots.lag = 5_000
    const id = await instance(of, {
      TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'bake', Value: 'b' }] }],
    })
    await expect(instanceState(id)).rejects.toMatchObject({ name: 'InvalidInstanceID.NotFound' })
    await world.clock.sleep(5_000)
    const { Reservations } = await world.aws.ec2.send(
      new DescribeInstancesCommand({ Filters: [{ Name: 'tag:bake', Values: ['b'] }] }),
    )
    expect(Reservations?.[0]?.Instances?.[0]?.InstanceId).toBe(id)
  })
})
