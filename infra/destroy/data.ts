// What people entrusted to the stage, removed for good: buckets with all their versions, snapshots. Only ever called for
// what the person has been shown and has agreed to twice.

import { DeleteDBSnapshotCommand } from '@aws-sdk/client-rds'
import {
  DeleteBucketCommand,
  DeleteObjectsCommand,
  ListObjectVersionsCommand,
  type ListObjectVersionsOutput,
} from '@aws-sdk/client-s3'
import type { Aws } from '../../aws/port.ts'
import { inLine } from '../plain-text.ts'
import type { Say } from '../release/follow.ts'
import { DestroyFailure } from './failure.ts'
import { SNAPSHOT_MS, snapshotsOf } from './quiet.ts'

/** Load balancers write the logs of their last minutes after they are gone. */
const LATE_MS = 60_000
const TRIES = 6

/** @throws DestroyFailure when something goes on writing into it */
export async function removeBucket(aws: Aws, bucket: string, account: string, say: Say): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      const removed = await empty(aws, bucket, account)
      await aws.s3.send(new DeleteBucketCommand({ Bucket: bucket, ExpectedBucketOwner: account }))
      say(`Bucket ${bucket} is removed, with ${removed} versions of objects.`)
      return
    } catch (error) {
      if (!(error instanceof Error)) throw error
      if (error.name === 'NoSuchBucket') return
      if (error.name !== 'BucketNotEmpty') throw error
      if (tries === TRIES)
        throw new DestroyFailure(
          `Something goes on writing into bucket ${bucket}.`,
          'find out what (its access logs tell), and run the same command again.',
          error,
        )
    }
    await aws.clock.sleep(LATE_MS)
  }
}

/** @returns how many versions and markers there were */
async function empty(aws: Aws, bucket: string, account: string): Promise<number> {
  const where = { Bucket: bucket, ExpectedBucketOwner: account }
  let removed = 0
  for (;;) {
    // Always the first page: what stood there is gone the next time.
    const page: ListObjectVersionsOutput = await aws.s3.send(new ListObjectVersionsCommand(where))
    const objects = [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])].flatMap(({ Key, VersionId }) =>
      Key === undefined ? [] : [{ Key, VersionId }],
    )
    if (objects.length === 0) return removed
    const { Errors: errors = [] } = await aws.s3.send(
      new DeleteObjectsCommand({ ...where, Delete: { Objects: objects, Quiet: true } }),
    )
    const [first] = errors
    if (first !== undefined)
      throw new DestroyFailure(
        `${errors.length} objects of bucket ${bucket} can’t be removed; ${inLine(`${first.Key}: ${first.Message}`)}`,
        's3:DeleteObjectVersion on the bucket is what that needs.',
      )
    removed += objects.length
  }
}

/** @throws DestroyFailure when one is still being taken after hours */
export async function removeSnapshots(aws: Aws, database: string, say: Say): Promise<void> {
  const until = aws.clock.now().getTime() + SNAPSHOT_MS
  for (const name of await snapshotsOf(aws, database)) {
    while (!(await removeSnapshot(aws, name))) {
      if (aws.clock.now().getTime() >= until)
        throw new DestroyFailure(
          `Snapshot ${name} is still being taken, and can’t be removed before that is done.`,
          'run the same command again in some hours.',
        )
      await aws.clock.sleep(LATE_MS)
    }
    say(`Snapshot ${name} is removed.`)
  }
}

/** @returns false while it is still being taken */
async function removeSnapshot(aws: Aws, name: string): Promise<boolean> {
  try {
    await aws.rds.send(new DeleteDBSnapshotCommand({ DBSnapshotIdentifier: name }))
    return true
  } catch (error) {
    if (!(error instanceof Error)) throw error
    if (/^DBSnapshotNotFound/.test(error.name)) return true
    if (/^InvalidDBSnapshotState/.test(error.name)) return false
    throw error
  }
}
