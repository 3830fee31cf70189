// Buckets: one with what people entrusted to the stage, one with logs.
import { type Resource, type Stack, sub } from './cfn.ts'
import { allowService, document } from './policy.ts'
import { encryptedOnTheWay, KEPT, PRIVATE } from './private-bucket.ts'
import type { Stage } from './stage-schema.ts'

type Bucket = Resource<'AWS::S3::Bucket'>
export interface LogBucket {
  readonly bucket: Bucket
  /** Has to be there before anything is told to write logs. */
  readonly policy: Resource<'AWS::S3::BucketPolicy'>
}

/** Part of the documents' bucket that the application uses. */
export const PREFIX = 'terrace'
/** Days that old versions outlive the database's backups: time to notice, and to decide to what moment to go back. */
const EXTRA_DAYS = 7

/** Access logs of load balancers (`alb/`) and of the documents' bucket (`s3/`), and the network's flow logs (`flow/`). */
export function logBucket(stack: Stack, stage: Stage): LogBucket {
  const bucket = stack.add(
    'Logs',
    'AWS::S3::Bucket',
    {
      ...PRIVATE,
      LifecycleConfiguration: {
        Rules: [
          {
            Id: 'Logs',
            Status: 'Enabled',
            ExpirationInDays: stage.logDays,
            AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 },
          },
        ],
      },
    },
    // A bucket that holds anything can't be deleted anyhow: the stack's end would hang on it.
    KEPT,
  )
  const arn = bucket.att('Arn')
  const below = (folder: string) =>
    sub('${arn}/${folder}/AWSLogs/${account}/*', { arn, folder, account: stage.account })
  const ofThisAccount = { 'aws:SourceAccount': stage.account }
  const policy = stack.add(
    'LogsPolicy',
    'AWS::S3::BucketPolicy',
    {
      Bucket: bucket.ref,
      PolicyDocument: document(
        encryptedOnTheWay(arn),
        allowService('logdelivery.elasticloadbalancing.amazonaws.com', ['s3:PutObject'], below('alb'), {
          ArnLike: {
            'aws:SourceArn': sub(
              'arn:${AWS::Partition}:elasticloadbalancing:${AWS::Region}:${account}:loadbalancer/*',
              {
                account: stage.account,
              },
            ),
          },
        }),
        allowService('delivery.logs.amazonaws.com', ['s3:PutObject'], below('flow'), {
          StringEquals: { ...ofThisAccount, 's3:x-amz-acl': 'bucket-owner-full-control' },
        }),
        allowService('delivery.logs.amazonaws.com', ['s3:GetBucketAcl', 's3:ListBucket'], arn, {
          StringEquals: ofThisAccount,
        }),
        allowService('logging.s3.amazonaws.com', ['s3:PutObject'], sub('${arn}/s3/*', { arn }), {
          StringEquals: ofThisAccount,
        }),
      ),
    },
    KEPT,
  )
  return { bucket, policy }
}

/** Originals of documents and snapshots of the index. */
export function documentBucket(stack: Stack, stage: Stage, logs: LogBucket): Bucket {
  const bucket = stack.add(
    'Documents',
    'AWS::S3::Bucket',
    {
      ...PRIVATE,
      VersioningConfiguration: { Status: 'Enabled' },
      LoggingConfiguration: { DestinationBucketName: logs.bucket.ref, LogFilePrefix: 's3/' },
      LifecycleConfiguration: {
        Rules: [
          {
            Id: 'OldVersions',
            Status: 'Enabled',
            // The database can be restored to any second of its backups: what its rows name has to be there too.
            NoncurrentVersionExpiration: { NoncurrentDays: stage.database.backupDays + EXTRA_DAYS },
            ExpiredObjectDeleteMarker: true,
          },
          {
            Id: 'Uploads',
            Status: 'Enabled',
            AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 },
          },
        ],
      },
    },
    { ...KEPT, DependsOn: [logs.policy] },
  )
  stack.add(
    'DocumentsPolicy',
    'AWS::S3::BucketPolicy',
    { Bucket: bucket.ref, PolicyDocument: document(encryptedOnTheWay(bucket.att('Arn'))) },
    KEPT,
  )
  return bucket
}
