// What the stand-in promises of instances.
import {
  DescribeInstanceStatusCommand,
  DescribeInstancesCommand,
  GetConsoleOutputCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2'
import { beforeEach, describe, expect, test } from 'vitest'
import {
  image,
  instance,
  instanceState,
  MINUTE,
  registering,
  renew,
  snapshot,
  starting,
  world,
} from './fixture.ts'

beforeEach(renew)

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
    const begun: string[] = []
    world.compute.instances.program = (one) => begun.push(one)
    const id = await instance(await image())
    await world.clock.sleep(60 * MINUTE)
    expect(world.compute.instances.all.get(id)).toMatchObject({ state: 'running', checked: 'initializing' })
    expect(begun).toEqual([])
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

  test('a token is spent once its instance has been terminated, and it says who has ended it', async () => {
    const of = await image()
    const id = await instance(of, { ClientToken: 't' })
    await world.clock.sleep(MINUTE)
    await world.aws.ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }))
    await world.clock.sleep(MINUTE)
    await expect(starting(of, { ClientToken: 't' })).rejects.toMatchObject({
      name: 'IdempotentInstanceTerminated',
    })
    const { Reservations } = await world.aws.ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }))
    expect(Reservations?.[0]?.Instances?.[0]?.StateReason?.Code).toBe('Client.UserInitiatedShutdown')
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

  test('finds no room in a zone that is full, and is found by its token', async () => {
    const of = await image()
    world.compute.instances.full.add('subnet-1')
    await expect(starting(of, { SubnetId: 'subnet-1' })).rejects.toMatchObject({
      name: 'InsufficientInstanceCapacity',
    })
    const id = await instance(of, { SubnetId: 'subnet-2', ClientToken: 't' })
    const found = async (token: string) => {
      const Filters = [{ Name: 'client-token', Values: [token] }]
      const { Reservations } = await world.aws.ec2.send(new DescribeInstancesCommand({ Filters }))
      return Reservations?.map(({ Instances }) => Instances?.[0]?.InstanceId)
    }
    expect(await found('t')).toEqual([id])
    expect(await found('other')).toEqual([])
  })
})
