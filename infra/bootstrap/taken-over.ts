// A state bucket that is there before its stack is. CloudFormation takes it over as it is: what the template says of it
// holds only from the first change of the template on. So its settings are read before, shown with the plan, and set
// right once somebody agrees. Whose it is, and what its policy lets whom do, is not ours to overwrite.
import {
  GetBucketEncryptionCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketOwnershipControlsCommand,
  GetBucketPolicyCommand,
  GetBucketVersioningCommand,
  GetPublicAccessBlockCommand,
  type LifecycleRule,
  PutBucketEncryptionCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketOwnershipControlsCommand,
  PutBucketVersioningCommand,
  PutPublicAccessBlockCommand,
} from '@aws-sdk/client-s3'
import canonicalize from 'canonicalize'
import type { Aws } from '../../aws/port.ts'
import { inLine } from '../plain-text.ts'
import { StackFailure } from '../release/failure.ts'
import { type Home, stateBucket } from './names.ts'
import { STATE_SETTINGS, statePolicy } from './state.ts'

/** Rights that the calls of this file need: printed with the others. */
export const TAKE_OVER_CALLS = [
  's3:GetBucketOwnershipControls',
  's3:GetBucketPolicy',
  's3:GetBucketPublicAccessBlock',
  's3:GetBucketVersioning',
  's3:GetEncryptionConfiguration',
  's3:GetLifecycleConfiguration',
  's3:PutBucketOwnershipControls',
  's3:PutBucketPublicAccessBlock',
  's3:PutBucketVersioning',
  's3:PutEncryptionConfiguration',
  's3:PutLifecycleConfiguration',
] as const

type S3 = Aws['s3']
/** Of a bucket in our account. */
interface Where {
  readonly Bucket: string
  readonly ExpectedBucketOwner: string
}
interface Setting {
  readonly what: string
  /** What is not set has an error of its own. */
  readonly unset: string
  readonly wanted: unknown
  readonly read: (s3: S3, where: Where) => Promise<unknown>
  readonly write: (s3: S3, where: Where) => Promise<unknown>
}

/** A setting that is not as it is to be. */
export interface Unlike {
  /** For a person: what it is, and what it becomes. */
  readonly line: string
  readonly mend: () => Promise<void>
}

const {
  BucketEncryption: encryption,
  LifecycleConfiguration: lifecycle,
  OwnershipControls: ownership,
  PublicAccessBlockConfiguration: access,
  VersioningConfiguration: versioning,
} = STATE_SETTINGS
const [{ ServerSideEncryptionByDefault: cipher }] = encryption.ServerSideEncryptionConfiguration
/** S3's own spelling of a rule of the template. */
const RULES: LifecycleRule[] = lifecycle.Rules.map((rule) => ({
  ID: rule.Id,
  Status: rule.Status,
  Filter: { Prefix: 'Prefix' in rule ? rule.Prefix : '' },
  ...('NoncurrentVersionExpiration' in rule && {
    NoncurrentVersionExpiration: rule.NoncurrentVersionExpiration,
  }),
  ...('ExpiredObjectDeleteMarker' in rule && {
    Expiration: { ExpiredObjectDeleteMarker: rule.ExpiredObjectDeleteMarker },
  }),
  ...('AbortIncompleteMultipartUpload' in rule && {
    AbortIncompleteMultipartUpload: rule.AbortIncompleteMultipartUpload,
  }),
  ...('ExpirationInDays' in rule && { Expiration: { Days: rule.ExpirationInDays } }),
}))

