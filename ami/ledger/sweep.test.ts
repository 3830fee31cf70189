// The sweeper removes what has expired and nobody names, and nothing else, whatever it can't read.
import { RegisterImageCommand, RunInstancesCommand } from '@aws-sdk/client-ec2'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Aws } from '../../aws/port.ts'
import { FAULTS } from '../../aws/stand-in/service.ts'
import { type StandIn, standIn } from '../../aws/stand-in/stand-in.ts'
import { stateBucket } from '../../infra/bootstrap/names.ts'
import { LAYOUT } from '../../infra/image-sets.ts'
import { type Sweeping, sweep } from './sweep.ts'
import { tagsOf } from './tags.ts'

const HOME = { account: '222233334444', region: 'eu-west-1' }
const DAY = 86_400_000
const INPUTS = 'b'.repeat(64)

let world: StandIn
let said: string[]
beforeEach(() => {
  world = standIn(HOME.account, HOME.region)
  world.buckets.make(stateBucket(HOME))
  said = []
})

const expiring = (days: number) =>
  tagsOf(
    {
      bake: '0123456789abcdef',
      inputs: INPUTS,
      expires: new Date(world.clock.now().getTime() + days * DAY).toISOString(),
    },
    'x',
  )
const snapshot = (tags: { Key: string; Value: string }[] = expiring(-1)) => {
  const made = world.compute.snapshots.begin({
    volumeSize: 1,
    encrypted: true,
    key: undefined,
    description: '',
    tags: new Map(tags.map(({ Key, Value }) => [Key, Value])),
  })
  made.state = 'completed'
  return made.id
}
let names = 0
async function image(of: string, tags = expiring(-1)): Promise<string> {
  const { ImageId = '' } = await world.aws.ec2.send(
    new RegisterImageCommand({
      Name: `image-${++names}`,
      VirtualizationType: 'hvm',
      Architecture: 'x86_64',
      RootDeviceName: '/dev/xvda',
      BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { SnapshotId: of } }],
      TagSpecifications: [{ ResourceType: 'image', Tags: tags }],
    }),
  )
  await world.clock.sleep(60_000)
  return ImageId
}
async function instance(of: string, tags: { Key: string; Value: string }[] = []): Promise<string> {
  const { Instances: [{ InstanceId = '' } = {}] = [] } = await world.aws.ec2.send(
    new RunInstancesCommand({
      ImageId: of,
      InstanceType: 't3.small',
      MinCount: 1,
      MaxCount: 1,
      TagSpecifications: [{ ResourceType: 'instance', Tags: tags }],
    }),
  )
  await world.clock.sleep(60_000)
  return InstanceId
}
const put = (Key: string, Body: string) =>
  world.aws.s3.send(new PutObjectCommand({ Bucket: stateBucket(HOME), Key, Body }))
const record = (api: string, web: string, inputs = INPUTS) =>
  put(
    LAYOUT.record(inputs),
    JSON.stringify({
      inputs,
      release: 'r',
      madeAt: '2026-11-28T12:00:00Z',
      account: HOME.account,
      architecture: 'x86_64',
      regions: { [HOME.region]: { api, web } },
      bootSeconds: { api: 1, web: 1 },
    }),
  )

const run = (more: Partial<Sweeping> = {}, aws: Aws = world.aws) =>
  sweep(aws, HOME, { removes: true, agrees: async () => true, say: (line) => said.push(line), ...more })
const left = () => ({
  images: [...world.compute.images.all.keys()],
  snapshots: [...world.compute.snapshots.all.keys()],
})

test('what has expired goes, an image before its snapshot, and a builder', async () => {
  const base = await image(snapshot([]), [])
  const lone = snapshot()
  const used = snapshot()
  const made = await image(used)
  const builder = await instance(base, expiring(-1))
  const { removed } = await run()
  expect(removed).toEqual([builder, made, lone, used])
  expect(left()).toEqual({ images: [base], snapshots: [expect.any(String)] })
  expect(world.compute.instances.all.get(builder)?.state).toBe('shutting-down')
})

test('by itself it only shows', async () => {
  const lone = snapshot()
  const { found, removed } = await run({ removes: false })
  expect(found.map(({ id }) => id)).toEqual([lone])
  expect(removed).toEqual([])
  expect(left().snapshots).toEqual([lone])
  expect(said.join('\n')).toContain('Nothing was removed: --remove does it')
})

test('nobody agrees: nothing goes', async () => {
  const lone = snapshot()
  expect((await run({ agrees: async () => false })).outcome).toBe('declined')
  expect(left().snapshots).toEqual([lone])
})

