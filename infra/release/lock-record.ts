// The object in the state bucket that says who is at work on a stage. It is made, renewed, taken over and removed under
// conditions only, so that of two who do it at once one succeeds.
import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { z } from 'zod'
import type { Aws } from '../../aws/port.ts'
import { AwsProblem, statusOf } from '../../aws/problems.ts'
import { plainLine, plainName } from '../plain-text.ts'
import { noBucket } from './failure.ts'

const schema = z.object({
  /** Random, one for each run. */
  id: plainName,
  /** ARN. */
  by: plainLine(2048),
  /** Machine and process. */
  on: plainLine(300),
  /** `apply`. */
  command: z
    .string()
    .max(40)
    .regex(/^[a-z][a-z -]*$/),
  /** By the clock of whoever has it, as `until`: nothing is decided by either. */
  since: z.iso.datetime(),
  until: z.iso.datetime(),
})
export type LockRecord = z.infer<typeof schema>

export interface FoundLock {
  /** Undefined when nobody can read what is there. */
  readonly record: LockRecord | undefined
  readonly etag: string
  /** By S3's clock, to the second. */
  readonly writtenAt: Date
}

export interface LockPlace {
  readonly bucket: string
  /** Whose bucket it has to be. */
  readonly account: string
  readonly stage: string
}
type Condition = { readonly IfNoneMatch: '*' } | { readonly IfMatch: string }

const TRIES = 5
const AGAIN_MS = 1_000
/** Of a condition that does not hold: there is another one, there is none, or one is being written. */
const UNMET = ['PreconditionFailed', 'NoSuchKey', 'ConditionalRequestConflict']

const at = ({ bucket, account, stage }: LockPlace, name = 'lock') => ({
  Bucket: bucket,
  Key: `stages/${stage}/${name}.json`,
  ExpectedBucketOwner: account,
})
const nameOf = (error: unknown) => (error instanceof Error ? error.name : '')

/** @returns undefined when nobody is at work */
export async function readLock(aws: Aws, place: LockPlace): Promise<FoundLock | undefined> {
  try {
    const { Body, ETag, LastModified } = await aws.s3.send(new GetObjectCommand(at(place)))
    const text = (await Body?.transformToString('utf8')) ?? ''
    return { record: parsed(text), etag: ETag ?? '', writtenAt: LastModified ?? new Date(0) }
  } catch (error) {
    if (nameOf(error) === 'NoSuchKey') return undefined
    throw error
  }
}
function parsed(text: string): LockRecord | undefined {
  try {
    return schema.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}

/**
 * @returns its ETag; undefined when the condition does not hold: somebody else's is there, or none
 * @throws StackFailure when there is no bucket
 */
export async function writeLock(
  aws: Aws,
  place: LockPlace,
  record: LockRecord,
  condition: Condition,
): Promise<string | undefined> {
  let wanted = condition
  for (let tries = 1; ; tries++) {
    try {
      const input = { ...at(place), Body: JSON.stringify(record), ContentType: 'application/json' }
      const { ETag = '' } = await aws.s3.send(new PutObjectCommand({ ...input, ...wanted }))
      return ETag
    } catch (error) {
      if (nameOf(error) === 'NoSuchBucket') throw noBucket(place.bucket, place.account)
      if (!UNMET.includes(nameOf(error)) && !isInDoubt(error)) throw error
      // The answer to an earlier try may be what was lost: what is there tells.
      const found = await readLock(aws, place)
      if (found?.record?.id === record.id) wanted = { IfMatch: found.etag }
      else if (nameOf(error) !== 'ConditionalRequestConflict') {
        if (UNMET.includes(nameOf(error))) return undefined
        throw error
      }
      if (tries === TRIES) throw error
      await aws.clock.sleep(AGAIN_MS)
    }
  }
}

/** Whether it may have been done nevertheless. */
function isInDoubt(error: unknown): boolean {
  if (error instanceof AwsProblem) return error.kind === 'unreachable'
  return error instanceof Error && Number(statusOf(error)) >= 500
}

/** Removes what is there under this ETag, and nothing else. */
export async function removeLock(aws: Aws, place: LockPlace, etag: string): Promise<void> {
  try {
    await aws.s3.send(new DeleteObjectCommand({ ...at(place), IfMatch: etag }))
  } catch (error) {
    if (!UNMET.includes(nameOf(error))) throw error
  }
}

/**
 * What time it is for S3, which says when a lock was written: two machines' clocks are never compared. It tells it only of
 * what was just written.
 */
export async function timeOfS3(aws: Aws, place: LockPlace): Promise<Date> {
  await aws.s3.send(new PutObjectCommand({ ...at(place, 'lock-asked-for'), Body: '{}' }))
  const { LastModified } = await aws.s3.send(new GetObjectCommand(at(place, 'lock-asked-for')))
  if (LastModified === undefined) throw new Error('S3 does not say when an object was written')
  return LastModified
}
