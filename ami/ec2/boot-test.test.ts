// Boots on EC2 between the images and their record, over the stand-in: what is believed, what is taken back, and that
// nothing runs on, wherever a bake is ended.
import { rmSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Aws } from '../../aws/port.ts'
import { FAULTS } from '../../aws/stand-in/service.ts'
import type { StandIn } from '../../aws/stand-in/stand-in.ts'
import { BOOT_CHECKS, BOOT_REPORT } from '../../contract/boot-test.ts'
import { imageSetSchema } from '../../infra/images.ts'
import {
  begin,
  end,
  endingAt,
  HOME,
  journal,
  journals,
  KEY,
  newWorld,
  nothingIsThere,
  now,
  onlyWhatIsRecorded,
  run,
} from '../upload/fixture.ts'
import { BOOT_TYPES, bootTestName, mostUsd } from './boot-test.ts'
import { imagesTestThemselves } from './fixture.ts'

const PLACE = { subnets: ['subnet-1', 'subnet-2'], group: 'sg-builders' }

beforeEach(async () => {
  await begin()
  now.publication = { ...now.publication, bootPlace: PLACE }
  imagesTestThemselves(now.world)
})
afterEach(end)

const all = (of: StandIn = now.world) => [...of.compute.instances.all.values()]
function nothingRuns(of?: StandIn): void {
  for (const { state } of all(of)) expect(['shutting-down', 'terminated']).toContain(state)
}
const started = () => all().map(({ userData }) => JSON.parse(userData).bootTest.tier)
const puts = () => now.world.calls.filter(({ operation }) => operation === 'PutSnapshotBlock').length
const failure = (of: Promise<unknown> = run()) =>
  of.then(
    () => {
      throw new Error('it went well')
    },
    (error: Error) => error.message,
  )

test('both images are started once, from their registered ids, and the record says what they have passed', async () => {
  const set = await run()
  const { api, web } = set.regions[HOME.region] ?? {}
  expect(all().map(({ image }) => image)).toEqual([api, web])
  nothingRuns()
  onlyWhatIsRecorded(now.world, set)
  expect(imageSetSchema.parse(set).bootTests).toEqual(
    (['api', 'web'] as const).map((tier) => ({
      ...{ tier, where: 'ec2', at: expect.any(String), seconds: 31.5, checked: BOOT_CHECKS[tier] },
      processor: expect.stringContaining('Xeon'),
    })),
  )
})

test('beside the boots on the machine that baked', async () => {
  const local = { tier: 'api' as const, where: 'local' as const, at: '2026-11-28T12:00:00Z', seconds: 40 }
  now.publication = { ...now.publication, bootTests: [local] }
  const { bootTests = [] } = await run()
  expect(bootTests.map(({ tier, where }) => `${tier} ${where}`)).toEqual(['api local', 'api ec2', 'web ec2'])
  expect(bootTests[0]).toEqual(local)
})

test('without a place nothing is started, and no boot on EC2 is recorded', async () => {
  now.publication = { ...now.publication, bootPlace: undefined }
  expect(await run()).not.toHaveProperty('bootTests')
  expect(all()).toEqual([])
})

test('they stand where builders do, without rights and an address, on an encrypted disk greater than the image', async () => {
  await run()
  for (const [at, tier] of (['api', 'web'] as const).entries()) {
    const { input, userData } = all()[at] ?? {}
    expect(input).toMatchObject({
      InstanceType: BOOT_TYPES[tier][0],
      InstanceInitiatedShutdownBehavior: 'terminate',
      MetadataOptions: { HttpTokens: 'required' },
      NetworkInterfaces: [{ SubnetId: 'subnet-1', Groups: ['sg-builders'], AssociatePublicIpAddress: false }],
      BlockDeviceMappings: [
        { DeviceName: '/dev/xvda', Ebs: { VolumeSize: 8, Encrypted: true, KmsKeyId: KEY } },
      ],
    })
    expect(input?.IamInstanceProfile).toBeUndefined()
    expect(input?.KeyName).toBeUndefined()
    expect(JSON.parse(userData ?? '')).toEqual({
      bootTest: {
        ...{ tier, release: now.publication.release, volumeGiB: 8, checks: BOOT_CHECKS[tier] },
        id: expect.stringMatching(new RegExp(`^[0-9a-f]{16}-${tier}$`)),
      },
    })
  }
})

