// The record of an image set in the state bucket: written once, under the hash of what the set was made from, and never
// changed. Whoever makes the same inputs finds it, and makes nothing.
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { everything } from '../../aws/pages.ts'
import type { Aws } from '../../aws/port.ts'
import { type Home, stateBucket } from '../../infra/bootstrap/names.ts'
import { LAYOUT } from '../../infra/image-sets.ts'
import { type ImageSet, imageSetSchema, parseJson } from '../../infra/images.ts'
import { BakeFailure } from '../ledger/failure.ts'

/** What was read, with what a conditional write needs. */
export interface Read {
  readonly text: string
  readonly etag: string
  /** When it was written, to the second. */
  readonly at: Date | undefined
}

/**
 * @returns undefined when there is no such object
 * @throws BakeFailure when there is no state bucket
 */
export async function readObject(aws: Aws, home: Home, key: string): Promise<Read | undefined> {
  const read = await readBytes(aws, home, key)
  return read && { text: read.bytes.toString('utf8'), etag: read.etag, at: read.at }
}

/**
 * The same, as it is.
 * @param most bytes; what is longer is not read at all
 * @throws BakeFailure also for an object that is longer
 */
export async function readBytes(
  aws: Aws,
  home: Home,
  key: string,
  most = Number.POSITIVE_INFINITY,
): Promise<(Omit<Read, 'text'> & { readonly bytes: Buffer }) | undefined> {
  const at = { Bucket: stateBucket(home), Key: key, ExpectedBucketOwner: home.account }
  try {
    const found = await aws.s3.send(new GetObjectCommand(at))
    const { Body, ETag: etag, LastModified: writtenAt, ContentLength: length } = found
    if (Body === undefined || etag === undefined) throw new Error(`S3 gives no ${key}`)
    if (length !== undefined && length > most) {
      if ('destroy' in Body) Body.destroy()
      throw new BakeFailure(
        `s3://${stateBucket(home)}/${key} has ${length} bytes, and ${most} at most are expected.`,
      )
    }
    return { bytes: Buffer.from(await Body.transformToByteArray()), etag, at: writtenAt }
  } catch (error) {
    if (error instanceof Error && error.name === 'NoSuchKey') return undefined
    throw noBucket(error, home)
  }
}

/** S3's error in our words, where it is that there is no state bucket. */
const noBucket = (error: unknown, home: Home): unknown =>
  error instanceof Error && error.name === 'NoSuchBucket'
    ? new BakeFailure(
        `There is no bucket ${stateBucket(home)}: npm run bootstrap makes it, once for account ${home.account} and ${home.region}. Nothing was changed.`,
        { cause: error },
      )
    : error

/**
 * Writes an object that has to be as it was read before: new (`undefined`), or of that ETag.
 * @returns false when somebody else has written it meanwhile
 */
export async function writeObject(
  aws: Aws,
  home: Home,
  key: string,
  body: string,
  was: string | undefined,
): Promise<boolean> {
  const at = { Bucket: stateBucket(home), Key: key, ExpectedBucketOwner: home.account }
  try {
    await aws.s3.send(
      new PutObjectCommand({
        ...at,
        Body: body,
        ContentType: 'application/json',
        ...(was === undefined ? { IfNoneMatch: '*' } : { IfMatch: was }),
      }),
    )
    return true
  } catch (error) {
    // 409: another write is under way; 404: what was to be replaced is gone.
    const names = ['PreconditionFailed', 'ConditionalRequestConflict', 'NoSuchKey']
    if (error instanceof Error && names.includes(error.name)) return false
    throw noBucket(error, home)
  }
}

/**
 * Writes an object whatever is there: its time is that of this write.
 * @throws BakeFailure when there is no state bucket
 */
export async function replaceObject(aws: Aws, home: Home, key: string, body: string | Buffer): Promise<void> {
  const at = { Bucket: stateBucket(home), Key: key, ExpectedBucketOwner: home.account }
  const type = typeof body === 'string' && { ContentType: 'application/json' }
  try {
    await aws.s3.send(new PutObjectCommand({ ...at, Body: body, ...type }))
  } catch (error) {
    throw noBucket(error, home)
  }
}

