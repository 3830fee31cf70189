import type { Image } from '@aws-sdk/client-ec2'
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { beforeEach, describe, expect, test } from 'vitest'
import { FAULTS } from '../../aws/stand-in/service.ts'
import { type StandIn, standIn } from '../../aws/stand-in/stand-in.ts'
import { stateBucket } from '../bootstrap/names.ts'
import { releasePolicy } from '../bootstrap/release-rights.ts'
import { hashOf, LAYOUT } from '../image-sets.ts'
import { type ImageSet, imagesFor, UnusableImages } from '../images.ts'
import { SAMPLE_IMAGES } from '../sample-images.ts'
import { STAGES } from '../stages.ts'
import { findImages, type PlannedImages, requireImages } from './images.ts'

const ACCOUNT = '222233334444'
const STAGE = { ...STAGES.prod, account: ACCOUNT }
const DEV = { ...STAGES.dev, account: ACCOUNT }
const SET: ImageSet = { ...SAMPLE_IMAGES, account: ACCOUNT }
const { api: API, web: WEB } = imagesFor('prod', STAGE, SET)
const PLANNED: PlannedImages = {
  name: 'prod',
  stage: STAGE,
  choice: 'live',
  folder: '.images',
  images: { api: API, web: WEB },
}

let there: StandIn
beforeEach(async () => {
  there = standIn(ACCOUNT, STAGE.region)
  there.compute.images.pageSize = 1
  there.buckets.make(stateBucket(STAGE))
  await publish(SET)
  there.compute.images.put(API.id)
  there.compute.images.put(WEB.id)
})

async function publish(set: ImageSet): Promise<void> {
  const put = (Key: string, body: object) =>
    there.aws.s3.send(new PutObjectCommand({ Bucket: stateBucket(STAGE), Key, Body: JSON.stringify(body) }))
  await put(LAYOUT.record(set.inputs), set)
  for (const stage of ['prod', 'dev'] as const)
    await put(LAYOUT.pointer(stage, 'live'), { inputs: set.inputs, sha256: hashOf(set) })
}
const find = (but: Partial<PlannedImages> = {}) => findImages(there.aws, { ...PLANNED, ...but })

test('images that are there, and are meant', async () => {
  expect(await find()).toEqual({ refused: [], noted: [] })
  expect(await requireImages(there.aws, PLANNED)).toEqual([])
})

test('people who release may ask for all of it', async () => {
  const from = there.calls.length
  await find()
  const called = there.calls.slice(from).map(({ service, operation }) => `${service}:${operation}`)
  expect(called).toEqual(['s3:GetObject', 's3:GetObject', 'ec2:DescribeImages', 'ec2:DescribeImages'])
  const allowed = releasePolicy(STAGE).Statement.flatMap(({ Action }) => [Action].flat())
  expect(called.filter((one) => !allowed.includes(one))).toEqual([])
})

test('an image of this account that no bake has made', async () => {
  there.compute.images.put(API.id, { Tags: [{ Key: 'service', Value: 'other' }] })
  const { refused } = await find()
  expect(refused).toEqual([expect.stringContaining('does not have the tag service=terrace')])
})

test('a record whose release is no plain name is none', async () => {
  await publish({ ...SET, release: 'a\u001b]0;x' })
  await expect(find()).rejects.toThrow(/is not the record of an image set:\n {2}release: is no name/)
})

test('images of a protected stage of which no boot on EC2 is recorded', async () => {
  const bootTests = SET.bootTests?.filter(({ where }) => where === 'local')
  await publish({ ...SET, bootTests })
  const asked = requireImages(there.aws, PLANNED)
  await expect(asked).rejects.toThrow(UnusableImages)
  await expect(asked).rejects.toThrow('no boot of its api and web image on EC2 is recorded')
})

describe('a copy that is not what the state bucket says', () => {
  /** What a template takes from a record: each alone makes another template. */
  const NEWER: Readonly<Record<string, Partial<ImageSet>>> = {
    release: { release: 'next' },
    images: { regions: { 'eu-west-1': { api: API.id, web: 'ami-0cccccccccccccccc' } } },
    'boot time': { bootSeconds: { api: 50, web: 30 } },
    age: { madeAt: '2026-12-01T00:00:00Z' },
  }
  test.each(Object.entries(NEWER))('another %s', async (_what, change) => {
    await publish({ ...SET, ...change, inputs: 'f'.repeat(64) })
    const from = there.calls.length
    const { refused } = await find()
    expect(refused).toHaveLength(1)
    expect(refused[0]).toContain(
      'The copy of what is live in prod, .images/prod-live.json, is release sample (API ami-0aaa',
    )
    expect(refused[0]).toContain(`it is release ${change.release ?? 'sample'} (API ami-0aaa`)
    expect(refused[0]).toMatch(/npm run images:pull -- --stage prod --choice live fetches that\.$/)
    // What is not meant is not asked about.
    expect(there.calls.slice(from).map(({ operation }) => operation)).toEqual(['GetObject', 'GetObject'])
  })

  test('nothing is live any more, and the copy lies elsewhere', async () => {
    await there.aws.s3.send(
      new DeleteObjectCommand({ Bucket: stateBucket(STAGE), Key: LAYOUT.pointer('prod', 'live') }),
    )
    expect((await find({ folder: '/else' })).refused[0]).toMatch(
      /says that prod has no live images\. npm run images:pull -- --stage prod --choice live --folder \/else removes the copy\.$/,
    )
  })

  test('a record of the same images under another name is the same', async () => {
    await publish({ ...SET, inputs: 'f'.repeat(64) })
    expect((await find()).refused).toEqual([])
  })

  test('a record that is not this stage’s', async () => {
    await publish({ ...SET, account: '999999999999' })
    await expect(find()).rejects.toThrow('belongs to account 999999999999')
  })
})

