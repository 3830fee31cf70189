import { CreateChangeSetCommand, DescribeChangeSetCommand } from '@aws-sdk/client-cloudformation'
import { expect, test } from 'vitest'
import { type StandIn, standIn } from '../stand-in.ts'

const BUCKET = 'kept'

/** What a stack with this resource would do with it. */
async function planned(there: StandIn, resource: object): Promise<string | undefined> {
  const { Id } = await there.aws.cloudformation.send(
    new CreateChangeSetCommand({
      StackName: 'other',
      ChangeSetName: 'one',
      ChangeSetType: 'CREATE',
      ImportExistingResources: true,
      TemplateBody: JSON.stringify({ Resources: { It: resource } }),
    }),
  )
  await there.clock.sleep(60_000)
  const { Changes = [] } = await there.aws.cloudformation.send(
    new DescribeChangeSetCommand({ ChangeSetName: Id }),
  )
  return Changes[0]?.ResourceChange?.Action
}
const bucket = (policy: string) => ({
  Type: 'AWS::S3::Bucket',
  DeletionPolicy: policy,
  Properties: { BucketName: BUCKET },
})
const bucketPolicy = {
  Type: 'AWS::S3::BucketPolicy',
  DeletionPolicy: 'Retain',
  Properties: { Bucket: BUCKET, PolicyDocument: {} },
}

test('a bucket that is there, and kept, is imported; any other is made', async () => {
  const there = standIn()
  expect(await planned(there, bucket('Retain'))).toBe('Add')
  const other = standIn()
  other.buckets.make(BUCKET)
  expect(await planned(other, bucket('Retain'))).toBe('Import')
  const third = standIn()
  third.buckets.make(BUCKET)
  expect(await planned(third, bucket('Delete'))).toBe('Add')
})

test('a bucket’s policy is imported where the bucket has one', async () => {
  const there = standIn()
  there.buckets.make(BUCKET)
  expect(await planned(there, bucketPolicy)).toBe('Add')
  const other = standIn()
  other.buckets.make(BUCKET)
  other.buckets.settings(BUCKET).policy = '{}'
  expect(await planned(other, bucketPolicy)).toBe('Import')
})

test('what AWS would look for and this does not know is an error, and never made in silence', async () => {
  const logs = { Type: 'AWS::Logs::LogGroup', Properties: { LogGroupName: 'kept' } }
  await expect(planned(standIn(), { ...logs, DeletionPolicy: 'Retain' })).rejects.toThrow(
    'imports only buckets and their policies: whether there is kept (It, AWS::Logs::LogGroup)',
  )
  // What has no name beforehand, or goes with the stack, AWS does not look for.
  expect(await planned(standIn(), logs)).toBe('Add')
  const unnamed = { Type: 'AWS::Logs::LogGroup', DeletionPolicy: 'Retain', Properties: {} }
  expect(await planned(standIn(), unnamed)).toBe('Add')
})
