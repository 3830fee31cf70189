// What the stand-in promises of images.
import {
  CreateImageCommand,
  DeregisterImageCommand,
  DescribeImagesCommand,
  EnableImageDeprecationCommand,
  RegisterImageCommand,
  type RegisterImageCommandInput,
  StopInstancesCommand,
} from '@aws-sdk/client-ec2'
import { beforeEach, describe, expect, test } from 'vitest'
import { begin, image, instance, MINUTE, registering, renew, snapshot, world } from './fixture.ts'

beforeEach(renew)

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
