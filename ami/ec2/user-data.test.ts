// What an instance does by itself, really run by bash, over HTTP, and the workshop as a process: only what would change this
// machine is replaced.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { RunInstancesCommand } from '@aws-sdk/client-ec2'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type StandIn, standIn } from '../../aws/stand-in/stand-in.ts'
import { bake } from '../bake/bake.ts'
import {
  account,
  BUCKET,
  CHECKOUT,
  HOME,
  kitchenOf,
  LINE,
  pagesOf as pagesIn,
  region,
} from '../bake/test/kitchen.ts'
import { type Ec2Building, ec2Builder, pagesOf } from './builder.ts'
import { checkoutOf, type FarWorld, ordersOf, prepare, presignAt, SECRET } from './test/far-workshop.ts'
import { type Machine, serveObjects, startMachine } from './test/loopback.ts'
import { mailboxOf, userData } from './user-data.ts'
import { httpWire, Refused } from './wire.ts'

const ADDRESSES = {
  modelUrl: 'https://models.example.com/bge',
  mirrors: {
    main: 'https://mirror.example.com/debian',
    security: 'https://mirror.example.com/debian-security',
  },
}
const GIVEN = {
  mailbox: '0a1b2c3d',
  sources: 'https://bucket.s3.example.com/sources?X-Amz-Signature=1',
  sha256: 'a'.repeat(64),
  orders: 'https://bucket.s3.example.com/orders?X-Amz-Signature=2',
  addresses: ADDRESSES,
  lifeMinutes: 120,
}

let folder: string
let world: StandIn
let far: FarWorld
let machines: Machine[]
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-user-data-'))
  world = standIn(account, region)
  far = prepare(world, folder, () => undefined)
  machines = []
  world.compute.instances.program = (id) => machines.push(startMachine(world, id, folder))
  const root = path.join(folder, 'checkout')
  mkdirSync(path.join(root, 'local'), { recursive: true })
  const workshop = path.join(import.meta.dirname, 'test/workshop-process.ts')
  writeFileSync(path.join(root, 'local/workshop.mjs'), `await import(${JSON.stringify(workshop)})\n`)
  checkoutOf(root, (...args) => execFileSync('git', args))
})
afterEach(async () => {
  for (const { id, state } of world.compute.instances.all.values())
    if (state === 'running') world.compute.instances.powerOff(id)
  await Promise.all(machines.map(({ ended }) => ended))
  rmSync(folder, { recursive: true, force: true })
})

/** Processes take their time, which the virtual clock knows nothing of. */
const slowly: FarWorld['aws']['clock'] = {
  now: () => world.clock.now(),
  async sleep(ms, signal) {
    await pause(100)
    await world.clock.sleep(ms, signal)
  },
}

function run(base: string) {
  const aws = { ...far.aws, clock: slowly }
  const usual = kitchenOf(folder, aws, () => undefined)
  const building: Ec2Building = {
    aws,
    presign: presignAt(base),
    home: HOME,
    addresses: ADDRESSES,
    journals: path.join(folder, 'journals'),
    say: () => undefined,
    signal: new AbortController().signal,
    root: path.join(folder, 'checkout'),
    pages: pagesIn(folder, () => 'one'),
    kept: path.join(folder, 'pages'),
    room: () => 2 ** 40,
  }
  const checkout = async () => ({ ...CHECKOUT, files: {} })
  return bake(
    { ...LINE, builder: 'ec2' },
    { ...usual, aws, checkout, builder: ec2Builder(building), pages: pagesOf(building) },
  )
}
const console = () => [...world.compute.instances.all.values()].map(({ console: text }) => text).join('')

test('a whole bake by the script and the program', async () => {
  await using objects = await serveObjects(() => world)
  const baked = await run(objects.base)
  if (baked.outcome !== 'set') throw new Error(baked.outcome)
  const disk = path.join(folder, 'disks', baked.set.inputs, 'api.raw')
  expect(readFileSync(disk).toString('utf8', 0, 100)).toContain(`api ${baked.set.release}`)
  const [machine] = machines
  await machine?.ended
  const log = machine?.log().split('\n') ?? []
  // The first thing that it does, whatever comes after it.
  expect(log[0]).toBe(
    'systemd-run --quiet --on-active=120m --timer-property=AccuracySec=1s systemctl poweroff',
  )
  expect(log.filter((line) => / install /.test(line))).toEqual([expect.stringMatching(/nodejs npm/)])
  expect(readdirSync(path.join(machine?.apt ?? '', 'sources.list.d'))).toEqual([])
  expect(readFileSync(path.join(machine?.apt ?? '', 'sources.list'), 'utf8')).toMatch(
    /^(?:deb \[.*\] https:\/\/mirror\.example\.com\S+ \S+ main\n)+$/,
  )
  // Files of images are for other users, too; the address of the orders is for nobody else.
  const modeOf = (name: string) => statSync(path.join(machine?.apt ?? '', '../work', name)).mode & 0o777
  expect(modeOf('disks/api.raw')).toBe(0o644)
  expect(modeOf('checkout/package.json')).toBe(0o644)
  expect(modeOf('orders')).toBe(0o600)
  expect(console()).toContain('terrace-builder: begins boot api web')
  expect(console()).not.toContain(SECRET)
  expect(console()).not.toContain(objects.base)
  expect(world.buckets.keys(BUCKET).filter((key) => key.startsWith('bakes/'))).toEqual([])
}, 60_000)

