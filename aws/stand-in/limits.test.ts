// What AWS takes no more of, and what S3 says of versions: what goes beyond that has to fail before it fails in an account.

import { DescribeInstanceStatusCommand, StopInstancesCommand } from '@aws-sdk/client-ec2'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { GetParametersByPathCommand, PutParameterCommand } from '@aws-sdk/client-ssm'
import { beforeEach, describe, expect, test } from 'vitest'
import { begin, image, instance, MINUTE, renew, starting, world } from './ec2/fixture.ts'

beforeEach(renew)

const tags = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ Key: `k${index}`, Value: 'v' }))
const tagged = (Tags: { Key: string; Value: string }[]) => ({
  TagSpecifications: [{ ResourceType: 'instance' as const, Tags }],
})
const userData = (bytes: number) => ({ UserData: Buffer.alloc(bytes, 'x').toString('base64') })

describe('an instance', () => {
  test.each([
    ['51 tags', tagged(tags(51)), 'TagLimitExceeded'],
    ['a tag of AWS’s own', tagged([{ Key: 'aws:x', Value: 'y' }]), 'InvalidParameterValue'],
    ['a tag without a key', tagged([{ Key: '', Value: 'y' }]), 'InvalidParameterValue'],
    ['a key of 129 characters', tagged([{ Key: 'k'.repeat(129), Value: '' }]), 'InvalidParameterValue'],
    ['a value of 257 characters', tagged([{ Key: 'k', Value: 'v'.repeat(257) }]), 'InvalidParameterValue'],
    ['16385 bytes of user data', userData(16_385), 'InvalidParameterValue'],
  ])('does not start with %s', async (_, more, name) => {
    await expect(starting(await image(), more)).rejects.toMatchObject({ name })
    expect(world.compute.instances.all.size).toBe(0)
  })

  test('starts with as much as it may have', async () => {
    const longest = { Key: 'k'.repeat(128), Value: 'v'.repeat(256) }
    const id = await instance(await image(), { ...tagged([...tags(49), longest]), ...userData(16_384) })
    expect(world.compute.instances.all.get(id)?.tags.size).toBe(50)
  })

  test('that does not run is not checked', async () => {
    const id = await instance(await image())
    await world.clock.sleep(5 * MINUTE)
    await world.aws.ec2.send(new StopInstancesCommand({ InstanceIds: [id] }))
    await world.clock.sleep(MINUTE)
    const { InstanceStatuses } = await world.aws.ec2.send(
      new DescribeInstanceStatusCommand({ InstanceIds: [id], IncludeAllInstances: true }),
    )
    expect(InstanceStatuses?.[0]).toMatchObject({
      InstanceState: { Name: 'stopped' },
      InstanceStatus: { Status: 'not-applicable' },
    })
  })
})

describe('a snapshot that is written', () => {
  test.each([
    ['51 tags', { Tags: tags(51) }],
    ['a tag of AWS’s own', { Tags: [{ Key: 'aws:x', Value: 'y' }] }],
    ['256 characters of description', { Description: 'x'.repeat(256) }],
  ])('is not begun with %s', async (_, more) => {
    await expect(begin(more)).rejects.toMatchObject({ name: 'ValidationException' })
    expect(world.compute.snapshots.all.size).toBe(0)
  })
  test('is begun with as much as it may have', async () => {
    expect(await begin({ Tags: tags(50), Description: 'x'.repeat(255) })).toMatch(/^snap-/)
  })
})

describe('parameters', () => {
  const put = (Value: string) =>
    world.aws.ssm.send(new PutParameterCommand({ Name: '/a/b', Value, Type: 'String' }))
  const page = (MaxResults: number) =>
    world.aws.ssm.send(new GetParametersByPathCommand({ Path: '/a', MaxResults }))

  test('hold 4096 characters', async () => {
    await expect(put('x'.repeat(4_097))).rejects.toMatchObject({ name: 'ValidationException' })
    expect((await page(10)).Parameters).toEqual([])
    expect((await put('x'.repeat(4_096))).Version).toBe(1)
  })
  test.each([0, 11])('are not read %i at a time', async (size) => {
    await expect(page(size)).rejects.toMatchObject({ name: 'ValidationException' })
  })
})

describe('a bucket', () => {
  const Bucket = 'some'
  const of = { Bucket, Key: 'a' }
  beforeEach(() => world.buckets.make(Bucket))

  test('gives no more than 1000 keys at a time', async () => {
    for (let index = 0; index < 1_001; index++) world.buckets.write(Bucket, `k/${index}`, '')
    const { Contents, IsTruncated } = await world.aws.s3.send(
      new ListObjectsV2Command({ Bucket, MaxKeys: 5_000 }),
    )
    expect([Contents?.length, IsTruncated]).toEqual([1_000, true])
  })

  test('tells a version that is not there from a key, and from a marker', async () => {
    const get = (VersionId?: string) => world.aws.s3.send(new GetObjectCommand({ ...of, VersionId }))
    const head = (VersionId: string) => world.aws.s3.send(new HeadObjectCommand({ ...of, VersionId }))
    const { VersionId: first } = await world.aws.s3.send(new PutObjectCommand({ ...of, Body: 'one' }))
    await expect(get('never')).rejects.toMatchObject({ name: 'NoSuchVersion' })
    await expect(head('never')).rejects.toMatchObject({ name: 'NotFound' })
    const { VersionId: marker = '' } = await world.aws.s3.send(new DeleteObjectCommand(of))
    await expect(get()).rejects.toMatchObject({ name: 'NoSuchKey' })
    const $metadata = { httpStatusCode: 405 }
    await expect(get(marker)).rejects.toMatchObject({ name: 'MethodNotAllowed', $metadata })
    await expect(head(marker)).rejects.toMatchObject({ name: 'Unknown', $metadata })
    expect(await (await get(first)).Body?.transformToString()).toBe('one')
  })

  test('has a marker of what never was, once that is deleted', async () => {
    const { DeleteMarker } = await world.aws.s3.send(new DeleteObjectCommand(of))
    expect(DeleteMarker).toBe(true)
    expect(world.buckets.remove(Bucket)).toBe(false)
  })
})
