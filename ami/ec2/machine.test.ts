// Instances of a bake, over the stand-in: what runs on them here is a test's own few lines on a console.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Aws } from '../../aws/port.ts'
import { awsError, FAULTS } from '../../aws/stand-in/service.ts'
import type { StandIn } from '../../aws/stand-in/stand-in.ts'
import { Continuable } from '../ledger/failure.ts'
import { beginLedger, readLedger } from '../ledger/ledger.ts'
import { fileStore, type LedgerStore } from '../ledger/store.ts'
import type { Baking } from '../upload/baking.ts'
import { endingAt, HOME, INPUTS, KEY, newWorld } from '../upload/fixture.ts'
import { placeImage } from './fixture.ts'
import { end, type Machine, runMachine } from './machine.ts'

let folder: string
let world: StandIn
let said: string[]
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-machine-'))
  world = withImage()
  said = []
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const MACHINE: Machine = {
  name: 'builder',
  image: 'ami-0debian',
  types: ['c7i.large', 'c6i.large'],
  subnets: ['subnet-1', 'subnet-2'],
  group: 'sg-1',
  profile: 'terrace-builder-eu-west-1',
  hasPublicAddress: true,
  rootDevice: '/dev/xvda',
  volumeGiB: 20,
  userData: '#!/bin/sh\necho DONE 42\n',
  patienceMs: 20 * 60_000,
}
/** Its last line says what it found. */
const judge = (console: string) => /^DONE (\d+)$/m.exec(console)?.[1]

/** One that says, a while after it runs, that it is done. */
function withImage(): StandIn {
  const made = newWorld()
  const { instances } = made.compute
  placeImage(made, MACHINE.image)
  instances.program = (id) => made.clock.after(60_000, () => instances.says(id, 'booted\nDONE 42\n'))
  return made
}

const place = () => path.join(folder, 'journal.json')
async function bakingOf(
  aws: Aws = world.aws,
  store: LedgerStore = fileStore(place()),
  signal?: AbortSignal,
): Promise<Baking> {
  const identity = { inputs: INPUTS, ...HOME, disks: {}, key: KEY }
  return {
    aws,
    folder,
    signal,
    ledger: (await readLedger(store)) ?? (await beginLedger(store, identity, aws.clock.now())),
    architecture: 'x86_64',
    key: KEY,
    say: (line) => said.push(line),
    progress: () => undefined,
  }
}
const run = async (baking?: Baking, machine = MACHINE) =>
  runMachine(baking ?? (await bakingOf()), machine, judge)
const all = (of = world) => [...of.compute.instances.all.values()]
function nothingRuns(of = world): void {
  for (const { state } of all(of)) expect(['shutting-down', 'terminated']).toContain(state)
}
const nothingIsRemembered = async () =>
  expect((await bakingOf()).ledger.state.resources.filter(({ state }) => state !== 'removed')).toEqual([])

test('it runs until it has said what it found, and is gone then', async () => {
  expect(await run()).toBe('42')
  expect(all()).toHaveLength(1)
  nothingRuns()
  await nothingIsRemembered()
})

test('nobody gets in or signs in, its disk is encrypted, it ends when it turns itself off, and says whose it is', async () => {
  await run()
  const [made] = all()
  expect(made?.input).toMatchObject({
    InstanceInitiatedShutdownBehavior: 'terminate',
    MetadataOptions: { HttpTokens: 'required', HttpPutResponseHopLimit: 1 },
    NetworkInterfaces: [{ Groups: ['sg-1'], SubnetId: 'subnet-1', AssociatePublicIpAddress: true }],
    BlockDeviceMappings: [
      {
        Ebs: {
          Encrypted: true,
          KmsKeyId: KEY,
          VolumeType: 'gp3',
          VolumeSize: 20,
          DeleteOnTermination: true,
        },
      },
    ],
    IamInstanceProfile: { Name: 'terrace-builder-eu-west-1' },
  })
  expect(made?.input.KeyName).toBeUndefined()
  expect(made?.userData).toBe(MACHINE.userData)
  expect(made?.tags.get('service')).toBe('terrace')
  expect(made?.tags.get('terrace-inputs')).toBe(INPUTS)
  expect(Date.parse(made?.tags.get('terrace-expires') ?? '')).toBeGreaterThan(world.clock.now().getTime())
  const tagged = made?.input.TagSpecifications?.map(({ ResourceType }) => ResourceType)
  expect(tagged).toEqual(['instance', 'volume'])
})

