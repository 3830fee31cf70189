// The state bucket. Its name is literal, since a bucket that an earlier bootstrap left is taken over by that name.
import type { Stack } from '../cfn.ts'
import { LAYOUT } from '../image-sets.ts'
import { document } from '../policy.ts'
import { type Home, partitionOf, stateBucket } from './names.ts'

/** Days that what was overwritten or removed can still be had. */
const OLD_DAYS = 90
const KEPT = { DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' } as const

export function stateStorage(stack: Stack, home: Home): void {
  const name = stateBucket(home)
  const arn = `arn:${partitionOf(home.region)}:s3:::${name}`
  const bucket = stack.add(
    'State',
    'AWS::S3::Bucket',
    {
      BucketName: name,
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
      OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }],
      },
      VersioningConfiguration: { Status: 'Enabled' },
      LifecycleConfiguration: {
        Rules: [
          {
            Id: 'OldVersions',
            Status: 'Enabled',
            NoncurrentVersionExpiration: { NoncurrentDays: OLD_DAYS },
            ExpiredObjectDeleteMarker: true,
          },
          { Id: 'Uploads', Status: 'Enabled', AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 } },
          // What a bake was made from is in its image.
          { Id: 'Bakes', Status: 'Enabled', Prefix: LAYOUT.bakes, ExpirationInDays: 14 },
        ],
      },
    },
    KEPT,
  )
  stack.add(
    'StatePolicy',
    'AWS::S3::BucketPolicy',
    {
      Bucket: name,
      PolicyDocument: document({
        Sid: 'EncryptedOnTheWay',
        Effect: 'Deny',
        Principal: '*',
        Action: 's3:*',
        Resource: [arn, `${arn}/*`],
        Condition: { Bool: { 'aws:SecureTransport': 'false' } },
      }),
    },
    { ...KEPT, DependsOn: [bucket] },
  )
}
