// A bake whose builder is on an instance, over the stand-in: the machine is a workshop in this process, with a builder of a few bytes.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FAULTS } from '../../aws/stand-in/service.ts'
import { type StandIn, standIn } from '../../aws/stand-in/stand-in.ts'
import { LAYOUT } from '../../infra/image-sets.ts'
import type { BakeLine } from '../bake/arguments.ts'
import { type Baked, bake, type Kitchen } from '../bake/bake.ts'
import {
  account,
  BUCKET,
  bootstrapped,
  CHECKOUT,
  HOME,
  KEY,
  kitchenOf,
  LINE,
  pagesOf as pagesIn,
  region,
} from '../bake/test/kitchen.ts'
import { packStatic } from '../image-set/static-files.ts'
import { endingAt } from '../upload/fixture.ts'
import { type Ec2Building, ec2Builder, pagesOf } from './builder.ts'
import { checkoutOf, type FarWorld, OUTPUTS, prepare, presignAt, SECRET } from './test/far-workshop.ts'
import type { Workshop } from './workshop.ts'

let folder: string
let world: StandIn
let far: FarWorld
let done: string[]
let said: string[]
let ending: AbortController
let more: (machine: string) => Partial<Workshop>
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-ec2-'))
  done = []
  said = []
  more = () => ({})
  ending = new AbortController()
  checkoutOf(path.join(folder, 'checkout'), (...args) => execFileSync('git', args))
  renew()
})
afterEach(async () => {
  await far.idle()
  rmSync(folder, { recursive: true, force: true })
})

function renew(): void {
  world = standIn(account, region)
  far = prepare(
    world,
    folder,
    (what) => done.push(what),
    (id) => more(id),
  )
}
const CHECKED = { ...CHECKOUT, files: {} }
const EC2: BakeLine = { ...LINE, builder: 'ec2' }

function kitchen(but: Partial<Ec2Building> = {}): Kitchen {
  const usual = kitchenOf(folder, far.aws, (what) => done.push(`here: ${what}`))
  const building: Ec2Building = {
    aws: far.aws,
    presign: presignAt('https://s3.example.com'),
    home: HOME,
    mirrors: {
      main: 'https://mirror.example.com/debian',
      security: 'https://mirror.example.com/debian-security',
    },
    journals: path.join(folder, 'journals'),
    say: (line) => said.push(line),
    signal: ending.signal,
    root: path.join(folder, 'checkout'),
    pages: pagesIn(folder, () => 'one'),
    kept: path.join(folder, 'pages'),
    room: () => 2 ** 40,
    ...but,
  }
  return {
    ...usual,
    aws: building.aws,
    checkout: async () => CHECKED,
    builder: ec2Builder(building),
    pages: pagesOf(building),
    say: (line) => said.push(line),
    signal: ending.signal,
  }
}
const run = (but: Partial<Ec2Building> = {}, line: Partial<BakeLine> = {}, other: Partial<Kitchen> = {}) =>
  bake({ ...EC2, ...line }, { ...kitchen(but), ...other })
const setOf = (baked: Baked) => {
  if (baked.outcome !== 'set') throw new Error(baked.outcome)
  return baked.set
}
const machines = () => [...world.compute.instances.all.values()]
const heldAs = () => world.buckets.keys(BUCKET).filter((key) => key.startsWith(LAYOUT.bakes))
function nothingIsLeft(): void {
  for (const { state } of machines()) expect(['shutting-down', 'terminated']).toContain(state)
  expect(heldAs()).toEqual([])
  expect(readdirSync(path.join(folder, 'journals')).filter((name) => !name.endsWith('.lock'))).toEqual([])
}
const console = () =>
  machines()
    .map(({ console: text }) => text)
    .join('')

test('both disks are made and booted there, come here whole, and go on as if they were made here', async () => {
  const set = setOf(await run())
  expect(done).toEqual(['make api', 'make web', 'here: look api web', 'boot api web'])
  expect(set.bootTests).toMatchObject([
    { tier: 'api', where: 'local', seconds: 40 },
    { tier: 'web', where: 'local', seconds: 30 },
  ])
  const disk = path.join(folder, 'disks', set.inputs, 'web.raw')
  expect(readFileSync(disk).toString('utf8', 0, 200)).toContain(`web ${set.release}`)
  expect(statSync(disk).size).toBe(3 * 512 * 1024)
  expect(existsSync(path.join(folder, 'disks', set.inputs, 'web.cdx.json'))).toBe(true)
  expect(machines()).toHaveLength(1)
  nothingIsLeft()
})

