// The most that any server may ever do, whichever role a template gives it.
import { allow, document } from '../policy.ts'
import { arnHere, type Home } from './names.ts'

/** What the programs on a stage's servers, on a builder, and the agents beside them call. */
export const SERVER_ACTIONS = [
  'autoscaling:CompleteLifecycleAction',
  'autoscaling:DescribeAutoScalingInstances',
  'autoscaling:RecordLifecycleActionHeartbeat',
  'bedrock:InvokeModel',
  'bedrock:InvokeModelWithResponseStream',
  'cloudwatch:PutMetricData',
  'logs:CreateLogStream',
  'logs:DescribeLogStreams',
  'logs:PutLogEvents',
  'rds-db:connect',
  's3:AbortMultipartUpload',
  's3:DeleteObject',
  's3:GetObject',
  's3:ListBucket',
  's3:ListBucketMultipartUploads',
  's3:PutObject',
  'secretsmanager:GetSecretValue',
  'ssm:GetParametersByPath',
] as const

/** In this region; a model's profile may choose another one. Buckets and secrets of this account alone. */
export const boundary = (home: Home) => {
  const of = (service: string) => SERVER_ACTIONS.filter((action) => action.startsWith(`${service}:`))
  const held: readonly string[] = [...of('bedrock'), ...of('rds-db')]
  return document(
    allow(
      SERVER_ACTIONS.filter((action) => !held.includes(action)),
      '*',
      { StringEquals: { 'aws:RequestedRegion': home.region } },
    ),
    allow(of('bedrock'), '*'),
    // No call of AWS's, so that nobody says for which region it is: the database's own name does.
    allow(of('rds-db'), arnHere(home, 'rds-db', 'dbuser:*/*')),
    {
      Effect: 'Deny',
      Action: ['s3:*', 'secretsmanager:*'],
      Resource: '*',
      // "Is not" also holds where the owner is not known: only a known one counts.
      Condition: {
        StringNotEquals: { 'aws:ResourceAccount': home.account },
        Null: { 'aws:ResourceAccount': 'false' },
      },
    },
  )
}