test('what it may cost is less than ten cents', () => {
  expect(mostUsd()).toBeGreaterThan(0)
  expect(mostUsd()).toBeLessThan(0.1)
})

test('ended at every step, before it and after it, the next run makes the same set, and nothing runs on', async () => {
  const whole = endingAt(0, 'after', now.world)
  const { bootTests, ...expected } = await run(whole.aws, { store: whole.store(journal()) })
  const what = (tests = bootTests) => tests?.map(({ at: _, ...one }) => one)
  const steps = whole.steps()
  expect(steps).toBeGreaterThan(45)
  for (const when of ['before', 'after'] as const)
    for (let step = 1; step <= steps; step++) {
      const other = newWorld()
      imagesTestThemselves(other)
      rmSync(journals(), { recursive: true, force: true })
      const ending = endingAt(step, when, other)
      await run(ending.aws, { store: ending.store(journal()) }).catch(() => undefined)
      expect(ending.isDead(), `step ${step}`).toBe(true)
      const set = await run(other.aws)
      const { bootTests: passed, ...rest } = set
      expect(rest, `${when} step ${step}`).toEqual(expected)
      expect(what(passed), `${when} step ${step}`).toEqual(what())
      onlyWhatIsRecorded(other, set)
      nothingRuns(other)
    }
}, 300_000)

test('an image that has passed is not started again by the next run', async () => {
  // Of the web image's machine.
  now.world.faults.add({ operation: 'RunInstances', call: 2, error: FAULTS.expired() })
  expect(await failure()).toMatch(/Kept: .*The same command goes on from here/)
  await run()
  expect(started()).toEqual(['api', 'web'])
})

test('what was taken back and made anew is started anew: a proof is of one image', async () => {
  imagesTestThemselves(now.world, ({ tier }) => (tier === 'web' ? { findings: ['x'] } : {}))
  // The API's image is gone by then.
  now.world.faults.add({ operation: 'DeleteSnapshot', times: 10, error: FAULTS.denied('ec2:DeleteSnapshot') })
  expect(await failure()).toContain('could not be taken back')
  now.world.faults.clear()
  imagesTestThemselves(now.world)
  const set = await run()
  expect(all().map(({ image }) => image)).toEqual(
    expect.arrayContaining(Object.values(set.regions[HOME.region] ?? {})),
  )
  nothingRuns()
})