describe('what stays', () => {
  test.each([
    ['not expired', () => expiring(1), /may still be running/],
    ['expired a moment ago', () => expiring(-0.01), /may still be running/],
    [
      'a time that is none',
      () => expiring(-1).map((tag) => (tag.Key === 'terrace-expires' ? { ...tag, Value: 'soon' } : tag)),
      /is no time/,
    ],
  ])('%s', async (_, tags, words) => {
    const made = await image(snapshot(tags()), tags())
    expect((await run()).removed).toEqual([])
    expect(left().images).toEqual([made])
    expect(said.join('\n')).toMatch(words)
  })

  test('what is not of a bake is not even shown', async () => {
    snapshot([{ Key: 'service', Value: 'terrace' }])
    snapshot(expiring(-1).filter(({ Key }) => Key !== 'service'))
    expect((await run()).found).toEqual([])
    expect(left().snapshots).toHaveLength(2)
  })

  test.each([
    ['the record of an image set', (id: string) => record(id, id), /image set bbbbbbbbbbbb names it/],
    ['a running instance', (id: string) => instance(id), /instance i-\w+ was started from it/],
    [
      'an old version of a launch template',
      (id: string) => world.compute.templates.all.set('lt-1', ['ami-0aaaaaaaa', id, 'ami-0bbbbbbbb']),
      /version 2 of launch template lt-1 names it/,
    ],
  ])('what %s names, and its snapshot', async (_, name, words) => {
    const made = await image(snapshot())
    await name(made)
    expect((await run()).removed).toEqual([])
    expect(left()).toEqual({ images: [made], snapshots: [expect.any(String)] })
    expect(said.join('\n')).toMatch(words)
    expect(said.join('\n')).toContain(`image ${made} uses it`)
  })

  test('a snapshot that an image of somebody else uses', async () => {
    const used = snapshot()
    await image(used, [])
    expect((await run()).removed).toEqual([])
    expect(left().snapshots).toEqual([used])
  })

  test('what is named after it was shown', async () => {
    const made = await image(snapshot())
    const agrees = async () => {
      await record(made, made)
      return true
    }
    expect((await run({ agrees })).removed).toEqual([])
    expect(left().images).toEqual([made])
  })

  test('what has become free after it was shown: nobody has seen it', async () => {
    const shown = snapshot()
    const since: string[] = []
    const agrees = async () => {
      since.push(snapshot())
      return true
    }
    expect((await run({ agrees })).removed).toEqual([shown])
    expect(left().snapshots).toEqual(since)
  })

  test('what is on a page that is not the first', async () => {
    const made = await image(snapshot())
    world.compute.templates.all.set('lt-1', [...Array.from({ length: 1_500 }, () => 'ami-0aaaaaaaa'), made])
    for (let index = 0; index < 1_100; index++)
      await put(`image-sets/${String(index).padStart(64, '0')}.json`, '')
    await expect(run()).rejects.toThrow('is not the record of this image set')
    for (let index = 0; index < 1_100; index++)
      await record('ami-0cccccccc', 'ami-0dddddddd', String(index).padStart(64, '0'))
    const other = await image(snapshot())
    await record(other, other, 'f'.repeat(64))
    expect((await run()).removed).toEqual([])
    expect(left().images).toEqual([made, other])
  })
})

describe('what can’t be read frees nothing', () => {
  test.each([
    ['a record', () => put(LAYOUT.record(INPUTS), '{'), /is not the record of this image set/],
    [
      'a record of a strange name',
      () => put('image-sets/latest.json', '{}'),
      /does not tell which images it means/,
    ],
    [
      'a pointer',
      () => put(LAYOUT.pointer('prod', 'live'), '{'),
      /stages\/prod\/images\/live\.json does not tell/,
    ],
    [
      'a pointer to a record that is gone',
      () => put(LAYOUT.pointer('prod', 'live'), JSON.stringify({ inputs: INPUTS, sha256: INPUTS })),
      /stages\/prod\/images\/live\.json does not tell/,
    ],
  ])('%s', async (_, spoil, words) => {
    const lone = snapshot()
    await spoil()
    await expect(run()).rejects.toThrow(words)
    expect(left().snapshots).toEqual([lone])
  })

  test('launch templates that one may not see', async () => {
    const lone = snapshot()
    world.faults.add({
      operation: 'DescribeLaunchTemplates',
      error: FAULTS.denied('ec2:DescribeLaunchTemplates'),
    })
    await expect(run()).rejects.toMatchObject({ kind: 'access-denied' })
    expect(left().snapshots).toEqual([lone])
  })

  test('another account: nothing is looked at', async () => {
    const asked = sweep(
      world.aws,
      { ...HOME, account: '555566667777' },
      {
        removes: true,
        agrees: async () => true,
        say: () => undefined,
      },
    )
    await expect(asked).rejects.toMatchObject({ kind: 'wrong-account' })
    expect(world.calls.map(({ operation }) => operation)).toEqual(['GetCallerIdentity'])
  })

  test('no bootstrap', async () => {
    world = standIn(HOME.account, HOME.region)
    await expect(run()).rejects.toThrow('There is no bucket')
  })
})

test('one that can’t be removed does not keep the others', async () => {
  const [first, second] = [snapshot(), snapshot()]
  const error = Object.assign(new Error('in use by a volume'), { name: 'InvalidSnapshot.InUse' })
  world.faults.add({ operation: 'DeleteSnapshot', error })
  await expect(run()).rejects.toThrow(`Removed 1; not removed: ${first} (in use by a volume)`)
  expect(left().snapshots).toEqual([first])
  expect((await run()).removed).toEqual([first])
  expect(second).not.toBe(first)
})

test('somebody else was faster', async () => {
  const lone = snapshot()
  const agrees = async () => true
  const error = Object.assign(new Error('gone'), { name: 'InvalidSnapshot.NotFound' })
  world.faults.add({ operation: 'DeleteSnapshot', error, answer: 'lost' })
  expect((await run({ agrees })).removed).toEqual([lone])
})
