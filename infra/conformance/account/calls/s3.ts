// S3: objects with versions, conditional writes, pages.
import {
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import type { Aws } from '../../../../aws/port.ts'
import type { Call, Kept } from './call.ts'

/** Has to be there before, with versions: the stand-in makes no buckets by a call. */
export const BUCKET = 'terrace-calls'
const Bucket = BUCKET
const Key = 'lock.json'
const NOBODY = 'terrace-calls-of-nobody'

interface Condition {
  IfNoneMatch?: string
  IfMatch?: string
}
const put =
  (body: string, condition: (kept: Kept) => Condition, keep?: string) => async (aws: Aws, kept: Kept) => {
    const answer = await aws.s3.send(new PutObjectCommand({ Bucket, Key, Body: body, ...condition(kept) }))
    if (keep !== undefined) kept.set(keep, answer.ETag ?? '').set(`${keep} version`, answer.VersionId ?? '')
    return { ETag: answer.ETag, hasVersion: Boolean(answer.VersionId) }
  }
const text = async (aws: Aws, VersionId?: string) => {
  const { Body, ETag, ContentLength } = await aws.s3.send(
    new GetObjectCommand({ Bucket, Key, ...(VersionId && { VersionId }) }),
  )
  return { text: await Body?.transformToString(), ETag, ContentLength }
}
const none = () => ({})

export const S3_CALLS: readonly Call[] = [
  {
    what: 's3: a bucket that is there',
    ask: (aws) => aws.s3.send(new HeadBucketCommand({ Bucket })).then(none),
  },
  {
    what: 's3: a bucket that is not there',
    ask: (aws) => aws.s3.send(new HeadBucketCommand({ Bucket: NOBODY })).then(none),
  },
  {
    what: 's3: a bucket that is somebody else’s',
    ask: (aws) =>
      aws.s3.send(new HeadBucketCommand({ Bucket, ExpectedBucketOwner: '999988887777' })).then(none),
  },
  { what: 's3: get of nothing', ask: (aws) => text(aws) },
  {
    what: 's3: head of nothing',
    ask: (aws) => aws.s3.send(new HeadObjectCommand({ Bucket, Key })).then(none),
  },
  {
    what: 's3: get of a bucket that is not there',
    ask: (aws) => aws.s3.send(new GetObjectCommand({ Bucket: NOBODY, Key })).then(none),
  },
  { what: 's3: put if it is as it was, of nothing', ask: put('x', () => ({ IfMatch: '"0"' })) },
  { what: 's3: put if there is none', ask: put('one', () => ({ IfNoneMatch: '*' }), 'one') },
  { what: 's3: put if there is none, of something', ask: put('two', () => ({ IfNoneMatch: '*' })) },
  {
    what: 's3: put if it is as it was',
    ask: put('two', (kept) => ({ IfMatch: kept.get('one') ?? '' }), 'two'),
  },
  {
    what: 's3: put if it is as it is not',
    ask: put('three', (kept) => ({ IfMatch: kept.get('one') ?? '' })),
  },
  {
    // Of an object of its own: who takes it for an unknown condition, and writes, changes all that comes after.
    what: 's3: put if it is not that one',
    ask: (aws) =>
      aws.s3
        .send(new PutObjectCommand({ Bucket, Key: 'none.json', Body: 'x', IfNoneMatch: '"0"' }))
        .then(none),
  },
  { what: 's3: get', ask: (aws) => text(aws) },
  { what: 's3: get of an old version', ask: (aws, kept) => text(aws, kept.get('one version')) },
  {
    what: 's3: head',
    ask: async (aws) => {
      const { ContentLength, ETag } = await aws.s3.send(new HeadObjectCommand({ Bucket, Key }))
      return { ContentLength, ETag }
    },
  },
  {
    // Of an object of its own: whoever takes it away answers all that comes after differently.
    what: 's3: delete if it is as it is not',
    ask: async (aws) => {
      const other = { Bucket, Key: 'other.json' }
      await aws.s3.send(new PutObjectCommand({ ...other, Body: 'other' }))
      await aws.s3.send(new DeleteObjectCommand({ ...other, IfMatch: '"0"' }))
    },
  },
  {
    what: 's3: delete if it is as it was',
    ask: async (aws) => {
      const other = { Bucket, Key: 'other.json' }
      const { ETag } = await aws.s3.send(new HeadObjectCommand(other))
      const { DeleteMarker } = await aws.s3.send(new DeleteObjectCommand({ ...other, IfMatch: ETag }))
      return { DeleteMarker }
    },
  },
  {
    what: 's3: delete if it is as it was, of nothing',
    ask: (aws) =>
      aws.s3.send(new DeleteObjectCommand({ Bucket, Key: 'never.json', IfMatch: '"0"' })).then(none),
  },
  {
    what: 's3: delete',
    ask: async (aws, kept) => {
      const { DeleteMarker, VersionId } = await aws.s3.send(new DeleteObjectCommand({ Bucket, Key }))
      kept.set('marker version', VersionId ?? '')
      return { DeleteMarker, hasVersion: Boolean(VersionId) }
    },
  },
  { what: 's3: get of what was deleted', ask: (aws) => text(aws) },
  {
    what: 's3: put if it is as it was, of what was deleted',
    ask: put('x', (kept) => ({ IfMatch: kept.get('two') ?? '' })),
  },
  { what: 's3: versions, with markers', ask: versions },
  { what: 's3: put if there is none, of what was deleted', ask: put('four', () => ({ IfNoneMatch: '*' })) },
  {
    what: 's3: delete of one version',
    ask: async (aws, kept) => {
      const VersionId = kept.get('two version')
      const answer = await aws.s3.send(new DeleteObjectCommand({ Bucket, Key, VersionId }))
      return { isThatOne: answer.VersionId === VersionId }
    },
  },
  {
    what: 's3: head of the version that went',
    ask: (aws, kept) =>
      aws.s3.send(new HeadObjectCommand({ Bucket, Key, VersionId: kept.get('two version') })).then(none),
  },
  {
    what: 's3: head of a marker, by its version',
    ask: (aws, kept) =>
      aws.s3.send(new HeadObjectCommand({ Bucket, Key, VersionId: kept.get('marker version') })).then(none),
  },
  { what: 's3: get of a marker, by its version', ask: (aws, kept) => text(aws, kept.get('marker version')) },
  { what: 's3: get of the version that went', ask: (aws, kept) => text(aws, kept.get('two version')) },
  {
    what: 's3: pages',
    ask: async (aws) => {
      for (const name of ['a/3', 'a/1', 'b/1', 'a/2'])
        await aws.s3.send(new PutObjectCommand({ Bucket, Key: name, Body: name }))
      const first = await aws.s3.send(new ListObjectsV2Command({ Bucket, Prefix: 'a/', MaxKeys: 2 }))
      const second = await aws.s3.send(
        new ListObjectsV2Command({
          Bucket,
          Prefix: 'a/',
          MaxKeys: 2,
          ContinuationToken: first.NextContinuationToken,
        }),
      )
      return [first, second].map(({ Contents, KeyCount, IsTruncated }) => ({
        keys: Contents?.map(({ Key: name, Size, ETag }) => [name, Size, ETag]),
        KeyCount,
        IsTruncated,
      }))
    },
  },
  {
    what: 's3: nothing below a prefix',
    ask: async (aws) => {
      const { Contents, KeyCount } = await aws.s3.send(new ListObjectsV2Command({ Bucket, Prefix: 'z/' }))
      return { none: (Contents ?? []).length === 0, KeyCount }
    },
  },
  {
    what: 's3: delete of a bucket that holds something',
    ask: (aws) => aws.s3.send(new DeleteBucketCommand({ Bucket })).then(none),
  },
  {
    what: 's3: delete of many, one of them not there',
    ask: async (aws) => {
      const objects = [...['a/1', 'a/2', 'never'].map((name) => ({ Key: name }))]
      const { Deleted, Errors } = await aws.s3.send(
        new DeleteObjectsCommand({ Bucket, Delete: { Objects: objects } }),
      )
      return {
        keys: Deleted?.map((one) => [one.Key, one.DeleteMarker ?? false]),
        errors: Errors?.length ?? 0,
      }
    },
  },
  {
    what: 's3: every version goes, and then the bucket',
    ask: async (aws) => {
      const { Versions = [], DeleteMarkers = [] } = await aws.s3.send(
        new ListObjectVersionsCommand({ Bucket }),
      )
      const objects = [...Versions, ...DeleteMarkers].map(({ Key: name = '', VersionId }) => ({
        Key: name,
        VersionId,
      }))
      await aws.s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: objects } }))
      await aws.s3.send(new DeleteBucketCommand({ Bucket }))
    },
  },
  {
    what: 's3: the bucket that went',
    ask: (aws) => aws.s3.send(new ListObjectsV2Command({ Bucket })).then(none),
  },
]

async function versions(aws: Aws) {
  const { Versions = [], DeleteMarkers = [] } = await aws.s3.send(
    new ListObjectVersionsCommand({ Bucket, Prefix: Key }),
  )
  return {
    versions: Versions.map(({ Key: name, IsLatest }) => [name, IsLatest]),
    markers: DeleteMarkers.map(({ Key: name, IsLatest }) => [name, IsLatest]),
  }
}
