// Buckets with versions, conditional writes and pages.
import { createHash } from 'node:crypto'
import type {
  DeleteBucketCommandInput,
  DeleteObjectCommandInput,
  DeleteObjectsCommandInput,
  GetObjectCommandInput,
  HeadBucketCommandInput,
  HeadObjectCommandInput,
  ListObjectsV2CommandInput,
  ListObjectVersionsCommandInput,
  PutObjectCommandInput,
} from '@aws-sdk/client-s3'
import { type BucketSettings, bucketSettings, newSettings } from './bucket-settings.ts'
import type { VirtualClock } from './clock.ts'
import { awsError, type Operations } from './service.ts'

interface Version {
  readonly id: string
  readonly etag: string
  readonly at: Date
  /** Undefined: a delete marker. */
  readonly body: Buffer | undefined
}
/** Newest first. */
type Bucket = Map<string, Version[]>

const PAGE = 1_000

/** What a conditional write meets while another one is being done: nobody can tell which of them will hold. */
export const conflict = (): Error =>
  awsError(
    'ConditionalRequestConflict',
    'The conditional request cannot succeed due to a conflicting operation against this resource.',
    409,
  )
const unmet = () =>
  awsError('PreconditionFailed', 'At least one of the pre-conditions you specified did not hold', 412)

export class Buckets {
  readonly #buckets = new Map<string, Bucket>()
  readonly #settings = new Map<string, BucketSettings>()
  /** Names that a stack which is about to be made takes over. */
  readonly takenOver = new Set<string>()
  readonly #account: string
  readonly #clock: VirtualClock
  #versions = 0

  constructor(account: string, clock: VirtualClock) {
    this.#account = account
    this.#clock = clock
  }

