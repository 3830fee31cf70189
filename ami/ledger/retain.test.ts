// Old image sets go with their records, images and snapshots; nothing that anybody names goes, whatever happens meanwhile.
import { RegisterImageCommand, RunInstancesCommand } from '@aws-sdk/client-ec2'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Aws } from '../../aws/port.ts'
import { FAULTS } from '../../aws/stand-in/service.ts'
import { type StandIn, standIn } from '../../aws/stand-in/stand-in.ts'
import { stateBucket } from '../../infra/bootstrap/names.ts'
import { LAYOUT } from '../../infra/image-sets.ts'
import { type Retaining, retain } from './retain.ts'
import { sweep } from './sweep.ts'
import { tagsOf } from './tags.ts'

const HOME = { account: '222233334444', region: 'eu-west-1' }
const DAY = 86_400_000

let world: StandIn
let said: string[]
beforeEach(() => {
  world = standIn(HOME.account, HOME.region)
  world.buckets.make(stateBucket(HOME))
  said = []
})

const ago = (days: number) => new Date(world.clock.now().getTime() - days * DAY).toISOString()
const inputsOf = (letter: string) => letter.repeat(64)
const put = (Key: string, Body: string) =>
  world.aws.s3.send(new PutObjectCommand({ Bucket: stateBucket(HOME), Key, Body }))
const point = (place: string, letter: string) =>
  put(place, JSON.stringify({ inputs: inputsOf(letter), sha256: inputsOf('0') }))

async function image(name: string, tags: { Key: string; Value: string }[]): Promise<string> {
  const snapshot = world.compute.snapshots.begin({
    ...{ volumeSize: 1, encrypted: true, key: undefined, description: '' },
    tags: new Map(tags.map(({ Key, Value }) => [Key, Value])),
  })
  snapshot.state = 'completed'
  const { ImageId = '' } = await world.aws.ec2.send(
    new RegisterImageCommand({
      ...{ Name: name, VirtualizationType: 'hvm', Architecture: 'x86_64', RootDeviceName: '/dev/xvda' },
      BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { SnapshotId: snapshot.id } }],
      TagSpecifications: [{ ResourceType: 'image', Tags: tags }],
    }),
  )
  await world.clock.sleep(60_000)
  return ImageId
}

interface Made {
  readonly api: string
  readonly web: string
}
/** A set that was baked some days ago: record, images, snapshots with the tags that a bake gives. */
async function set(letter: string, days: number, more: object = {}): Promise<Made> {
  const inputs = inputsOf(letter)
  const tags = tagsOf({ bake: `bake-${letter}`, inputs, expires: ago(days - 3) }, 'x')
  const made = { api: await image(`${letter}-api`, tags), web: await image(`${letter}-web`, tags) }
  const record = {
    ...{ inputs, release: `0.1.0-${letter}`, madeAt: ago(days), account: HOME.account },
    ...{ architecture: 'x86_64', regions: { [HOME.region]: made }, bootSeconds: { api: 1, web: 1 } },
    ...more,
  }
  await put(LAYOUT.record(inputs), JSON.stringify(record))
  return made
}
/** Three sets, newest first; only the oldest is not needed when two are kept. */
async function three(more: object = {}): Promise<Made> {
  const old = await set('c', 60, more)
  await set('b', 40)
  await set('a', 20)
  return old
}

const run = (more: Partial<Retaining> = {}, aws: Aws = world.aws) =>
  retain(aws, HOME, {
    ...{ keep: 2, days: 14, removes: true, agrees: async () => true, say: (line) => said.push(line) },
    ...more,
  })
const records = () =>
  world.buckets.keys(stateBucket(HOME)).filter((key) => key.startsWith('image-sets/')).length
const counts = () => [records(), world.compute.images.all.size, world.compute.snapshots.all.size]
const OLD = inputsOf('c')

test('an old set that nobody names goes: record, images, snapshots, and no other one’s', async () => {
  const old = await three()
  expect(counts()).toEqual([3, 6, 6])
  expect((await run()).removed).toEqual([OLD])
  expect(counts()).toEqual([2, 4, 4])
  for (const id of Object.values(old)) expect(world.compute.images.all.has(id)).toBe(false)
  const order = world.calls.map(({ operation }) => operation)
  expect(order.indexOf('DeleteObject')).toBeLessThan(order.indexOf('DeregisterImage'))
})

test('what another bake has left is not taken along', async () => {
  await three()
  await image('left', tagsOf({ bake: 'left', inputs: inputsOf('e'), expires: ago(9) }, 'x'))
  await run()
  expect(counts()).toEqual([2, 5, 5])
})

test('by itself it only shows; nobody agrees: nothing goes', async () => {
  await three()
  expect(await run({ removes: false })).toEqual({ removed: [], parts: [], outcome: 'shown' })
  expect(said.join('\n')).toMatch(
    /not needed {2}cccccccccccc[\s\S]*3 image sets, 1 of them not needed; beside them 0 objects, 0 of them not needed\. Nothing/,
  )
  expect((await run({ agrees: async () => false })).outcome).toBe('declined')
  expect(counts()).toEqual([3, 6, 6])
})

