// A bake whose builder is on an instance, over the stand-in: what it makes, of what, and what it leaves.
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Presign } from '../../aws/presign.ts'
import { allows } from '../../infra/bootstrap/evaluate.ts'
import { arnHere, DEBIAN_OWNER } from '../../infra/bootstrap/names.ts'
import { statementsOf } from '../../infra/bootstrap/promise.ts'
import { call, OF_US, state, TAGGED, TAGGING } from '../../infra/bootstrap/reach.ts'
import { SAMPLE_SETTINGS } from '../../infra/bootstrap/sample-settings.ts'
import { bootstrap } from '../../infra/bootstrap/template.ts'
import { LAYOUT } from '../../infra/image-sets.ts'
import { BUCKET, bootstrapped, HOME, KEY, pagesOf as pagesIn, region } from '../bake/test/kitchen.ts'
import { packStatic } from '../image-set/static-files.ts'
import type { Ec2Building } from './builder.ts'
import {
  begin,
  CHECKED,
  consoles,
  finish,
  machines,
  nothingIsLeft,
  now,
  run,
  setOf,
} from './test/far-bake.ts'
import { type FarWorld, OUTPUTS, presignAt, SECRET } from './test/far-workshop.ts'

beforeEach(begin)
afterEach(finish)

test('both disks are made and booted there, come here whole, and go on as if they were made here', async () => {
  const set = setOf(await run())
  expect(now.done).toEqual(['make api', 'make web', 'here: look api web', 'boot api web'])
  expect(set.bootTests).toMatchObject([
    { tier: 'api', where: 'local', seconds: 40 },
    { tier: 'web', where: 'local', seconds: 30 },
  ])
  const disk = path.join(now.folder, 'disks', set.inputs, 'web.raw')
  expect(readFileSync(disk).toString('utf8', 0, 200)).toContain(`web ${set.release}`)
  expect(statSync(disk).size).toBe(3 * 512 * 1024)
  expect(existsSync(path.join(now.folder, 'disks', set.inputs, 'web.cdx.json'))).toBe(true)
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
  expect(consoles()).toContain('terrace-builder: make api')
  expect(`${consoles()}${now.said.join('\n')}`).not.toContain(SECRET)
  expect(machine?.userData).toContain(SECRET)
})

test('an address is for one object of this bake, or to read another set’s files, and holds for two hours at most', async () => {
  const usual = presignAt('https://s3.example.com')
  const signed: { way: string; key: string; seconds: number }[] = []
  const way =
    (name: 'get' | 'put'): Presign[typeof name] =>
    async (at, seconds) => {
      expect(at.bucket).toBe(BUCKET)
      signed.push({ way: name, key: at.key, seconds })
      return usual[name](at, seconds)
    }
  await run({ presign: { ...usual, get: way('get'), put: way('put') } })
  expect(signed.length).toBeGreaterThan(5)
  for (const { way: one, key, seconds } of signed) {
    expect(seconds).toBeLessThanOrEqual(7200)
    expect(key).toMatch(
      one === 'get' ? /^(?:bakes\/[0-9a-f]+|image-static)\/[^*]+$/ : /^bakes\/[0-9a-f]+\/[^*]+$/,
    )
  }
  // What it is told is not what it may change.
  const written = new Set(signed.filter((one) => one.way === 'put').map(({ key }) => key))
  for (const { way: one, key } of signed) if (one === 'get') expect(written).not.toContain(key)
})

test('it is gone before anything is uploaded from here', async () => {
  await run()
  const order = now.world.calls.map(({ operation }) => operation)
  expect(order.indexOf('TerminateInstances')).toBeLessThan(order.indexOf('StartSnapshot'))
})

test('the same inputs once more: the lists are asked for, and nothing is made', async () => {
  const first = await run()
  expect(await run()).toMatchObject({ ...first, made: false })
  expect(now.done.filter((what) => what.startsWith('make'))).toHaveLength(2)
  nothingIsLeft()
})

test('the static files of the set before come from the bucket, and those that are recorded are the image’s own', async () => {
  const first = setOf(await run())
  rmSync(path.join(now.folder, 'pages'), { recursive: true })
  const other = (place: string) => pagesIn(place, () => 'two')
  now.more = (id) => ({ pages: other(path.join(now.folder, id)) })
  const second = setOf(
    await run(
      { pages: { ...other(now.folder), files: async () => Promise.reject(new Error('built here')) } },
      { previous: 'latest' },
      { checkout: async () => ({ ...CHECKED, commit: 'e'.repeat(40), version: '0.2.0' }) },
    ),
  )
  expect(now.done).toContain('make web with one.js')
  expect(second.previous).toBe(first.inputs)
  const place = path.join(now.folder, 'expected')
  await other(place).files('two', () => {})
  expect(second.pages?.files).toBe(packStatic(path.join(place, 'two')).sha256)
})

