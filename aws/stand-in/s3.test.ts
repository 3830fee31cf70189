// The stand-in’s buckets: what is written under a condition, listed in pages, and removed for good.
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { beforeEach, describe, expect, test } from 'vitest'
import { type StandIn, standIn } from './stand-in.ts'

let world: StandIn
beforeEach(() => {
  world = standIn()
})

describe('S3', () => {
  const Bucket = 'b'
  const put = (Key: string, more: object = {}) =>
    world.aws.s3.send(new PutObjectCommand({ Bucket, Key, Body: Key, ...more }))
  beforeEach(() => world.buckets.make(Bucket))

  test('conditional writes', async () => {
    const { ETag = '' } = await put('a', { IfNoneMatch: '*' })
    await expect(put('a', { IfNoneMatch: '*' })).rejects.toMatchObject({
      name: 'PreconditionFailed',
      $metadata: { httpStatusCode: 412 },
    })
    await put('a', { IfMatch: ETag, Body: 'new' })
    await expect(put('a', { IfMatch: ETag })).rejects.toMatchObject({ name: 'PreconditionFailed' })
    await expect(put('none', { IfMatch: ETag })).rejects.toMatchObject({ name: 'NoSuchKey' })
    await expect(put('none', { IfNoneMatch: ETag })).rejects.toMatchObject({ name: 'NotImplemented' })
    const { Body } = await world.aws.s3.send(new GetObjectCommand({ Bucket, Key: 'a' }))
    expect(await Body?.transformToString()).toBe('new')
  })

  test('conditional deletes; what is deleted is in nobody’s way', async () => {
    const { ETag = '' } = await put('a')
    const remove = (IfMatch: string) =>
      world.aws.s3.send(new DeleteObjectCommand({ Bucket, Key: 'a', IfMatch }))
    await put('a', { Body: 'new' })
    await expect(remove(ETag)).rejects.toMatchObject({
      name: 'PreconditionFailed',
      $metadata: { httpStatusCode: 412 },
    })
    const { ETag: now = '' } = await put('a', { Body: 'newer' })
    await remove(now)
    await expect(remove(now)).rejects.toMatchObject({ name: 'NoSuchKey' })
    await expect(put('a', { IfMatch: now })).rejects.toMatchObject({ name: 'NoSuchKey' })
    await put('a', { IfNoneMatch: '*' })
  })

  test('the time of an object is to the second', async () => {
    await world.clock.sleep(1_700)
    await put('a')
    const { LastModified } = await world.aws.s3.send(new GetObjectCommand({ Bucket, Key: 'a' }))
    expect(world.clock.now().getTime() - (LastModified?.getTime() ?? 0)).toBe(700)
  })

  test('another account’s bucket, and what is not there', async () => {
    await expect(put('a', { ExpectedBucketOwner: '999999999999' })).rejects.toMatchObject({
      kind: 'access-denied',
    })
    const missing = { Bucket, Key: 'none' }
    await expect(world.aws.s3.send(new GetObjectCommand(missing))).rejects.toMatchObject({
      name: 'NoSuchKey',
    })
    await expect(world.aws.s3.send(new HeadObjectCommand(missing))).rejects.toMatchObject({
      name: 'NotFound',
    })
    await expect(put('a', { Bucket: 'other' })).rejects.toMatchObject({ name: 'NoSuchBucket' })
  })

  test('pages of keys, and of versions, until nothing is left', async () => {
    for (const key of ['x/1', 'x/2', 'x/3', 'y']) await put(key)
    await put('x/1')
    await world.aws.s3.send(new DeleteObjectCommand({ Bucket, Key: 'x/2' }))
    const listed: string[] = []
    for (let token: string | undefined, more = true; more; ) {
      const page = await world.aws.s3.send(
        new ListObjectsV2Command({
          Bucket,
          Prefix: 'x/',
          MaxKeys: 1,
          ...(token && { ContinuationToken: token }),
        }),
      )
      for (const { Key = '' } of page.Contents ?? []) listed.push(Key)
      token = page.NextContinuationToken
      more = page.IsTruncated === true
    }
    expect(listed).toEqual(['x/1', 'x/3'])
    expect(world.buckets.remove(Bucket)).toBe(false)
    let pages = 0
    for (let more = true; more; pages++) {
      const page = await world.aws.s3.send(new ListObjectVersionsCommand({ Bucket, MaxKeys: 2 }))
      const Objects = [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])].map(({ Key, VersionId }) => ({
        Key,
        VersionId,
      }))
      if (Objects.length > 0)
        await world.aws.s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }))
      more = page.IsTruncated === true
    }
    expect(pages).toBe(3)
    expect(world.buckets.remove(Bucket)).toBe(true)
  })
})
