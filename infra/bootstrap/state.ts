// The state bucket. Its name is literal, since a bucket that an earlier bootstrap left is taken over by that name.
import type { Properties, Stack } from '../cfn.ts'
import { LAYOUT } from '../image-sets.ts'
import { document } from '../policy.ts'
import { encryptedOnTheWay, KEPT, PRIVATE } from '../private-bucket.ts'
import { type Home, stateArn, stateBucket } from './names.ts'

/** Days that what was overwritten or removed can still be had. */
const OLD_DAYS = 90

/** What the bucket is to be, beside its name. Also for one that is there already, and was made otherwise. */
export const STATE_SETTINGS = {
  ...PRIVATE,
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
      // What a bake was made from is in its image. Nor is it kept as an old version: of two rules S3 takes the shorter.
      {
        Id: 'Bakes',
        Status: 'Enabled',
        Prefix: LAYOUT.bakes,
        ExpirationInDays: 14,
        NoncurrentVersionExpiration: { NoncurrentDays: 1 },
      },
    ],
  },
} as const satisfies Properties<'AWS::S3::Bucket'>

/** The bucket's policy. */
export const statePolicy = (home: Home) => document(encryptedOnTheWay(stateArn(home)))

export function stateStorage(stack: Stack, home: Home): void {
  const name = stateBucket(home)
  const bucket = stack.add('State', 'AWS::S3::Bucket', { BucketName: name, ...STATE_SETTINGS }, KEPT)
  stack.add(
    'StatePolicy',
    'AWS::S3::BucketPolicy',
    { Bucket: name, PolicyDocument: statePolicy(home) },
    { ...KEPT, DependsOn: [bucket] },
  )
}
