// How a bucket is set, from how it is when it is new.
import {
  DeleteObjectsCommand,
  GetBucketEncryptionCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketOwnershipControlsCommand,
  GetBucketPolicyCommand,
  GetBucketVersioningCommand,
  GetPublicAccessBlockCommand,
  PutBucketEncryptionCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketOwnershipControlsCommand,
  PutBucketVersioningCommand,
  PutPublicAccessBlockCommand,
} from '@aws-sdk/client-s3'
import type { Aws } from '../../../../aws/port.ts'
import type { Call } from './call.ts'

/** Has to be there before, as S3 makes it. */
export const NEW_BUCKET = 'terrace-calls-new'
const Bucket = NEW_BUCKET
const NOBODY = { Bucket: 'terrace-calls-of-nobody' }
const none = () => ({})

const versioning = async (aws: Aws) => {
  const { Status } = await aws.s3.send(new GetBucketVersioningCommand({ Bucket }))
  return { Status }
}
const encryption = async (aws: Aws) => {
  const answer = await aws.s3.send(new GetBucketEncryptionCommand({ Bucket }))
  return answer.ServerSideEncryptionConfiguration?.Rules?.map(
    (rule) => rule.ApplyServerSideEncryptionByDefault?.SSEAlgorithm,
  )
}
const access = async (aws: Aws) => {
  const answer = await aws.s3.send(new GetPublicAccessBlockCommand({ Bucket }))
  const { BlockPublicAcls, BlockPublicPolicy, IgnorePublicAcls, RestrictPublicBuckets } =
    answer.PublicAccessBlockConfiguration ?? {}
  return [BlockPublicAcls, BlockPublicPolicy, IgnorePublicAcls, RestrictPublicBuckets]
}
const ownership = async (aws: Aws) => {
  const answer = await aws.s3.send(new GetBucketOwnershipControlsCommand({ Bucket }))
  return answer.OwnershipControls?.Rules?.map((rule) => rule.ObjectOwnership)
}
const lifecycle = async (aws: Aws) => {
  const { Rules } = await aws.s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket }))
  return Rules?.map(({ ID, Status, Filter, Expiration }) => ({ ID, Status, Filter, days: Expiration?.Days }))
}

export const BUCKET_CALLS: readonly Call[] = [
  { what: 'bucket: versions of a new one', ask: versioning },
  {
    what: 'bucket: versions of one that is not there',
    ask: (aws) => aws.s3.send(new GetBucketVersioningCommand(NOBODY)).then(none),
  },
  {
    what: 'bucket: versions, from now on',
    ask: async (aws) => {
      await aws.s3.send(
        new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }),
      )
      return versioning(aws)
    },
  },
  { what: 'bucket: encryption of a new one', ask: encryption },
  {
    what: 'bucket: encryption with a key',
    ask: async (aws) => {
      const ApplyServerSideEncryptionByDefault = { SSEAlgorithm: 'aws:kms' as const }
      await aws.s3.send(
        new PutBucketEncryptionCommand({
          Bucket,
          ServerSideEncryptionConfiguration: { Rules: [{ ApplyServerSideEncryptionByDefault }] },
        }),
      )
      return encryption(aws)
    },
  },
  { what: 'bucket: public access to a new one', ask: access },
  {
    what: 'bucket: public access, in part',
    ask: async (aws) => {
      await aws.s3.send(
        new PutPublicAccessBlockCommand({
          Bucket,
          PublicAccessBlockConfiguration: {
            BlockPublicAcls: true,
            BlockPublicPolicy: true,
            IgnorePublicAcls: false,
            RestrictPublicBuckets: false,
          },
        }),
      )
      return access(aws)
    },
  },
  { what: 'bucket: who owns what is put into a new one', ask: ownership },
  {
    what: 'bucket: the writer owns what is put there',
    ask: async (aws) => {
      await aws.s3.send(
        new PutBucketOwnershipControlsCommand({
          Bucket,
          OwnershipControls: { Rules: [{ ObjectOwnership: 'ObjectWriter' }] },
        }),
      )
      return ownership(aws)
    },
  },
  { what: 'bucket: what goes when, of a new one', ask: lifecycle },
  {
    what: 'bucket: what goes when',
    ask: async (aws) => {
      await aws.s3.send(
        new PutBucketLifecycleConfigurationCommand({
          Bucket,
          LifecycleConfiguration: {
            Rules: [{ ID: 'old', Status: 'Enabled', Filter: { Prefix: 'bakes/' }, Expiration: { Days: 30 } }],
          },
        }),
      )
      return lifecycle(aws)
    },
  },
  {
    what: 'bucket: the policy of a new one',
    ask: (aws) => aws.s3.send(new GetBucketPolicyCommand({ Bucket })).then(none),
  },
  {
    what: 'bucket: delete of more than go at a time',
    ask: (aws) => {
      const Objects = Array.from({ length: 1_001 }, (_, index) => ({ Key: `n/${index}` }))
      return aws.s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } })).then(none)
    },
  },
]