test('the machine is Debian’s newest, has no rights, and is told nothing on its console that somebody could use', async () => {
  await run()
  const [machine] = machines()
  expect(machine?.input).toMatchObject({
    ImageId: 'ami-0debian',
    InstanceInitiatedShutdownBehavior: 'terminate',
    MetadataOptions: { HttpTokens: 'required', HttpPutResponseHopLimit: 1 },
    NetworkInterfaces: [{ Groups: ['sg-builders'], SubnetId: 'subnet-1', AssociatePublicIpAddress: true }],
    BlockDeviceMappings: [{ Ebs: { Encrypted: true, KmsKeyId: KEY, VolumeSize: 30 } }],
  })
  expect(machine?.input.IamInstanceProfile).toBeUndefined()
  expect(machine?.input.KeyName).toBeUndefined()
  expect(console()).toContain('terrace-builder: make api')
  expect(`${console()}${said.join('\n')}`).not.toContain(SECRET)
  expect(machine?.userData).toContain(SECRET)
})

test('it is gone before anything is uploaded from here', async () => {
  await run()
  const order = world.calls.map(({ operation }) => operation)
  expect(order.indexOf('TerminateInstances')).toBeLessThan(order.indexOf('StartSnapshot'))
})

test('the same inputs once more: the lists are asked for, and nothing is made', async () => {
  const first = await run()
  expect(await run()).toMatchObject({ ...first, made: false })
  expect(done.filter((what) => what.startsWith('make'))).toHaveLength(2)
  nothingIsLeft()
})

test('the static files of the set before come from the bucket, and those that are recorded are the image’s own', async () => {
  const first = setOf(await run())
  rmSync(path.join(folder, 'pages'), { recursive: true })
  const other = (place: string) => pagesIn(place, () => 'two')
  more = (id) => ({ pages: other(path.join(folder, id)) })
  const second = setOf(
    await run(
      { pages: { ...other(folder), files: async () => Promise.reject(new Error('built here')) } },
      { previous: 'latest' },
      { checkout: async () => ({ ...CHECKED, commit: 'e'.repeat(40), version: '0.2.0' }) },
    ),
  )
  expect(done).toContain('make web with one.js')
  expect(second.previous).toBe(first.inputs)
  const place = path.join(folder, 'expected')
  await other(place).files('two', () => {})
  expect(second.pages?.files).toBe(packStatic(path.join(place, 'two')).sha256)
})

test('a dry run starts nothing, and says what would be', async () => {
  expect(await run({}, { dryRun: true })).toEqual({ outcome: 'planned', release: undefined })
  expect(machines()).toEqual([])
  expect(said.join('\n')).toMatch(
    /debian-13-amd64-20261101-2290 \(ami-0debian\)[\s\S]*USD[\s\S]*None was started/,
  )
  expect(world.buckets.keys(BUCKET)).toEqual([])
})

describe('is refused, and nothing is started', () => {
  test.each<[string, () => Partial<Ec2Building>, string]>([
    [
      'without a network of the bootstrap',
      () => ({ aws: { ...bootstrapped(world.aws, OUTPUTS.slice(0, 1)), clock: far.aws.clock } }),
      'has no network for builders: npm run bootstrap',
    ],
    [
      'with credentials that end soon',
      () => ({
        presign: presignAt(
          'https://s3.example.com',
          () => new Date(world.clock.now().getTime() + 20 * 60_000),
        ),
      }),
      'These credentials end at',
    ],
  ])('%s', async (_what, but, why) => {
    await expect(run(but())).rejects.toThrow(why)
    expect(machines()).toEqual([])
    expect(world.buckets.keys(BUCKET)).toEqual([])
  })

  test('in a region without Debian’s image', async () => {
    const ec2 = far.aws.ec2 as { send: (command: object) => Promise<object> }
    const send = async (command: object) =>
      command.constructor.name === 'DescribeImagesCommand' ? { Images: [] } : ec2.send(command)
    const aws = { ...far.aws, ec2: { send } as unknown as FarWorld['aws']['ec2'] }
    await expect(run({ aws })).rejects.toThrow(`${region} has no image debian-13-amd64-*`)
    expect(machines()).toEqual([])
  })

  test('with a checkout that has changed since it was read', async () => {
    const files = { 'package.json': 'f'.repeat(64) }
    await expect(run({}, {}, { checkout: async () => ({ ...CHECKED, files }) })).rejects.toThrow(
      'The checkout changed while it was read: package.json',
    )
    expect(machines()).toEqual([])
  })

  test('without room anywhere', async () => {
    for (const subnet of ['subnet-1', 'subnet-2']) world.compute.instances.full.add(subnet)
    await expect(run()).rejects.toThrow(`${region} has no room for the builder: tried c7i.xlarge`)
    nothingIsLeft()
  })
})