  has(name: string): boolean {
    return this.#buckets.has(name)
  }
  make(name: string): void {
    if (this.#buckets.has(name)) return
    this.#buckets.set(name, new Map())
    this.#settings.set(name, newSettings())
  }
  /** To be read, or set as somebody may have set them. */
  settings(name: string): BucketSettings {
    const found = this.#settings.get(name)
    if (found === undefined) throw new Error(`There is no bucket ${name}`)
    return found
  }
  /** @returns whether it could go: S3 keeps what holds anything, old versions too */
  remove(name: string): boolean {
    const bucket = this.#buckets.get(name)
    if (bucket !== undefined && bucket.size > 0) return false
    this.#buckets.delete(name)
    return true
  }
  /** For tests: what is there without anybody having been asked to put it there. */
  write(bucket: string, key: string, text: string): void {
    this.#put(this.#bucket({ Bucket: bucket }), key, Buffer.from(text))
  }
  /** What is there under a key now. */
  text(bucket: string, key: string): string | undefined {
    return this.#buckets.get(bucket)?.get(key)?.[0]?.body?.toString()
  }
  keys(bucket: string): string[] {
    return [...(this.#buckets.get(bucket) ?? [])]
      .filter(([, [newest]]) => newest?.body !== undefined)
      .map(([key]) => key)
      .sort()
  }

  #bucket({
    Bucket: name = '',
    ExpectedBucketOwner: owner,
  }: {
    Bucket?: string | undefined
    ExpectedBucketOwner?: string | undefined
  }): Bucket {
    const bucket = this.#buckets.get(name)
    if (bucket === undefined) throw awsError('NoSuchBucket', 'The specified bucket does not exist', 404)
    if (owner !== undefined && owner !== this.#account) throw awsError('AccessDenied', 'Access Denied', 403)
    return bucket
  }
  #object(input: GetObjectCommandInput | HeadObjectCommandInput, missing: string): Version {
    const versions = this.#bucket(input).get(input.Key ?? '') ?? []
    const { VersionId: version } = input
    const found = version === undefined ? versions[0] : versions.find(({ id }) => id === version)
    // The answer to a HEAD has no body that could name its error: of 404 alone the SDK makes one.
    const isHead = missing === 'NotFound'
    if (found === undefined && version !== undefined && !isHead)
      throw awsError('NoSuchVersion', 'The specified version does not exist.', 404)
    // A marker has nothing to give, and who names it by its version asked for the wrong thing.
    if (found !== undefined && found.body === undefined && version !== undefined)
      throw awsError(
        isHead ? 'Unknown' : 'MethodNotAllowed',
        'The specified method is not allowed against this resource.',
        405,
      )
    if (found?.body === undefined) throw awsError(missing, 'The specified key does not exist.', 404)
    return found
  }
  #put(bucket: Bucket, key: string, body: Buffer | undefined): Version {
    const version = {
      id: `v${++this.#versions}`,
      etag: `"${createHash('md5')
        .update(body ?? '')
        .digest('hex')}"`,
      // To the second, as headers have it.
      at: new Date(Math.floor(this.#clock.now().getTime() / 1000) * 1000),
      body,
    }
    bucket.set(key, [version, ...(bucket.get(key) ?? [])])
    return version
  }
  /** What `If-Match` asks of the newest version. */
  #mustMatch(newest: Version | undefined, etag: string | undefined): void {
    if (etag === undefined) return
    if (newest?.body === undefined) throw awsError('NoSuchKey', 'The specified key does not exist.', 404)
    if (etag !== '*' && etag !== newest.etag) throw unmet()
  }
  /** Without a version: a marker, also of what never was. With one: that one, for good. */
  #delete(bucket: Bucket, key: string, version: string | undefined): object {
    if (version === undefined) return { DeleteMarker: true, VersionId: this.#put(bucket, key, undefined).id }
    const left = (bucket.get(key) ?? []).filter(({ id }) => id !== version)
    if (left.length > 0) bucket.set(key, left)
    else bucket.delete(key)
    return { VersionId: version }
  }

  readonly operations: Operations = {
    ...bucketSettings((input) => {
      this.#bucket(input)
      return this.settings(input.Bucket ?? '')
    }),
    HeadBucket: (input: HeadBucketCommandInput) => {
      if (!this.#buckets.has(input.Bucket ?? '')) throw awsError('NotFound', '', 404)
      this.#bucket(input)
      return {}
    },
    PutObject: (input: PutObjectCommandInput) => {
      const bucket = this.#bucket(input)
      const key = input.Key ?? ''
      const [newest] = bucket.get(key) ?? []
      if (input.IfNoneMatch !== undefined && input.IfNoneMatch !== '*')
        throw awsError(
          'NotImplemented',
          'A header you provided implies functionality that is not implemented',
          501,
        )
      // A marker of a deletion is nothing that could be in the way.
      if (input.IfNoneMatch === '*' && newest?.body !== undefined) throw unmet()
      this.#mustMatch(newest, input.IfMatch)
      const { Body: body } = input
      if (typeof body !== 'string' && !(body instanceof Uint8Array))
        throw new Error('The stand-in for S3 takes texts and bytes only')
      const { etag, id } = this.#put(bucket, key, Buffer.from(body))
      return { ETag: etag, VersionId: id }
    },
    GetObject: (input: GetObjectCommandInput) => {
      const { body = Buffer.alloc(0), etag, id, at } = this.#object(input, 'NoSuchKey')
      return {
        Body: {
          transformToString: async () => body.toString(),
          transformToByteArray: async () => new Uint8Array(body),
        },
        ContentLength: body.length,
        ETag: etag,
        VersionId: id,
        LastModified: at,
      }
    },
    HeadObject: (input: HeadObjectCommandInput) => {
      const { body, etag, id, at } = this.#object(input, 'NotFound')
      return { ContentLength: body?.length, ETag: etag, VersionId: id, LastModified: at }
    },
    ListObjectsV2: (input: ListObjectsV2CommandInput) => {
      const bucket = this.#bucket(input)
      const { Prefix: prefix = '', MaxKeys: limit = PAGE, ContinuationToken: after = '' } = input
      const all = this.keys(input.Bucket ?? '').filter((key) => key.startsWith(prefix) && key > after)
      // Whoever asks for more gets no more.
      const page = all.slice(0, Math.min(limit, PAGE))
      const more = all.length > page.length
      return {
        Contents: page.map((Key) => {
          const [newest] = bucket.get(Key) ?? []
          return { Key, ETag: newest?.etag, Size: newest?.body?.length, LastModified: newest?.at }
        }),
        KeyCount: page.length,
        IsTruncated: more,
        ...(more && { NextContinuationToken: page.at(-1) }),
      }
    },
    ListObjectVersions: (input: ListObjectVersionsCommandInput) => {
      const bucket = this.#bucket(input)
      const { Prefix: prefix = '', MaxKeys: limit = PAGE, KeyMarker: key = '', VersionIdMarker } = input
      const all = [...bucket]
        .filter(([name]) => name.startsWith(prefix))
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .flatMap(([Key, versions]) =>
          versions.map((version, index) => ({ Key, version, IsLatest: index === 0 })),
        )
      const start = all.findIndex((one) => one.Key === key && one.version.id === VersionIdMarker) + 1
      const page = all.slice(start, start + Math.min(limit, PAGE))
      const last = page.at(-1)
      const more = start + page.length < all.length
      const listed = (markers: boolean) =>
        page
          .filter(({ version }) => (version.body === undefined) === markers)
          .map(({ Key, version, IsLatest }) => ({ Key, VersionId: version.id, IsLatest }))
      return {
        Versions: listed(false),
        DeleteMarkers: listed(true),
        IsTruncated: more,
        ...(more && { NextKeyMarker: last?.Key, NextVersionIdMarker: last?.version.id }),
      }
    },
    DeleteBucket: (input: DeleteBucketCommandInput) => {
      this.#bucket(input)
      if (!this.remove(input.Bucket ?? ''))
        throw awsError('BucketNotEmpty', 'The bucket you tried to delete is not empty', 409)
      return {}
    },
    DeleteObject: (input: DeleteObjectCommandInput) => {
      const bucket = this.#bucket(input)
      const { Key: key = '', IfMatch: etag } = input
      this.#mustMatch(bucket.get(key)?.[0], etag)
      return this.#delete(bucket, key, input.VersionId)
    },
    DeleteObjects: (input: DeleteObjectsCommandInput) => {
      const bucket = this.#bucket(input)
      const objects = input.Delete?.Objects ?? []
      if (objects.length > PAGE)
        throw awsError('MalformedXML', 'The XML you provided was not well-formed', 400)
      return {
        Deleted: objects.map(({ Key = '', VersionId }) => ({
          Key,
          ...this.#delete(bucket, Key, VersionId),
        })),
      }
    },
  }
}