/**
 * Everything below a prefix, with when it was written.
 * @throws BakeFailure when there is no state bucket
 */
export async function listObjects(
  aws: Aws,
  home: Home,
  prefix: string,
): Promise<{ readonly key: string; readonly at: Date }[]> {
  const at = { Bucket: stateBucket(home), Prefix: prefix, ExpectedBucketOwner: home.account }
  const objects = await everything(async (ContinuationToken) => {
    try {
      const page = await aws.s3.send(new ListObjectsV2Command({ ...at, ContinuationToken }))
      return { items: page.Contents, next: page.NextContinuationToken }
    } catch (error) {
      throw noBucket(error, home)
    }
  })
  return objects.flatMap(({ Key: key, LastModified }) =>
    key === undefined ? [] : [{ key, at: LastModified ?? new Date(0) }],
  )
}

/**
 * Removes an object that has to be as it was read; its versions have it still.
 * @returns false when it says something else by now, or is being written
 */
export async function removeAsRead(aws: Aws, home: Home, key: string, etag: string): Promise<boolean> {
  const at = { Bucket: stateBucket(home), Key: key, ExpectedBucketOwner: home.account }
  try {
    await aws.s3.send(new DeleteObjectCommand({ ...at, IfMatch: etag }))
    return true
  } catch (error) {
    const name = error instanceof Error ? error.name : ''
    // Somebody else was faster, or an earlier try whose answer was lost.
    if (name === 'NoSuchKey') return true
    if (name === 'PreconditionFailed' || name === 'ConditionalRequestConflict') return false
    throw noBucket(error, home)
  }
}

/** @throws BakeFailure when there is something that is no record of these inputs */
export async function readSet(aws: Aws, home: Home, inputs: string): Promise<ImageSet | undefined> {
  const key = LAYOUT.record(inputs)
  const found = await readObject(aws, home, key)
  if (found === undefined) return undefined
  const parsed = imageSetSchema.safeParse(parseJson(found.text))
  if (!parsed.success || parsed.data.inputs !== inputs)
    throw new BakeFailure(
      `s3://${stateBucket(home)}/${key} is not the record of this image set. A record never changes: ` +
        'its versions tell who wrote it; once it is right again, or removed, bake again. Nothing was made.',
    )
  return parsed.data
}

/** @returns what the record says now: this set, or the one of somebody who was first */
export async function writeSet(aws: Aws, home: Home, set: ImageSet): Promise<ImageSet> {
  const body = `${JSON.stringify(imageSetSchema.parse(set), null, 2)}\n`
  if (await writeObject(aws, home, LAYOUT.record(set.inputs), body, undefined)) return set
  const other = await readSet(aws, home, set.inputs)
  if (other === undefined)
    throw new BakeFailure(
      `The record of image set ${set.inputs.slice(0, 12)} was being written by somebody else, and is not there: run the same command again.`,
    )
  return other
}

const NAMED = /^image-sets\/([0-9a-f]{64})\.json$/

/** Inputs of every set that is recorded, the newest first. */
export async function newestFirst(aws: Aws, home: Home): Promise<string[]> {
  const all = await listObjects(aws, home, 'image-sets/')
  return all
    .toSorted((a, b) => b.at.getTime() - a.at.getTime())
    .flatMap(({ key }) => NAMED.exec(key)?.[1] ?? [])
}

/**
 * @param begin what its name begins with
 * @returns inputs of the one set that is recorded under such a name
 * @throws BakeFailure when there is none, or there are several
 */
export async function setNamed(aws: Aws, home: Home, begin: string): Promise<string> {
  const found = (await newestFirst(aws, home)).filter((inputs) => inputs.startsWith(begin))
  const [only] = found
  if (only !== undefined && found.length === 1) return only
  const what = found.length === 0 ? 'there is no such image set' : `${found.length} image sets begin so`
  throw new BakeFailure(`${begin}: ${what} in s3://${stateBucket(home)}/image-sets/. Nothing was changed.`)
}