test('a type that the region does not have: another one', async () => {
  world.compute.instances.unsupported.add('c7i.xlarge')
  await run()
  expect(machines()[0]?.type).toBe('c6i.xlarge')
})

describe('a machine', () => {
  test('that never gets to work is shown with its console, and ended', async () => {
    const { instances } = world.compute
    instances.program = (id) => instances.says(id, 'terrace-builder: packages of Debian\nE: no such mirror\n')
    await expect(run()).rejects.toThrow(
      /builder i-\w+ has not begun to work after 25 minutes.*no such mirror/s,
    )
    nothingIsLeft()
  })

  test('that ends half-way is shown with its console', async () => {
    const { instances } = world.compute
    const { program } = instances
    more = (id) => ({
      builder: {
        lists: async () => ({ images: { api: [], web: [] }, tools: [] }),
        make: async () => {
          instances.says(id, 'Out of memory: Killed process 4711 (node)\n')
          instances.powerOff(id)
          return new Promise(() => {})
        },
        boot: async () => ({}),
      },
    })
    expect(program).toBeDefined()
    far = { ...far, idle: async () => undefined }
    await expect(run()).rejects.toThrow(
      /builder (i-\w+) ended and did not say.*Out of memory.*\1 was terminated/s,
    )
    nothingIsLeft()
  })

  test('whose builder fails says why, in its words', async () => {
    more = () => ({
      builder: {
        lists: async () => ({ images: { api: [], web: [] }, tools: [] }),
        make: async () => Promise.reject(new Error('mmdebstrap made no root')),
        boot: async () => ({}),
      },
    })
    await expect(run()).rejects.toThrow('mmdebstrap made no root')
    nothingIsLeft()
  })

  test('whose pages are others is not asked for images of them', async () => {
    more = (id) => ({ pages: pagesIn(path.join(folder, id), () => 'two') })
    await expect(run()).rejects.toThrow('build one here and two on the builder')
    expect(done).toEqual([])
    nothingIsLeft()
  })
})

test('what comes is not what was sent: nothing of it stays, and nothing is uploaded', async () => {
  const s3 = far.aws.s3 as { send: (command: { input: { Key?: string } }) => Promise<object> }
  const send = async (command: { input: { Key?: string } }) => {
    const answer = await s3.send(command)
    if (command.constructor.name !== 'GetObjectCommand' || !command.input.Key?.includes('/disk-'))
      return answer
    const Body = { transformToByteArray: async () => Buffer.from('torn') }
    return { ...answer, Body }
  }
  const aws = { ...far.aws, s3: { send } as unknown as FarWorld['aws']['s3'] }
  await expect(run({ aws })).rejects.toThrow('is not what was sent: its checksum differs')
  const [inputs = ''] = readdirSync(path.join(folder, 'disks'))
  expect(readdirSync(path.join(folder, 'disks', inputs)).filter((name) => name.includes('.raw'))).toEqual([])
  expect(world.calls.some(({ operation }) => operation === 'StartSnapshot')).toBe(false)
  nothingIsLeft()
})

test('no room on this machine is said before the disk is sent', async () => {
  await expect(run({ room: () => 100 * 2 ** 20 })).rejects.toThrow(
    'has 100 MiB left, and an image of 1 is to come',
  )
  expect(console()).not.toContain('send')
  nothingIsLeft()
})

test.each(['PutObject', 'GetObject', 'DescribeInstances', 'DeleteObjects', 'ListObjectsV2'])(
  '%s is slowed down, and its answer is lost: one machine, one set',
  async (operation) => {
    // While the machine works: what comes before is not the builder’s.
    more = () => {
      world.faults.add({ operation, call: 2, times: 2, error: FAULTS.throttled() })
      world.faults.add({ operation, call: 1, error: FAULTS.noAnswer(), answer: 'lost' })
      return {}
    }
    expect(await run({}, { previous: 'none' })).toMatchObject({ outcome: 'set', made: true })
    expect(machines()).toHaveLength(1)
    nothingIsLeft()
  },
)

test('no answer is heard to the call that starts it: there is one', async () => {
  world.faults.add({ operation: 'RunInstances', error: FAULTS.noAnswer(), answer: 'lost' })
  expect(await run()).toMatchObject({ outcome: 'set', made: true })
  expect(machines()).toHaveLength(1)
  nothingIsLeft()
})

test('one that can’t be ended is named, and why the bake failed, too; the next run ends it', async () => {
  more = () => {
    world.faults.add({
      operation: 'TerminateInstances',
      times: 1_000,
      error: FAULTS.denied('ec2:TerminateInstances'),
    })
    return {}
  }
  const look = async () => Promise.reject(new Error('CVE-2026-1'))
  const { inspection } = kitchen()
  await expect(run({}, {}, { inspection: { ...inspection, look } })).rejects.toThrow(
    /CVE-2026-1\n.*i-\w+ could not be terminated.*costs money/s,
  )
  expect(machines()[0]?.state).toBe('running')
  world.faults.clear()
  more = () => ({})
  expect(await run()).toMatchObject({ outcome: 'set', made: true })
  expect(machines()).toHaveLength(1)
  nothingIsLeft()
})

