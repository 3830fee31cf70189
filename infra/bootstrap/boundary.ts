// The most that any server may ever do, whichever role a template gives it: what belongs to a stage of this account and
// region. What AWS can't hold it to: which stage, since one boundary is for
// all of them; that is for the roles to say (../identity.ts). AWS's own metrics and groups can't be named in a right to
// send or look up: the former are held to our namespace, the latter only read.
import { METRIC_NAMESPACE } from '../../contract/metrics.ts'
import { APPLICATION_ROLE } from '../database.ts'
import { document, type Statement } from '../policy.ts'
import { SEARCH_ACTIONS } from '../search.ts'
import { arnHere, type Home, partitionOf } from './names.ts'
import { held, OURS, type Scope } from './rights.ts'
import { ofStages } from './stage-rights.ts'

/** What the SSM agent takes to let somebody in by Session Manager. */
export const SESSION_ACTIONS = [
  'ssm:UpdateInstanceInformation',
  'ssmmessages:CreateControlChannel',
  'ssmmessages:CreateDataChannel',
  'ssmmessages:OpenControlChannel',
  'ssmmessages:OpenDataChannel',
] as const

/** What the programs on a stage's servers, and the agents beside them call. */
export const SERVER_ACTIONS = [
  'autoscaling:CompleteLifecycleAction',
  'autoscaling:DescribeAutoScalingInstances',
  'autoscaling:RecordLifecycleActionHeartbeat',
  'bedrock:InvokeModel',
  'bedrock:InvokeModelWithResponseStream',
  'cloudwatch:PutMetricData',
  ...SEARCH_ACTIONS,
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
  ...SESSION_ACTIONS,
] as const

/** In this region; a model's profile may choose another one. Buckets and secrets of this account alone. */
export function boundary(home: Home) {
  return document(
    ...held(SERVER_ACTIONS, scopes(home)),
    {
      Sid: 'NothingElsewhere',
      Effect: 'Deny',
      Action: ['s3:*', 'secretsmanager:*'],
      Resource: '*',
      // A bucket that begins as ours do may be anybody's: names of buckets are the world's.
      // "Is not" also holds where the owner is not known: only a known one counts.
      Condition: {
        StringNotEquals: { 'aws:ResourceAccount': home.account },
        Null: { 'aws:ResourceAccount': 'false' },
      },
    } satisfies Statement,
    {
      // Who may make a role says who may become it; only credentials that AWS hands to an instance have this key. Signing in
      // to the database is left out: no page of AWS's says that the key is known there.
      Sid: 'OnlyServers',
      Effect: 'Deny',
      Action: ['bedrock:*', 's3:*', 'secretsmanager:*', 'ssm:*'],
      Resource: '*',
      Condition: { Null: { 'aws:EC2InstanceSourceVPC': 'true' } },
    } satisfies Statement,
  )
}

function scopes(home: Home): Scope[] {
  const partition = partitionOf(home.region)
  const region = { 'aws:RequestedRegion': home.region }
  return [
    {
      sid: 'WhichGroup',
      of: ['autoscaling:DescribeAutoScalingInstances'],
      on: '*',
      when: { StringEquals: region },
    },
    {
      sid: 'OwnGroups',
      of: ['autoscaling'],
      on: ofStages((name) => arnHere(home, 'autoscaling', `autoScalingGroup:*:autoScalingGroupName/${name}`)),
    },
    {
      sid: 'Models',
      of: ['bedrock'],
      on: [
        `arn:${partition}:bedrock:*::foundation-model/*`,
        `arn:${partition}:bedrock:*:${home.account}:inference-profile/*`,
      ],
    },
    {
      sid: 'Metrics',
      of: ['cloudwatch'],
      on: '*',
      when: { StringEquals: { ...region, 'cloudwatch:namespace': METRIC_NAMESPACE } },
    },
    // A group's streams are below it.
    { sid: 'Logs', of: ['logs'], on: ofStages((name) => arnHere(home, 'logs', `log-group:${name}`)) },
    // The database's own id, which AWS makes up; which database, the role says.
    { sid: 'Databases', of: ['rds-db'], on: arnHere(home, 'rds-db', `dbuser:*/${APPLICATION_ROLE}`) },
    // What is in a bucket is below it.
    {
      sid: 'Buckets',
      of: ['s3'],
      on: ofStages((name) => `arn:${partition}:s3:::${name}`),
      when: { StringEquals: region },
    },
    // Their names begin with what they are for, not with the stage.
    { sid: 'Secrets', of: ['secretsmanager'], on: arnHere(home, 'secretsmanager', 'secret:*'), when: OURS },
    { sid: 'Sessions', of: [...SESSION_ACTIONS], on: '*', when: { StringEquals: region } },
    { sid: 'Search', of: ['es'], on: ofStages((name) => arnHere(home, 'es', `domain/${name}`)) },
    { sid: 'Settings', of: ['ssm'], on: arnHere(home, 'ssm', 'parameter/terrace/*') },
  ]
}