/** In this order, so that nothing is open while the rest is set. */
const SETTINGS: readonly Setting[] = [
  {
    what: 'public access',
    unset: 'NoSuchPublicAccessBlockConfiguration',
    wanted: access,
    read: async (s3, where) =>
      (await s3.send(new GetPublicAccessBlockCommand(where))).PublicAccessBlockConfiguration,
    write: (s3, where) =>
      s3.send(new PutPublicAccessBlockCommand({ ...where, PublicAccessBlockConfiguration: access })),
  },
  {
    what: 'who owns what is put there',
    unset: 'OwnershipControlsNotFoundError',
    wanted: ownership.Rules,
    read: async (s3, where) =>
      (await s3.send(new GetBucketOwnershipControlsCommand(where))).OwnershipControls?.Rules,
    write: (s3, where) =>
      s3.send(
        new PutBucketOwnershipControlsCommand({
          ...where,
          OwnershipControls: { Rules: [...ownership.Rules] },
        }),
      ),
  },
  {
    what: 'versions',
    unset: '',
    wanted: versioning.Status,
    read: async (s3, where) => (await s3.send(new GetBucketVersioningCommand(where))).Status,
    write: (s3, where) =>
      s3.send(new PutBucketVersioningCommand({ ...where, VersioningConfiguration: versioning })),
  },
  {
    what: 'encryption',
    unset: 'ServerSideEncryptionConfigurationNotFoundError',
    wanted: cipher.SSEAlgorithm,
    read: async (s3, where) =>
      (await s3.send(new GetBucketEncryptionCommand(where))).ServerSideEncryptionConfiguration?.Rules?.[0]
        ?.ApplyServerSideEncryptionByDefault?.SSEAlgorithm,
    write: (s3, where) =>
      s3.send(
        new PutBucketEncryptionCommand({
          ...where,
          ServerSideEncryptionConfiguration: { Rules: [{ ApplyServerSideEncryptionByDefault: cipher }] },
        }),
      ),
  },
  {
    what: 'what goes when',
    unset: 'NoSuchLifecycleConfiguration',
    wanted: comparable(RULES),
    read: async (s3, where) =>
      comparable((await s3.send(new GetBucketLifecycleConfigurationCommand(where))).Rules ?? []),
    write: (s3, where) =>
      s3.send(
        new PutBucketLifecycleConfigurationCommand({ ...where, LifecycleConfiguration: { Rules: RULES } }),
      ),
  },
]

/** S3 says in several ways that a rule is for all that lies there, and promises no order. */
function comparable(rules: readonly LifecycleRule[]): object[] {
  return rules
    .map(({ Filter: filter, Prefix: prefix, ...rule }) => ({
      ...rule,
      Filter: { ...filter, Prefix: filter?.Prefix ?? prefix ?? '' },
    }))
    .sort((a, b) => ((a.ID ?? '') < (b.ID ?? '') ? -1 : 1))
}

/**
 * What has to become otherwise before the bucket is the stack's. Changes nothing yet.
 * @throws StackFailure when it has a policy that is not ours; AwsProblem
 */
export async function unlikeOurs(aws: Aws, home: Home): Promise<Unlike[]> {
  const where = { Bucket: stateBucket(home), ExpectedBucketOwner: home.account }
  await refuseForeignPolicy(aws, home, where)
  const unlike: Unlike[] = []
  for (const { what, unset, wanted, read, write } of SETTINGS) {
    const is = await orNothing(read(aws.s3, where), unset)
    if (isSame(is, wanted)) continue
    unlike.push({
      line: `${what}: ${shown(is)} → ${shown(wanted)}`,
      mend: async () => {
        await write(aws.s3, where).catch((error: unknown) => explain(error, where.Bucket))
      },
    })
  }
  return unlike
}

/** A statement that lets somebody in, or keeps somebody out, has its reasons: a person has to judge them. */
async function refuseForeignPolicy(aws: Aws, home: Home, where: Where): Promise<void> {
  const found = await orNothing(aws.s3.send(new GetBucketPolicyCommand(where)), 'NoSuchBucketPolicy')
  if (found?.Policy === undefined || isSame(JSON.parse(found.Policy), statePolicy(home))) return
  throw new StackFailure(
    `Bucket ${where.Bucket} is there already, with a policy that is not the bootstrap’s. Nothing was changed.\n` +
      `  ${inLine(found.Policy)}`,
    {
      status: 'BucketPolicy',
      next:
        'if nobody needs it any more, take it off and run the same command again: ' +
        `aws s3api delete-bucket-policy --bucket ${where.Bucket} --expected-bucket-owner ${where.ExpectedBucketOwner}`,
    },
  )
}

/** @throws StackFailure for what stands in the way in the bucket itself; else the error */
function explain(error: unknown, bucket: string): never {
  if (!(error instanceof Error) || error.name !== 'InvalidBucketAclWithObjectOwnership') throw error
  throw new StackFailure(`Bucket ${bucket} has an access control list that lets others in.`, {
    status: error.name,
    reason: error.message,
    next:
      'take it off and run the same command again, which goes on from here: ' +
      `aws s3api put-bucket-acl --bucket ${bucket} --acl private`,
  })
}

async function orNothing<T>(answer: Promise<T>, unset: string): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof Error && error.name === unset) return undefined
    throw error
  }
}

const isSame = (a: unknown, b: unknown) => canonicalize(a) === canonicalize(b)
const shown = (value: unknown): string =>
  value === undefined ? 'nothing' : typeof value === 'string' ? value : JSON.stringify(value)