test('without a profile it has no rights, and without an address it reaches nobody', async () => {
  await run(undefined, { ...MACHINE, profile: undefined, hasPublicAddress: false })
  expect(all()[0]?.input.IamInstanceProfile).toBeUndefined()
  expect(all()[0]?.input.NetworkInterfaces?.[0]?.AssociatePublicIpAddress).toBe(false)
})

test('ended at every step, before it and after it, the next run gets the same answer, and nothing runs', async () => {
  const whole = endingAt(0, 'after', world)
  await run(await bakingOf(whole.aws, whole.store(place())))
  const steps = whole.steps()
  expect(steps).toBeGreaterThan(10)
  for (const when of ['before', 'after'] as const)
    for (let step = 1; step <= steps; step++) {
      world = withImage()
      rmSync(place(), { force: true })
      const ending = endingAt(step, when, world)
      await bakingOf(ending.aws, ending.store(place()))
        .then(run)
        .catch(() => undefined)
      expect(ending.isDead(), `step ${step}`).toBe(true)
      expect(await run(), `${when} step ${step}`).toBe('42')
      nothingRuns()
      await nothingIsRemembered()
    }
})

test('ended at every step, and taken back: nothing runs', async () => {
  const whole = endingAt(0, 'after', world)
  await run(await bakingOf(whole.aws, whole.store(place())))
  for (const when of ['before', 'after'] as const)
    for (let step = 1; step <= whole.steps(); step++) {
      world = withImage()
      rmSync(place(), { force: true })
      const ending = endingAt(step, when, world)
      await bakingOf(ending.aws, ending.store(place()))
        .then(run)
        .catch(() => undefined)
      await end(await bakingOf(), MACHINE.name)
      nothingRuns()
      await nothingIsRemembered()
    }
})

