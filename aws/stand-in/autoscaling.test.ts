// The stand-in’s groups of servers, which wait for their servers and drain.
import {
  CompleteLifecycleActionCommand,
  DescribeAutoScalingGroupsCommand,
  DescribeAutoScalingInstancesCommand,
  RecordLifecycleActionHeartbeatCommand,
  UpdateAutoScalingGroupCommand,
} from '@aws-sdk/client-auto-scaling'
import { beforeEach, describe, expect, test } from 'vitest'
import { type StandIn, standIn } from './stand-in.ts'

let world: StandIn
beforeEach(() => {
  world = standIn()
})
const HOUR = 3_600_000

test('groups: instances drain over time', async () => {
  world.groups.make('g', 2, 4)
  const states = async () => {
    const { AutoScalingGroups } = await world.aws.autoscaling.send(
      new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: ['g'] }),
    )
    return AutoScalingGroups?.[0]?.Instances?.map(({ LifecycleState }) => LifecycleState)
  }
  expect(await states()).toEqual(['Pending:Wait', 'Pending:Wait'])
  await world.clock.sleep(HOUR)
  expect(await states()).toEqual(['InService', 'InService'])
  await world.aws.autoscaling.send(
    new UpdateAutoScalingGroupCommand({
      AutoScalingGroupName: 'g',
      MinSize: 0,
      MaxSize: 0,
      DesiredCapacity: 0,
    }),
  )
  expect(await states()).toEqual(['Terminating:Wait', 'Terminating:Wait'])
  await world.clock.sleep(HOUR)
  expect(await states()).toEqual([])
})

describe('a group that waits for its servers', () => {
  const launch = { name: 'ready', seconds: 600, result: 'ABANDON' } as const
  const terminate = { name: 'handed-back', seconds: 120, result: 'CONTINUE' } as const
  const make = () => {
    world.groups.make('web', 1, 3, { launch, terminate })
    return only()
  }
  const ids = () => [...(world.groups.groups.get('web')?.instances.keys() ?? [])]
  const only = () => ids()[0] ?? ''
  const stateOf = async (InstanceId: string) => {
    const { AutoScalingInstances: [one] = [] } = await world.aws.autoscaling.send(
      new DescribeAutoScalingInstancesCommand({ InstanceIds: [InstanceId] }),
    )
    return one?.LifecycleState
  }
  const about = (InstanceId: string, LifecycleHookName: string) => ({
    ...{ AutoScalingGroupName: 'web', InstanceId, LifecycleHookName },
  })
  const complete = (id: string, LifecycleActionResult: string, hook = 'ready') =>
    world.aws.autoscaling.send(
      new CompleteLifecycleActionCommand({ ...about(id, hook), LifecycleActionResult }),
    )
  const beat = (id: string) =>
    world.aws.autoscaling.send(new RecordLifecycleActionHeartbeatCommand(about(id, 'ready')))

  test('a server is in service when it says so, and not twice', async () => {
    const id = make()
    await world.clock.sleep(500_000)
    expect([await stateOf(id), world.groups.targetState(id)]).toEqual(['Pending:Wait', 'InService'])
    await complete(id, 'CONTINUE')
    expect(await stateOf(id)).toBe('InService')
    await expect(complete(id, 'CONTINUE')).rejects.toMatchObject({
      name: 'ValidationError',
      message: `No active Lifecycle Action found with instance ID ${id}`,
    })
  })

  test('one that says nothing is ended, unless its heart beats, and that not for ever', async () => {
    const id = make()
    await world.clock.sleep(500_000)
    await beat(id)
    await world.clock.sleep(500_000)
    expect(await stateOf(id)).toBe('Pending:Wait')
    await world.clock.sleep(101_000)
    expect(await stateOf(id)).toBeUndefined()
    // Another one was launched.
    expect(ids()).toHaveLength(1)
    const next = only()
    for (let beats = 0; beats < 121; beats++) {
      await world.clock.sleep(500_000)
      if ((await stateOf(next)) === undefined) break
      await beat(next)
    }
    expect(await stateOf(next)).toBeUndefined()
  })

  test('one that gives up is replaced', async () => {
    const id = make()
    await complete(id, 'ABANDON')
    expect(ids()).toEqual([expect.not.stringContaining(id)])
  })

  test('one that goes leaves its load balancer first, and is waited for then', async () => {
    const id = make()
    await complete(id, 'CONTINUE')
    world.groups.resize('web', { min: 0, desired: 0 })
    expect([await stateOf(id), world.groups.targetState(id)]).toEqual(['Terminating', 'Terminated'])
    await expect(complete(id, 'CONTINUE', 'handed-back')).rejects.toThrow('No active Lifecycle Action')
    await world.clock.sleep(61_000)
    expect(await stateOf(id)).toBe('Terminating:Wait')
    await complete(id, 'CONTINUE', 'handed-back')
    expect(await stateOf(id)).toBe('Terminating:Proceed')
    await world.clock.sleep(60_000)
    expect([await stateOf(id), world.groups.targetState(id)]).toEqual([undefined, undefined])
  })
})
