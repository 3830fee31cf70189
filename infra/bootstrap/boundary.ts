// The most that any server may ever do, whichever role a template gives it.
import { allow, document } from '../policy.ts'
import type { Home } from './names.ts'

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

/** In this account alone; a model's profile may choose any region, everything else is the home's. */
export const boundary = ({ account, region }: Home) => {
  const models = SERVER_ACTIONS.filter((action) => action.startsWith('bedrock:'))
  return document(
    allow(
      SERVER_ACTIONS.filter((action) => !models.includes(action)),
      '*',
      { StringEquals: { 'aws:RequestedRegion': region } },
    ),
    allow(models, '*'),
    {
      Effect: 'Deny',
      Action: ['s3:*', 'secretsmanager:*'],
      Resource: '*',
      Condition: { StringNotEquals: { 'aws:ResourceAccount': account } },
    },
  )
}