test('a run that was ended leaves a machine with its disks to the next one', async () => {
  const never = new Promise<never>(() => {})
  const first = kitchen()
  const died = Promise.withResolvers<void>()
  const inspection = {
    ...first.inspection,
    look: async () => {
      died.resolve()
      return never
    },
  }
  void bake(EC2, { ...first, inspection }).catch(() => {})
  await died.promise
  // As an ended process leaves it: its lock is taken over, and it does nothing any more.
  for (const name of readdirSync(path.join(folder, 'journals')))
    if (name.endsWith('.lock')) rmSync(path.join(folder, 'journals', name))
  for (const name of readdirSync(path.join(folder, 'disks'), { recursive: true, encoding: 'utf8' }))
    if (name.endsWith('.lock')) rmSync(path.join(folder, 'disks', name))
  expect(await run()).toMatchObject({ outcome: 'set', made: true })
  expect(done).toEqual(['make api', 'make web', 'here: look api web', 'boot api web'])
  expect(machines()).toHaveLength(1)
})

test('a machine that does not have the disks any more is given them: what is booted is what is uploaded', async () => {
  const failing = kitchen()
  const inspection = { ...failing.inspection, look: async () => Promise.reject(new Error('CVE-2026-1')) }
  await expect(bake(EC2, { ...failing, inspection })).rejects.toThrow('CVE-2026-1')
  expect(machines()).toHaveLength(1)
  expect(await run()).toMatchObject({ outcome: 'set', made: true })
  expect(done).toEqual(['make api', 'make web', 'here: look api web', 'boot api web'])
  expect(machines()).toHaveLength(2)
  expect(console()).toContain('take web')
  nothingIsLeft()
})

test('a machine of other sources is ended, and another one is started', async () => {
  const first = kitchen()
  const { builder } = first
  await builder.lists(CHECKED)
  for (const name of readdirSync(path.join(folder, 'journals')))
    if (name.endsWith('.lock')) rmSync(path.join(folder, 'journals', name))
  writeFileSync(path.join(folder, 'checkout', 'package.json'), '{"version":"0.1.1"}\n')
  expect(await run()).toMatchObject({ outcome: 'set' })
  expect(machines()).toHaveLength(2)
  expect(said).toContain('A builder that was begun here is of other sources: it goes.')
  nothingIsLeft()
})

test('ended at every step of its builder, its answer unheard: the same set, and nothing is left', async () => {
  const inIt = async (step: number) => {
    const ending = endingAt(step, 'after', world)
    const aws = { ...bootstrapped(ending.aws, OUTPUTS), clock: far.aws.clock }
    let closed = 0
    const say = (line: string) => {
      said.push(line)
      if (line.startsWith('Nothing is left')) closed = ending.steps()
    }
    const baked = await run({ aws, store: ending.store, say }).catch((error: unknown) => ({
      outcome: 'failed' as const,
      error,
    }))
    return { baked, ending, closed }
  }
  const first = await inIt(0)
  if (first.baked.outcome !== 'set')
    throw first.baked.outcome === 'failed' ? first.baked.error : new Error(first.baked.outcome)
  const { set } = first.baked
  expect(first.closed).toBeGreaterThan(40)
  for (let step = 1; step <= first.closed; step++) {
    await far.idle()
    for (const name of ['disks', 'journals', 'pages'])
      rmSync(path.join(folder, name), { recursive: true, force: true })
    renew()
    // How often is looked whether a file is there differs from run to run, by a few.
    if (!(await inIt(step)).ending.isDead() && step > 40) break
    const { baked } = await inIt(0)
    if (baked.outcome === 'failed') throw new Error(`step ${step}`, { cause: baked.error })
    expect(baked, `step ${step}`).toMatchObject({ outcome: 'set', set })
    nothingIsLeft()
    const used = machines().filter(({ state }) => state === 'running')
    expect(used, `step ${step}`).toEqual([])
  }
}, 300_000)

test('somebody presses Ctrl-C: the machine and the objects go', async () => {
  more = () => ({
    builder: {
      lists: async () => ({ images: { api: [], web: [] }, tools: [] }),
      make: async () => {
        ending.abort()
        throw new Error('too late')
      },
      boot: async () => ({}),
    },
  })
  await expect(run()).rejects.toThrow()
  nothingIsLeft()
})