describe('an image that fails', () => {
  const nothingIsLeft = () => {
    nothingIsThere(now.world)
    nothingRuns()
  }

  test('says what is wrong: it is shown with its console, its machine is ended, and all is taken back', async () => {
    imagesTestThemselves(now.world, () => ({
      passed: ['image'],
      findings: ['FAISS has found nothing', 'x.service has failed'],
    }))
    const said = await failure()
    expect(said).toMatch(
      /^The api image failed its boot test on EC2 \((i-\w+)\): FAISS has found nothing; x\.service has failed\. The end of its console:\n/,
    )
    expect(said).toContain('Linux version')
    expect(said).toMatch(/i-\w+ was terminated\. Removed: ami-\w+, snap-\w+, ami-\w+, snap-\w+/)
    // What is wrong with one is most likely wrong with the other.
    expect(started()).toEqual(['api'])
    nothingIsLeft()
  })

  test.each([
    ['looked at less than it should', { passed: ['image'] }, 'it did not look at disk, clock, search, units'],
    ['is one of the other tier', { tier: 'web' }, 'it is an image of web'],
    ['is one of another release', { release: '2026.1' }, 'it is of release 2026.1, and not 2026.11.28'],
  ] as const)('%s, though it finds nothing wrong', async (_, change, why) => {
    imagesTestThemselves(now.world, () => change)
    expect(await failure()).toContain(why)
    nothingIsLeft()
  })

  test('says what terminals obey: it is shown as it is, and stands so in no record', async () => {
    const hostile = '\u001b[2J\u0007\u202eall is well'
    imagesTestThemselves(now.world, () => ({ findings: [`x\n${hostile}`] }))
    const { instances } = now.world.compute
    const { program } = instances
    instances.program = (id) => {
      instances.says(id, `${hostile}\r\n`)
      program?.(id)
    }
    const said = await failure()
    expect(said).toMatch(/: x \\u\{7\}\\u\{202e\}all is well\. The end/)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
    expect(said).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/)
    nothingIsLeft()
    imagesTestThemselves(now.world, () => ({ processor: `Xeon${hostile}` }))
    const { bootTests } = await run()
    expect(bootTests?.map(({ processor }) => processor)).toEqual([
      'Xeon?[2J??all is well',
      'Xeon?[2J??all is well',
    ])
  })

  test('ends without a word: its console is shown', async () => {
    const { instances } = now.world.compute
    instances.program = (id) =>
      now.world.clock.after(5_000, () => {
        instances.says(id, 'Kernel panic - not syncing: VFS\n')
        instances.powerOff(id)
      })
    expect(await failure()).toMatch(
      /api boot test i-\w+ ended and did not say how it went.*Kernel panic.*Removed: ami-/s,
    )
    nothingIsLeft()
  })

  test('never gets ready: what AWS’s own checks say is told, its machine is ended, and all is taken back', async () => {
    now.world.compute.instances.neverReady = true
    expect(await failure()).toMatch(
      /^api boot test (i-\w+) has not said after 25 minutes how it went, and AWS’s own checks have not passed \(of its host: initializing; of itself: initializing\)\. Its console is empty\.\n\1 was terminated\. Removed/,
    )
    expect(started()).toEqual(['api'])
    nothingIsLeft()
  })

  test('never gets ready, and AWS does not say what its checks found: it is ended all the same', async () => {
    now.world.compute.instances.neverReady = true
    now.world.faults.add({
      ...{ operation: 'DescribeInstanceStatus', times: 100 },
      error: FAULTS.denied('ec2:DescribeInstanceStatus'),
    })
    expect(await failure()).toMatch(
      /has not said after 25 minutes how it went\. Its console is empty\.\ni-\w+ was terminated/,
    )
    nothingIsLeft()
  })

  test('never says anything: its console is empty, and it is ended', async () => {
    now.world.compute.instances.program = undefined
    expect(await failure()).toMatch(
      /has not said after 25 minutes how it went\. Its console is empty\.\ni-\w+ was terminated\. Removed/,
    )
    nothingIsLeft()
  })
})

describe('what is no report of this boot', () => {
  const line = (given: object) => `${BOOT_REPORT} ${JSON.stringify(given)}\n`
  const otherTiers = (id: string) => id.replace(/\w+$/, (tier) => (tier === 'api' ? 'web' : 'api'))
  const says = (change: (report: Record<string, unknown>) => string) => {
    const { instances } = now.world.compute
    imagesTestThemselves(now.world)
    const program = instances.program
    instances.program = (id) => {
      const { bootTest } = JSON.parse(instances.all.get(id)?.userData ?? '')
      const { id: name, tier, release, checks } = bootTest
      const right = {
        id: name,
        instance: id,
        tier,
        release,
        passed: checks,
        findings: [],
        processor: 'x',
        seconds: 1,
      }
      instances.says(id, change(right))
      program?.(id)
    }
  }

  test.each<[string, (right: Record<string, unknown>) => string]>([
    ['of another machine', (right) => line({ ...right, instance: 'i-0ffffffffffffffff' })],
    ['of another bake', (right) => line({ ...right, id: 'ffffffffffffffff-api' })],
    ['of the other tier’s boot', (right) => line({ ...right, id: otherTiers(`${right.id}`) })],
    ['of an instance that has no id', (right) => line({ ...right, instance: '' })],
    [
      'that the kernel has written into',
      (right) => line(right).replace('"seconds"', '[   3.1] nvme0n1: p1\n"seconds"'),
    ],
    ['that lacks something', ({ findings: _, ...right }) => line(right)],
    ['that is no JSON', () => `${BOOT_REPORT} passed\n`],
  ])('a line %s counts for nothing: the right one does', async (_, change) => {
    says(change)
    const { bootTests } = await run()
    expect(bootTests?.map(({ seconds }) => seconds)).toEqual([31.5, 31.5])
  })

  test('and alone it is none', async () => {
    const { instances } = now.world.compute
    instances.program = (id) => {
      instances.says(id, line({ id: 'ffffffffffffffff-api', instance: id, tier: 'api', findings: [] }))
      instances.powerOff(id)
    }
    expect(await failure()).toContain('ended and did not say how it went')
  })
})