test('a dry run starts nothing, and says what would be', async () => {
  expect(await run({}, { dryRun: true })).toEqual({ outcome: 'planned', release: undefined })
  expect(machines()).toEqual([])
  expect(now.said.join('\n')).toMatch(
    /debian-13-amd64-20261101-2290 \(ami-0debian\)[\s\S]*USD[\s\S]*None was started/,
  )
  expect(now.world.buckets.keys(BUCKET)).toEqual([])
})

describe('is refused, and nothing is started', () => {
  test.each<[string, () => Partial<Ec2Building>, string]>([
    [
      'without a network of the bootstrap',
      () => ({ aws: { ...bootstrapped(now.world.aws, OUTPUTS.slice(0, 1)), clock: now.far.aws.clock } }),
      'has no network for builders: npm run bootstrap',
    ],
    [
      'with credentials that end soon',
      () => ({
        presign: presignAt(
          'https://s3.example.com',
          () => new Date(now.world.clock.now().getTime() + 20 * 60_000),
        ),
      }),
      'These credentials end at',
    ],
  ])('%s', async (_what, but, why) => {
    await expect(run(but())).rejects.toThrow(why)
    expect(machines()).toEqual([])
    expect(now.world.buckets.keys(BUCKET)).toEqual([])
  })

  test('in a region without Debian’s image', async () => {
    const ec2 = now.far.aws.ec2 as { send: (command: object) => Promise<object> }
    const send = async (command: object) =>
      command.constructor.name === 'DescribeImagesCommand' ? { Images: [] } : ec2.send(command)
    const aws = { ...now.far.aws, ec2: { send } as unknown as FarWorld['aws']['ec2'] }
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
    for (const subnet of ['subnet-1', 'subnet-2']) now.world.compute.instances.full.add(subnet)
    await expect(run()).rejects.toThrow(`${region} has no room for the builder: tried c7i.xlarge`)
    nothingIsLeft()
  })
})

test('a type that the region does not have: another one', async () => {
  now.world.compute.instances.unsupported.add('c7i.xlarge')
  await run()
  expect(machines()[0]?.type).toBe('c6i.xlarge')
})

test('whoever bakes may make every call of it, in its own name and by what it signs', async () => {
  await run()
  const rights = statementsOf(bootstrap(SAMPLE_SETTINGS, true), 'DeployRole')
  const ec2 = (resource: string) => arnHere(HOME, 'ec2', resource)
  const asked = now.world.calls.flatMap(({ service, operation, input }) => {
    const action = `${service}:${operation}`
    if (operation === 'RunInstances') {
      const image = { 'aws:RequestedRegion': region, 'ec2:Owner': DEBIAN_OWNER, 'ec2:Public': 'true' }
      const made = ['instance/1', 'volume/1'].flatMap((one) => [
        call(action, ec2(one), TAGGING),
        call('ec2:CreateTags', ec2(one), { ...TAGGING, 'ec2:CreateAction': operation }),
      ])
      return [
        ...made,
        call(action, `arn:aws:ec2:${region}::image/ami-0debian`, image),
        call(action, ec2('network-interface/1')),
        ...['subnet/1', 'security-group/1'].map((one) => call(action, ec2(one), TAGGED)),
      ]
    }
    if (['GetConsoleOutput', 'TerminateInstances'].includes(operation))
      return [call(action, ec2('instance/1'), TAGGED)]
    if (operation === 'DeleteObjects') return [call('s3:DeleteObject', state(`${LAYOUT.bakes}1/a`))]
    if (operation === 'GetObject' || operation === 'PutObject')
      return [call(action, state(String(Reflect.get(input, 'Key'))))]
    if (operation === 'DescribeInstances' || operation === 'DescribeImages') return [call(action, '*', OF_US)]
    return []
  })
  expect(new Set(asked.map(({ action }) => action))).toEqual(
    new Set([
      ...['RunInstances', 'CreateTags', 'DescribeInstances', 'DescribeImages'].map((name) => `ec2:${name}`),
      ...['GetConsoleOutput', 'TerminateInstances'].map((name) => `ec2:${name}`),
      ...['GetObject', 'PutObject', 'DeleteObject'].map((name) => `s3:${name}`),
    ]),
  )
  expect(asked.filter((one) => !allows(rights, one))).toEqual([])
})
