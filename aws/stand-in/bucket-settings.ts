// How a bucket is set, by the calls that set and read it. What a stack's template says of a bucket is not followed here: a
// bucket has what S3 gives a new one, until a call sets it otherwise.
import type {
  BucketVersioningStatus,
  LifecycleRule,
  OwnershipControls,
  PublicAccessBlockConfiguration,
  PutBucketEncryptionCommandInput,
  PutBucketLifecycleConfigurationCommandInput,
  PutBucketOwnershipControlsCommandInput,
  PutBucketVersioningCommandInput,
  PutPublicAccessBlockCommandInput,
  ServerSideEncryptionConfiguration,
} from '@aws-sdk/client-s3'
import { awsError, type Operations } from './service.ts'

/** Undefined: not set. */
export interface BucketSettings {
  access: PublicAccessBlockConfiguration | undefined
  encryption: ServerSideEncryptionConfiguration | undefined
  lifecycle: LifecycleRule[] | undefined
  ownership: OwnershipControls | undefined
  /** JSON. */
  policy: string | undefined
  versioning: BucketVersioningStatus | undefined
}

export const newSettings = (): BucketSettings => ({
  access: {
    BlockPublicAcls: true,
    BlockPublicPolicy: true,
    IgnorePublicAcls: true,
    RestrictPublicBuckets: true,
  },
  encryption: { Rules: [{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }] },
  lifecycle: undefined,
  ownership: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
  policy: undefined,
  versioning: undefined,
})

interface Of {
  readonly Bucket: string | undefined
  readonly ExpectedBucketOwner?: string | undefined
}

/** @param of a bucket's; throws as S3 does for one that is not there, or not ours */
export function bucketSettings(of: (input: Of) => BucketSettings): Operations {
  const set = <T>(value: T | undefined, code: string): T => {
    if (value === undefined) throw awsError(code, `The bucket has no such setting: ${code}`, 404)
    return value
  }
  return {
    GetBucketVersioning: (input: Of) => {
      const { versioning } = of(input)
      return versioning === undefined ? {} : { Status: versioning }
    },
    PutBucketVersioning: (input: PutBucketVersioningCommandInput) => {
      of(input).versioning = input.VersioningConfiguration?.Status
      return {}
    },
    GetBucketEncryption: (input: Of) => ({
      ServerSideEncryptionConfiguration: set(
        of(input).encryption,
        'ServerSideEncryptionConfigurationNotFoundError',
      ),
    }),
    PutBucketEncryption: (input: PutBucketEncryptionCommandInput) => {
      of(input).encryption = structuredClone(input.ServerSideEncryptionConfiguration)
      return {}
    },
    GetPublicAccessBlock: (input: Of) => ({
      PublicAccessBlockConfiguration: set(of(input).access, 'NoSuchPublicAccessBlockConfiguration'),
    }),
    PutPublicAccessBlock: (input: PutPublicAccessBlockCommandInput) => {
      of(input).access = structuredClone(input.PublicAccessBlockConfiguration)
      return {}
    },
    GetBucketOwnershipControls: (input: Of) => ({
      OwnershipControls: set(of(input).ownership, 'OwnershipControlsNotFoundError'),
    }),
    PutBucketOwnershipControls: (input: PutBucketOwnershipControlsCommandInput) => {
      of(input).ownership = structuredClone(input.OwnershipControls)
      return {}
    },
    GetBucketLifecycleConfiguration: (input: Of) => ({
      Rules: set(of(input).lifecycle, 'NoSuchLifecycleConfiguration'),
    }),
    PutBucketLifecycleConfiguration: (input: PutBucketLifecycleConfigurationCommandInput) => {
      of(input).lifecycle = structuredClone(input.LifecycleConfiguration?.Rules)
      return {}
    },
    GetBucketPolicy: (input: Of) => ({ Policy: set(of(input).policy, 'NoSuchBucketPolicy') }),
  }
}