describe('it stays', () => {
  test.each<[string, (old: Made) => unknown, RegExp]>([
    [
      'a stage runs it',
      () => point(LAYOUT.pointer('prod', 'live'), 'c'),
      /prod\/images\/live\.json names it/,
    ],
    [
      'a stage is to run it next',
      () => point(LAYOUT.pointer('staging', 'candidate'), 'c'),
      /staging\/images\/candidate\.json names it/,
    ],
    [
      'a release that a group may go back to names it: an old version of a launch template',
      ({ web }) => world.compute.templates.all.set('lt-1', ['ami-0aaaaaaaa', web, 'ami-0bbbbbbbb']),
      /version 2 of launch template lt-1 names it/,
    ],
    [
      'a server was started from it',
      ({ api }) =>
        world.aws.ec2.send(
          new RunInstancesCommand({ ImageId: api, InstanceType: 't3.small', MinCount: 1, MaxCount: 1 }),
        ),
      /instance i-\w+ was started from it/,
    ],
  ])('when %s', async (_why, name, words) => {
    await name(await three())
    expect((await run()).removed).toEqual([])
    expect(counts()).toEqual([3, 6, 6])
    expect(said.join('\n')).toMatch(words)
  })

  test('when it is one of the newest, or young', async () => {
    await three()
    expect((await run({ keep: 3 })).removed).toEqual([])
    expect((await run({ days: 61 })).removed).toEqual([])
    expect(counts()).toEqual([3, 6, 6])
  })

  test('when a set that stays carries its pages', async () => {
    await set('c', 60)
    await set('b', 40, { previous: OLD })
    await set('a', 20)
    expect((await run()).removed).toEqual([])
    expect(said.join('\n')).toContain('image set bbbbbbbbbbbb carries its pages')
  })

  test('when it has images in another region', async () => {
    await three({ regions: { 'eu-central-1': { api: 'ami-0aaaaaaaa', web: 'ami-0bbbbbbbb' } } })
    expect((await run()).removed).toEqual([])
  })

  test('when somebody names it after it was shown', async () => {
    await three()
    const agrees = async () => {
      await point(LAYOUT.pointer('prod', 'candidate'), 'c')
      return true
    }
    expect((await run({ agrees })).removed).toEqual([])
    expect(counts()).toEqual([3, 6, 6])
  })

  test('when somebody names it as its record goes: that is put back as it was', async () => {
    await three()
    const before = world.buckets.text(stateBucket(HOME), LAYOUT.record(OLD))
    const client = world.aws.s3 as { send: (...args: unknown[]) => Promise<unknown> }
    const send = async (...args: unknown[]) => {
      if ((args[0] as object).constructor.name === 'DeleteObjectCommand')
        await point(LAYOUT.pointer('prod', 'candidate'), 'c')
      return client.send(...args)
    }
    const aws = { ...world.aws, s3: { send } as Aws['s3'] }
    await expect(run({}, aws)).rejects.toThrow(/named image set cccccccccccc at this moment/)
    expect(world.buckets.text(stateBucket(HOME), LAYOUT.record(OLD))).toBe(before)
    expect(counts()).toEqual([3, 6, 6])
  })
})

test('a record that is written anew as it goes is another one: it stays, with all images', async () => {
  await three()
  const client = world.aws.s3 as { send: (...args: unknown[]) => Promise<unknown> }
  const anew = `${world.buckets.text(stateBucket(HOME), LAYOUT.record(OLD))}\n`
  const send = async (...args: unknown[]) => {
    if ((args[0] as object).constructor.name === 'DeleteObjectCommand') await put(LAYOUT.record(OLD), anew)
    return client.send(...args)
  }
  const aws = { ...world.aws, s3: { send } as Aws['s3'] }
  await expect(run({}, aws)).rejects.toThrow(/cccccccccccc was written anew at this moment: it stays/)
  expect(world.buckets.text(stateBucket(HOME), LAYOUT.record(OLD))).toBe(anew)
  expect(counts()).toEqual([3, 6, 6])
})

describe('what can’t be read frees nothing', () => {
  test.each<[string, () => unknown, RegExp]>([
    ['a record', () => put(LAYOUT.record(inputsOf('f')), '{'), /is not the record of this image set/],
    ['a pointer', () => put(LAYOUT.pointer('prod', 'live'), '{'), /does not tell which images it means/],
    [
      'a pointer to a record that is gone',
      () => point(LAYOUT.pointer('prod', 'live'), 'f'),
      /names an image set that has no record/,
    ],
  ])('%s', async (_what, spoil, words) => {
    await three()
    await spoil()
    await expect(run()).rejects.toThrow(words)
    expect(world.compute.images.all.size).toBe(6)
  })

  test('launch templates that one may not see', async () => {
    await three()
    world.faults.add({
      operation: 'DescribeLaunchTemplates',
      error: FAULTS.denied('ec2:DescribeLaunchTemplates'),
    })
    await expect(run()).rejects.toMatchObject({ kind: 'access-denied' })
    expect(counts()).toEqual([3, 6, 6])
  })

  test('another account: nothing is looked at', async () => {
    const elsewhere = retain(
      world.aws,
      { ...HOME, account: '555566667777' },
      {
        ...{ keep: 2, days: 14, removes: true, agrees: async () => true, say: () => undefined },
      },
    )
    await expect(elsewhere).rejects.toMatchObject({ kind: 'wrong-account' })
    expect(world.calls.map(({ operation }) => operation)).toEqual(['GetCallerIdentity'])
  })
})

test('killed once the record is gone: the sweeper finds what it has left', async () => {
  await three()
  world.faults.add({ operation: 'DeregisterImage', times: 9, error: new Error('killed') })
  await expect(run()).rejects.toThrow('killed')
  expect(counts()).toEqual([2, 6, 6])
  world.faults.clear()
  await sweep(world.aws, HOME, { removes: true, agrees: async () => true, say: () => undefined })
  expect(counts()).toEqual([2, 4, 4])
})