/** An instance that is told no mirror, with these files of apt. */
async function withoutMirror(own?: Readonly<Record<string, string>>): Promise<Machine> {
  world.compute.instances.program = (id) => machines.push(startMachine(world, id, folder, own))
  const none = { main: undefined, security: undefined }
  const sources = 'file:///there-is-none'
  const script = userData({ ...GIVEN, sources, addresses: { ...ADDRESSES, mirrors: none } })
  await far.aws.ec2.send(
    new RunInstancesCommand({
      ...{ ImageId: 'ami-0debian', InstanceType: 'c7i.xlarge', MinCount: 1, MaxCount: 1 },
      UserData: Buffer.from(script).toString('base64'),
    }),
  )
  await world.clock.sleep(60_000)
  const [machine] = machines
  if (machine === undefined) throw new Error('nothing was started')
  await machine.ended
  return machine
}

test.each([
  ['a list of mirrors', undefined, 'https://own.example.com'],
  [
    'addresses, though by HTTP',
    {
      'sources.list.d/debian.sources':
        'URIs: http://plain.example.com/debian/\n\nTypes: deb\nURIs: http://plain.example.com/debian-security\n',
    },
    'https://plain.example.com',
  ],
  [
    'lines of old',
    {
      'sources.list':
        'deb http://old.example.com/debian trixie main\ndeb http://old.example.com/debian-security trixie-security main\n',
    },
    'https://old.example.com',
  ],
])('who names no mirror gets that of its apt, by HTTPS: %s', async (_what, own, place) => {
  const { apt } = await withoutMirror(own)
  const lines = readFileSync(path.join(apt, 'sources.list'), 'utf8').trim().split('\n')
  expect(lines.map((line) => line.replace(/\[.*\] /, ''))).toEqual([
    `deb ${place}/debian trixie main`,
    `deb ${place}/debian trixie-updates main`,
    `deb ${place}/debian-security trixie-security main`,
  ])
})

test('an apt that names none ends it, and says what to do', async () => {
  const machine = await withoutMirror({ 'sources.list': 'deb cdrom:[Debian] trixie main\n' })
  expect(console()).toContain('its apt names no mirror: bake with DEBIAN_MIRROR and DEBIAN_SECURITY_MIRROR')
  expect(machine.log()).toContain('systemctl poweroff')
})

test.each([
  ['are others', (key: string) => world.buckets.write(BUCKET, key, 'others'), 'are not those that were sent'],
  [
    'are gone',
    (key: string) => void world.buckets.operations.DeleteObject?.({ Bucket: BUCKET, Key: key } as never),
    'could not be fetched',
  ],
])(
  'sources that %s end it, and its bake',
  async (_what, change, why) => {
    await using objects = await serveObjects(() => world)
    const { program } = world.compute.instances
    world.compute.instances.program = (id) => {
      const [key = ''] = world.buckets.keys(BUCKET).filter((one) => one.includes('sources-'))
      change(key)
      program?.(id)
    }
    await expect(run(objects.base)).rejects.toThrow(
      new RegExp(`ended and did not say[\\s\\S]*${why}[\\s\\S]*ended with 1, and turns itself off`),
    )
    expect(machines[0]?.log()).toContain('systemctl poweroff')
    expect(console()).not.toContain(SECRET)
  },
  60_000,
)

test('it is a script of bash that fits, with the longest of addresses', () => {
  const long = `https://bucket.s3.example.com/${'k'.repeat(200)}?X-Amz-Security-Token=${'t'.repeat(4_000)}`
  const script = userData({ ...GIVEN, sources: long, orders: long })
  expect(Buffer.byteLength(script)).toBeLessThan(16_384)
  execFileSync('bash', ['-n'], { input: script })
  expect(script).toMatch(/^export DEBIAN_MIRROR=.* MODEL_URL='https:\/\/models.example.com\/bge'$/m)
  expect(script).toMatch(/^export .* TMPDIR=\/var\/tmp$/m)
  expect(mailboxOf(script)).toBe(GIVEN.mailbox)
  expect(ordersOf(script)).toBe(long)
})

test.each([
  "https://a.example.com/'; reboot '",
  'https://a.example.com/\nreboot',
  'https://a.example.com/ b',
])('nothing gets into it that it could take for something else: %j', (orders) => {
  expect(() => userData({ ...GIVEN, orders })).toThrow('can’t stand in a script')
})

test('the wire tries again what may pass, and says what is refused without saying where', async () => {
  const failing = [503, 429]
  await using objects = await serveObjects(() => world, failing)
  const { get, put } = presignAt(objects.base)
  const wire = httpWire({ now: () => new Date(), sleep: async () => undefined })
  const at = { bucket: BUCKET, key: 'bakes/1/a' }
  expect(await wire.get(await get(at, 60))).toBeUndefined()
  expect(failing).toEqual([])
  await wire.put(await put(at, 60), Buffer.from('text'))
  expect((await wire.get(await get(at, 60)))?.toString()).toBe('text')
  const wrong = await wire.put(await get(at, 60), Buffer.from('text')).catch((error: unknown) => error)
  expect(wrong).toBeInstanceOf(Refused)
  expect(String(wrong)).toBe('Refused: S3 refuses PUT: 403 AccessDenied')
  failing.push(...Array.from({ length: 8 }, () => 500))
  await expect(wire.get(await get(at, 60))).rejects.toThrow('S3 does not answer GET: status 500')
})
