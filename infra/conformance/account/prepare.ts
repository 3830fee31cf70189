// What a stage stands on, in the account that the tests run against.
import { CreateBucketCommand } from '@aws-sdk/client-s3'
import { stateBucket } from './table.ts'
import type { Visit } from './visit.ts'

export async function prepareAccount({ aws, account }: Visit): Promise<void> {
  await aws.s3.send(
    new CreateBucketCommand({
      Bucket: stateBucket(account),
      CreateBucketConfiguration: { LocationConstraint: 'eu-west-1' },
    }),
  )
}
