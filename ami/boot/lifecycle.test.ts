// A server's place in its group: ready, given up, leaving, and the calls that say so, whatever becomes of them.
import { UpdateAutoScalingGroupCommand } from '@aws-sdk/client-auto-scaling'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FAULTS } from '../../aws/stand-in/service.ts'
import { PAUSE_MS, watchUntilLeaving } from './drain.ts'
import { handBack } from './handed-back.ts'
import { bringInService, LOADING_MS, type Probe, SILENT_MS } from './in-service.ts'
import { complete, type Lifecycle } from './lifecycle.ts'
import { createWorld, GROUP, HOOKS, launchData, type World } from './test/world.ts'

let world: World
beforeEach(async () => {
  world = await createWorld()
})
afterEach(() => world[Symbol.asyncDispose]())

const lifecycle = (): Lifecycle => ({
  ...{ imds: world.imds, autoscaling: world.boot.autoscaling, clock: world.aws.clock },
  onFailure: (reason) => world.said.push(reason),
})
const state = () => world.aws.groups.groups.get(GROUP)?.instances.get(world.instance.id)
const now = () => world.aws.clock.now().getTime()
const calls = (operation: string) => world.aws.calls.filter((call) => call.operation === operation)
const READY: Probe = { state: 'ready' }
const LOADING: Probe = { state: 'loading', reason: 'the index is not loaded' }
const SILENT: Probe = { state: 'silent' }

/** @param probe what the server says, by the milliseconds since the beginning */
const serve = (probe: (ms: number) => Probe) => {
  const began = now()
  const probing = async () => probe(now() - began)
  return bringInService({ ...lifecycle(), launch: launchData(), probe: probing, journal: world.journal })
}
const shrink = () =>
  world.boot.autoscaling.send(
    new UpdateAutoScalingGroupCommand({ AutoScalingGroupName: GROUP, MinSize: 0, DesiredCapacity: 0 }),
  )

describe('in service', () => {
  test('once it has been ready for as long as the stack says', async () => {
    world.join()
    const began = now()
    expect(await serve((ms) => (ms < 60_000 ? LOADING : READY))).toBe(true)
    expect(state()).toBe('InService')
    expect(now() - began).toBeGreaterThanOrEqual(90_000)
    expect(calls('CompleteLifecycleAction').map(({ input }) => input)).toEqual([
      {
        ...{ AutoScalingGroupName: GROUP, InstanceId: world.instance.id },
        ...{ LifecycleHookName: 'ready', LifecycleActionResult: 'CONTINUE' },
      },
    ])
    expect(world.said.filter((one) => one.includes('the index is not loaded'))).toHaveLength(1)
  })

  test('without a break: a server that stumbles begins again', async () => {
    world.join()
    const began = now()
    await serve((ms) => (ms > 20_000 && ms < 25_000 ? LOADING : READY))
    expect(now() - began).toBeGreaterThanOrEqual(55_000)
  })

  test('what loads for longer than the hook lasts is waited for', async () => {
    world.join()
    const half = LOADING_MS / 2
    expect(half / 1000).toBeGreaterThan(HOOKS.launch?.seconds ?? 0)
    expect(await serve((ms) => (ms < half ? LOADING : READY))).toBe(true)
    expect(state()).toBe('InService')
    expect(calls('RecordLifecycleActionHeartbeat').length).toBeGreaterThan(5)
  })

  test('a heartbeat that fails ends nothing', async () => {
    world.join()
    world.aws.faults.add({ operation: 'RecordLifecycleActionHeartbeat', times: 2, error: FAULTS.throttled() })
    expect(await serve((ms) => (ms < 400_000 ? LOADING : READY))).toBe(true)
    expect(state()).toBe('InService')
  })

  test.each([
    ['nobody listens', SILENT, SILENT_MS, 'has not been heard for 180 s'],
    ['it never gets ready', LOADING, LOADING_MS, 'not ready after 45 minutes: the index is not loaded'],
  ])('given up when %s', async (_, probe, ms, sentence) => {
    world.join()
    const began = now()
    const { id } = world.instance
    expect(await serve(() => probe)).toBe(false)
    expect(now() - began).toBeGreaterThanOrEqual(ms)
    expect(world.said.join()).toContain(sentence)
    expect(calls('CompleteLifecycleAction')[0]?.input).toMatchObject({ LifecycleActionResult: 'ABANDON' })
    // The group has launched another one.
    expect([...(world.aws.groups.groups.get(GROUP)?.instances.keys() ?? [])]).not.toContain(id)
    expect(world.aws.groups.groups.get(GROUP)?.instances.size).toBe(1)
  })

  test('a server of no group, and one that served before, have nobody to tell', async () => {
    expect(await serve(() => SILENT)).toBe(true)
    world.join({})
    await world.aws.clock.sleep(200_000)
    expect(state()).toBe('InService')
    expect(await serve(() => SILENT)).toBe(true)
    expect(calls('CompleteLifecycleAction')).toEqual([])
  })
})