describe('what AWS does', () => {
  test('no room anywhere: the images stay, and the next run goes on there', async () => {
    for (const subnet of PLACE.subnets) now.world.compute.instances.full.add(subnet)
    expect(await failure()).toMatch(
      /no room for the api boot test: tried t3\.medium.*in subnet-1 and subnet-2\. Nothing of it was started: try again later\. Kept: snap-\w+, ami-\w+/,
    )
    const sent = puts()
    now.world.compute.instances.full.clear()
    onlyWhatIsRecorded(now.world, await run())
    expect(puts()).toBe(sent)
    nothingRuns()
  })

  test.each(['RunInstances', 'DescribeInstances', 'GetConsoleOutput', 'TerminateInstances'])(
    '%s is slowed down, and its answer is lost: each image is started once',
    async (operation) => {
      now.world.faults.add({ operation, times: 2, error: FAULTS.throttled() })
      now.world.faults.add({ operation, call: 3, error: FAULTS.noAnswer(), answer: 'lost' })
      const set = await run()
      onlyWhatIsRecorded(now.world, set)
      expect(started()).toEqual(['api', 'web'])
      nothingRuns()
    },
  )

  test('credentials run out while an image boots: it is named, and the next run goes on with it', async () => {
    now.world.faults.add({ operation: 'GetConsoleOutput', times: 10_000, error: FAULTS.expired() })
    now.world.faults.add({ operation: 'TerminateInstances', times: 10_000, error: FAULTS.expired() })
    expect(await failure()).toMatch(/i-\w+ could not be terminated.*costs money.*Kept: .*i-\w+/s)
    now.world.faults.clear()
    const set = await run()
    onlyWhatIsRecorded(now.world, set)
    expect(started()).toEqual(['api', 'web'])
    nothingRuns()
  })

  test('rights are missing: it is said, and nothing is taken back', async () => {
    now.world.faults.add({ operation: 'RunInstances', times: 10, error: FAULTS.denied('ec2:RunInstances') })
    expect(await failure()).toMatch(/ec2:RunInstances.*Kept: snap-/s)
    now.world.faults.clear()
    onlyWhatIsRecorded(now.world, await run())
  })
})

test('somebody presses Ctrl-C while an image boots: its machine and the images go', async () => {
  const pressed = new AbortController()
  const client = now.world.aws.ec2 as { send: (...args: unknown[]) => Promise<unknown> }
  const send = async (...args: unknown[]) => {
    const result = await client.send(...args)
    if ((args[0] as object).constructor.name === 'GetConsoleOutputCommand') pressed.abort()
    return result
  }
  const aws = { ...now.world.aws, ec2: { send } as Aws['ec2'] }
  expect(await failure(run(aws, { signal: pressed.signal }))).toMatch(/The bake was ended\. Removed: ami-/)
  nothingIsThere(now.world)
  nothingRuns()
})

test('a machine that was forgotten is found by its tags', async () => {
  await run()
  for (const { tags } of all()) {
    expect(tags.get('service')).toBe('terrace')
    expect(tags.get('terrace-expires')).toBeDefined()
  }
  expect(all().map(({ tags }) => tags.get('Name'))).toEqual(
    (['api', 'web'] as const).map((tier) => expect.stringContaining(bootTestName(tier))),
  )
})
