// The stand-in of all other tests is right only as far as something that is not ours says the same: both are asked the
// same, call by call.
import { CreateBucketCommand, PutBucketVersioningCommand } from '@aws-sdk/client-s3'
import { describe, expect, test } from 'vitest'
import { standIn } from '../../../aws/stand-in/stand-in.ts'
import { askAll, unexplained } from './calls/call.ts'
import { CALLS } from './calls/calls.ts'
import { DIFFERENCES } from './calls/differences.ts'
import { BUCKET } from './calls/s3.ts'
import { SCENARIO_MS, target, visit } from './visit.ts'

// The table of differences is this emulator's; and in an account these calls would take and make too much.
describe.runIf(target.kind === 'ministack')('the same calls', () => {
  test(
    'are answered alike, but for what is explained',
    async () => {
      using here = await visit()
      const { s3 } = here.bare
      await s3.send(
        new CreateBucketCommand({
          Bucket: BUCKET,
          CreateBucketConfiguration: { LocationConstraint: 'eu-west-1' },
        }),
      )
      await s3.send(
        new PutBucketVersioningCommand({ Bucket: BUCKET, VersioningConfiguration: { Status: 'Enabled' } }),
      )
      const world = standIn(here.account)
      world.buckets.make(BUCKET)
      const [ours, theirs] = [await askAll(world.aws, CALLS), await askAll(here.bare, CALLS)]
      expect(unexplained(ours, theirs, DIFFERENCES)).toEqual([])
    },
    SCENARIO_MS,
  )
})