describe('what AWS does', () => {
  test('what was just started is not known at once', async () => {
    world.compute.snapshots.lag = 40_000
    expect(await run()).toBe('42')
    nothingRuns()
  })

  test.each(['RunInstances', 'DescribeInstances', 'GetConsoleOutput', 'TerminateInstances'])(
    '%s is slowed down, and its answer is lost: there is one instance, and it ends',
    async (operation) => {
      world.faults.add({ operation, times: 2, error: FAULTS.throttled() })
      world.faults.add({ operation, call: 3, error: FAULTS.noAnswer(), answer: 'lost' })
      expect(await run()).toBe('42')
      expect(all()).toHaveLength(1)
      nothingRuns()
    },
  )

  test('no room in one zone: the other one', async () => {
    world.compute.instances.full.add('subnet-1')
    await run()
    expect(all()[0]?.input.NetworkInterfaces?.[0]?.SubnetId).toBe('subnet-2')
    expect(said.join('\n')).toContain('no c7i.large in subnet-1')
    // Asked once in each: that there is no room is nothing to wait for.
    expect(world.calls.filter(({ operation }) => operation === 'RunInstances')).toHaveLength(2)
    await nothingIsRemembered()
  })

  test('a type that the region does not have: the next one', async () => {
    world.compute.instances.unsupported.add('c7i.large')
    await run()
    expect(all()[0]?.type).toBe('c6i.large')
  })

  test('no room anywhere: said, with what was tried', async () => {
    for (const subnet of MACHINE.subnets) world.compute.instances.full.add(subnet)
    await expect(run()).rejects.toThrow(
      /eu-west-1 has no room for the builder: tried c7i.large, c6i.large in subnet-1 and subnet-2\. Nothing of it was started/,
    )
    await nothingIsRemembered()
  })

  test('it was started, nobody heard of it, and it ended: the next run starts another one', async () => {
    const { instances } = world.compute
    // A machine that turns itself off by itself, and a run that was killed before the answer came.
    instances.program = (id) => instances.powerOff(id)
    const ending = endingAt(4, 'after', world)
    await bakingOf(ending.aws, ending.store(place()))
      .then(run)
      .catch(() => undefined)
    expect(all()).toHaveLength(1)
    expect((await bakingOf()).ledger.find(MACHINE.name)?.state).toBe('asked')
    await world.clock.sleep(10 * 60_000)
    instances.program = (id) => instances.says(id, 'DONE 42\n')
    expect(await run()).toBe('42')
    expect(said.join('\n')).toContain('what an earlier run started has ended')
    expect(all()).toHaveLength(2)
    nothingRuns()
    await nothingIsRemembered()
  })

  test('a subnet without a free address: the other one', async () => {
    const error = awsError('InsufficientFreeAddressesInSubnet', 'There are not enough free addresses.')
    world.faults.add({ operation: 'RunInstances', times: 1, error })
    await run()
    expect(all()[0]?.input.NetworkInterfaces?.[0]?.SubnetId).toBe('subnet-2')
  })

  test.each([
    'VcpuLimitExceeded',
    'InstanceLimitExceeded',
    'VolumeLimitExceeded',
    'MaxIOPSLimitExceeded',
    'PendingVerification',
  ])('%s: said in AWS’s words, asked once, and a later run can go on', async (name) => {
    const error = awsError(name, 'You have requested more than your limit of 8 allows.')
    world.faults.add({ operation: 'RunInstances', times: 10, error })
    const failure = await run().catch((thrown: unknown) => thrown)
    expect(failure).toBeInstanceOf(Continuable)
    expect(failure).toMatchObject({
      message: `The builder was not started: You have requested more than your limit of 8 allows (${name})`,
    })
    expect(world.calls.filter(({ operation }) => operation === 'RunInstances')).toHaveLength(1)
    await nothingIsRemembered()
  })

  test.each([
    ['Client.InternalError', 'Client error on launch'],
    ['Server.InternalError', 'Server error on launch'],
    ['Client.UserInitiatedShutdown', 'User initiated shutdown'],
  ])('%s ends it: said in AWS’s words, and a later run can go on', async (code, message) => {
    const { instances } = world.compute
    instances.program = (id) => instances.fails(id, code, message)
    const failure = await run().catch((thrown: unknown) => thrown)
    expect(failure).toBeInstanceOf(Continuable)
    expect(failure).toMatchObject({
      message: expect.stringContaining(`ended, and not by itself: ${code}: ${message}`),
    })
    nothingRuns()
    await nothingIsRemembered()
  })

  test('it ends without a word: its console is shown, and which one it was', async () => {
    const { instances } = world.compute
    instances.program = (id) =>
      world.clock.after(60_000, () => {
        instances.says(id, 'Kernel panic\n')
        instances.powerOff(id)
      })
    await expect(run()).rejects.toThrow(
      /builder (i-\w+) ended and did not say.*Kernel panic.*\1 was terminated/s,
    )
    await nothingIsRemembered()
  })

  test('it says what it found and turns itself off at once: that counts', async () => {
    const { instances } = world.compute
    instances.program = (id) => {
      instances.says(id, 'DONE 42\n')
      instances.powerOff(id)
    }
    expect(await run()).toBe('42')
  })

  test('what it said before it turned itself off is shown later only: that counts, too', async () => {
    const { instances } = world.compute
    instances.program = (id) => {
      instances.powerOff(id)
      world.clock.after(60_000, () => instances.says(id, 'DONE 42\n'))
    }
    expect(await run()).toBe('42')
  })

  test('it never says anything: it is ended after its time', async () => {
    world.compute.instances.program = undefined
    await expect(run()).rejects.toThrow(/has not said after 20 minutes.*console is empty.*was terminated/s)
    nothingRuns()
  })

  test('somebody ended it while nobody watched: the next run starts another one', async () => {
    const { instances } = world.compute
    instances.program = undefined
    world.faults.add({ operation: 'GetConsoleOutput', times: 10_000, error: FAULTS.expired() })
    world.faults.add({ operation: 'TerminateInstances', times: 10_000, error: FAULTS.expired() })
    await expect(run()).rejects.toThrow(
      /i-\w+ could not be terminated.*costs money.*npm run bake:sweep after/s,
    )
    expect(['pending', 'running']).toContain(all()[0]?.state)
    world.faults.clear()
    instances.powerOff(all()[0]?.id ?? '')
    instances.program = (id) => instances.says(id, 'DONE 42\n')
    expect(await run()).toBe('42')
    expect(all()).toHaveLength(2)
    nothingRuns()
  })
})

test('somebody presses Ctrl-C, at any call: it is ended, also one of which no answer was heard', async () => {
  for (const operation of ['RunInstances', 'DescribeInstances', 'GetConsoleOutput']) {
    world = withImage()
    rmSync(place(), { force: true })
    world.compute.snapshots.lag = 40_000
    const pressed = new AbortController()
    const client = world.aws.ec2 as { send: (...args: unknown[]) => Promise<unknown> }
    const send = async (...args: unknown[]) => {
      const result = await client.send(...args)
      const isMeant = (args[0] as object).constructor.name === `${operation}Command`
      if (!isMeant || pressed.signal.aborted) return result
      pressed.abort()
      throw pressed.signal.reason
    }
    const aws = { ...world.aws, ec2: { send } as Aws['ec2'] }
    await expect(run(await bakingOf(aws, fileStore(place()), pressed.signal)), operation).rejects.toThrow()
    expect(all(), operation).toHaveLength(1)
    nothingRuns()
    await nothingIsRemembered()
  }
})