const disk = (ebs: object, DeviceName = '/dev/xvda'): Partial<Image> => ({
  BlockDeviceMappings: [
    { DeviceName: '/dev/sdb', Ebs: { Encrypted: true, VolumeSize: 500 } },
    { DeviceName, Ebs: { Encrypted: true, VolumeSize: 8, ...ebs } },
  ],
})
const WRONG: Readonly<Record<string, [Partial<Image>, RegExp]>> = {
  pending: [{ State: 'pending' }, /is still being made: run the same command again/],
  disabled: [
    { State: 'disabled' },
    /is disabled.*aws --region eu-west-1 ec2 enable-image --image-id ami-0bbbbbbbbbbbbbbbb/,
  ],
  failed: [
    { State: 'failed', StateReason: { Message: 'no such snapshot' } },
    /is failed \(no such snapshot\): a bake/,
  ],
  'of another architecture': [{ Architecture: 'arm64' }, /is arm64, and t3\.medium is x86_64/],
  'without ENA': [{ EnaSupport: false }, /ENA, without which t3\.medium does not start/],
  'with its root elsewhere': [
    { RootDeviceName: '/dev/sda1', ...disk({}, '/dev/sda1') },
    /has its root at \/dev\/sda1 \(ebs\), and servers are started with theirs at \/dev\/xvda/,
  ],
  'of an instance’s own disk': [{ RootDeviceType: 'instance-store' }, /\(instance-store\)/],
  'larger than the disk': [
    disk({ VolumeSize: 17 }),
    /17 GiB, and servers are started with 16: raise web\.diskGiB/,
  ],
  'of another account that shares it': [
    { OwnerId: '999988887777' },
    /is not there among the own images of account \d{12}/,
  ],
  'not encrypted': [disk({ Encrypted: false }), /is not encrypted/],
}
describe('an image that servers can’t be started from', () => {
  test.each(Object.entries(WRONG))('%s', async (_what, [change, words]) => {
    there.compute.images.put(WEB.id, change)
    const { refused } = await find()
    expect(refused).toHaveLength(1)
    expect(refused[0]).toMatch(/^ami-0bbbbbbbbbbbbbbbb of eu-west-1, for web servers of prod, /)
    expect(refused[0]).toMatch(words)
  })

  test('gone, and everything that is wrong is said at once', async () => {
    there = standIn(ACCOUNT, STAGE.region)
    there.buckets.make(stateBucket(STAGE))
    await publish(SET)
    there.compute.images.put(API.id, { Architecture: 'arm64', ...disk({ Encrypted: false }) })
    const thrown = await requireImages(there.aws, PLANNED).catch((error: unknown) => error)
    expect(thrown).toBeInstanceOf(UnusableImages)
    expect(
      String(thrown)
        .split('\n  ')
        .map((line) => /^\S+ (?=of)/.exec(line)?.[0] ?? line.slice(0, 60)),
    ).toEqual([
      'UnusableImages: Stage prod can’t start servers from these images:'.slice(0, 60),
      'ami-0aaaaaaaaaaaaaaaa ',
      'ami-0aaaaaaaaaaaaaaaa ',
      'ami-0bbbbbbbbbbbbbbbb ',
    ])
    expect(String(thrown)).toContain(
      `web servers of prod, is not there among the own images of account ${ACCOUNT}`,
    )
  })

  test('as large as the disk it fits; a stage that is not protected may have them unencrypted', async () => {
    there.compute.images.put(WEB.id, disk({ VolumeSize: 16 }))
    expect((await find()).refused).toEqual([])
    there.compute.images.put(WEB.id, disk({ Encrypted: false }))
    expect((await find({ name: 'dev', stage: DEV })).refused).toEqual([])
  })
})

test('a deprecated one starts, and is said; one that will be is not', async () => {
  there.compute.images.put(WEB.id, { DeprecationTime: '2026-11-01T00:00:00.000Z' })
  there.compute.images.put(API.id, { DeprecationTime: '2027-11-01T00:00:00.000Z' })
  expect(await requireImages(there.aws, PLANNED)).toEqual([
    'ami-0bbbbbbbbbbbbbbbb of eu-west-1, for web servers of prod, has been deprecated since 2026-11-01: servers still start from it; a newer set is due.',
  ])
})

test('who may not look at images is told what is missing', async () => {
  there.faults.add({ operation: 'DescribeImages', error: FAULTS.denied('ec2:DescribeImages') })
  await expect(find()).rejects.toMatchObject({ kind: 'access-denied' })
})
