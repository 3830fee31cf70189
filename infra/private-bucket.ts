// What every bucket of ours has: nobody but its account's own roles reaches it, encrypted where it lies and on the way.
import { join, type Text } from './cfn.ts'
import type { Statement } from './policy.ts'

/** A stack's end, or a change that would make it anew, leaves a bucket where it is. */
export const KEPT = { DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' } as const

/** Properties of AWS::S3::Bucket. */
export const PRIVATE = {
  PublicAccessBlockConfiguration: {
    BlockPublicAcls: true,
    BlockPublicPolicy: true,
    IgnorePublicAcls: true,
    RestrictPublicBuckets: true,
  },
  OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
  // S3's own keys: load balancers can write to no other kind of bucket.
  BucketEncryption: {
    ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }],
  },
} as const

/** Of a bucket's policy. @param arn the bucket's */
export const encryptedOnTheWay = (arn: Text): Statement => ({
  Sid: 'EncryptedOnTheWay',
  Effect: 'Deny',
  Principal: '*',
  Action: 's3:*',
  // Joined, not substituted: that is how AWS Control Tower's rule looks for it.
  Resource: [arn, typeof arn === 'string' ? `${arn}/*` : join('', arn, '/*')],
  Condition: { Bool: { 'aws:SecureTransport': 'false' } },
})