describe('completing a hook', () => {
  const ready = (patienceMs = 60_000) =>
    complete(lifecycle(), { transition: 'launch', hook: 'ready', result: 'CONTINUE', patienceMs })

  test('an answer that was lost is no second completion', async () => {
    world.join()
    const lost = { operation: 'CompleteLifecycleAction', error: FAULTS.noAnswer(), answer: 'lost' } as const
    world.aws.faults.add(lost)
    expect(await ready()).toBe('past')
    expect(state()).toBe('InService')
  })

  test('is tried again while AWS slows down, and for as long as patience lasts', async () => {
    world.join()
    world.aws.faults.add({ operation: 'CompleteLifecycleAction', times: 3, error: FAULTS.throttled() })
    expect(await ready()).toBe('completed')
    expect(world.said).toHaveLength(3)
    world.aws.faults.add({ operation: '*', times: 1_000, error: FAULTS.denied('autoscaling:Describe') })
    await expect(ready()).rejects.toThrow('The role of this server may not')
  })

  test('a group that waits for another hook is left to it', async () => {
    world.join({ launch: { name: 'of-somebody-else', seconds: 600, result: 'ABANDON' } })
    expect(await ready()).toBe('past')
    expect(state()).toBe('Pending:Wait')
  })

  test('a group that does not know its server yet is asked again', async () => {
    world.instance.targetState = 'InService'
    world.aws.clock.after(20_000, () => world.join())
    expect(await ready()).toBe('completed')
    expect(world.said[0]).toContain('does not know i-0123456789abcdef0 yet')
  })
})

describe('leaving', () => {
  const watch = () => watchUntilLeaving({ imds: world.imds, clock: world.aws.clock, journal: world.journal })

  test('is seen within seconds, and the load balancer gets time before the programs stop', async () => {
    world.join({ terminate: HOOKS.terminate as never })
    await world.aws.clock.sleep(200_000)
    const leaving = now() + 100_000
    world.aws.clock.after(100_000, () => void shrink())
    await watch()
    expect(now() - leaving).toBeGreaterThanOrEqual(PAUSE_MS)
    // What is left of the minute that the load balancer waits is for the streams.
    expect(now() - leaving).toBeLessThanOrEqual(15_000)
    expect(state()).toBe('Terminating')
  })

  test('the group, which comes to wait later, is told once', async () => {
    world.join({ terminate: HOOKS.terminate as never })
    await world.aws.clock.sleep(200_000)
    await shrink()
    expect(state()).toBe('Terminating')
    expect(await handBack(lifecycle(), 'handed-back')).toBe('completed')
    expect(calls('CompleteLifecycleAction')).toHaveLength(1)
  })

  test('then, once everything is handed back, the group is told', async () => {
    world.join({ terminate: HOOKS.terminate as never })
    await world.aws.clock.sleep(200_000)
    await shrink()
    await watch()
    await world.aws.clock.sleep(60_000)
    expect(state()).toBe('Terminating:Wait')
    const began = now()
    expect(await handBack(lifecycle(), 'handed-back')).toBe('completed')
    // The last lines leave first.
    expect(now() - began).toBeGreaterThanOrEqual(PAUSE_MS)
    expect(state()).toBe('Terminating:Proceed')
    expect(calls('CompleteLifecycleAction')).toHaveLength(1)
    await world.aws.clock.sleep(60_000)
    // Killed after the call, it runs again.
    world.instance.targetState = undefined
    expect(await handBack(lifecycle(), 'handed-back')).toBe('in no group')
  })

  test('is not taken from metadata that are away, nor from a stay beside the group', async () => {
    world.instance.targetState = 'Standby'
    let ended = false
    const watching = watch().then(() => {
      ended = true
    })
    await expect.poll(() => world.said.join()).toContain('is to be Standby')
    world.faults.of = () => ({ kind: 'status', status: 503 })
    await expect.poll(() => world.said.join()).toContain('it answers 503')
    expect(ended).toBe(false)
    world.faults.of = () => undefined
    world.instance.targetState = 'Terminated'
    await watching
  })

  test.each([
    ['never served', [], false],
    ['has served', ['InService'], true],
  ] as const)('a machine that is stopped for later leaves when it %s', async (_, before, leaves) => {
    const states = [...before, 'Warmed:Stopped', 'Warmed:Stopped', 'Warmed:Stopped']
    let seen = 0
    world.faults.of = (method, path) => {
      if (method === 'GET' && path.endsWith('target-lifecycle-state'))
        world.instance.targetState = states[seen++] ?? 'Terminated'
      return undefined
    }
    await watch()
    expect(seen).toBe(leaves ? 2 : states.length + 1)
  })

  test('notices of EC2 are said, once each', async () => {
    world.instance.more = {
      'meta-data/spot/instance-action': '{"action": "terminate", "time": "2026-11-28T13:00:00Z"}',
      'meta-data/events/recommendations/rebalance': '{"noticeTime": "2026-11-28T12:30:00Z"}',
      'meta-data/events/maintenance/scheduled': '[{"Code": "system-reboot", "State": "active"}]',
    }
    world.instance.targetState = 'InService'
    world.aws.clock.after(60_000, () => {
      world.instance.targetState = 'Terminated'
    })
    await watch()
    for (const sentence of [
      'interrupts this server (Spot): {"action": "terminate"',
      'may soon',
      'system-reboot',
    ])
      expect(world.said.filter((one) => one.includes(sentence))).toHaveLength(1)
  })
})
