// How far CloudFormation reaches when it changes a stage, and who may have it do so.
import type { Template } from '../cfn.ts'
import { list, property } from '../reading.ts'
import { change, type Draft } from '../rules/rule.ts'
import { changeSetsOf, type DeployingRole, roleArn, templatesOf } from './names.ts'
import { type Promised, roleStatement, statementsOf } from './promise.ts'
import { bucket, call, here, OF_US, type Reach, reaches, state, TAGGED, TAGGING } from './reach.ts'
import { SAMPLE_SETTINGS as SETTINGS } from './sample-settings.ts'

const deployment = (template: Template) => statementsOf(template, 'CloudFormationRole')
const db = (kind: string, name: string) => here('rds', `${kind}:${name}`)
const DOCUMENTS = 'terrace-prod-documents-1abc2def'
const group = here('autoscaling', 'autoScalingGroup:1:autoScalingGroupName/terrace-prod-ApiGroup-1')
const balancer = (kind: string) => here('elasticloadbalancing', `${kind}/app/Exter-1/2`)

/** What loses data for good, or gives it to others. */
const DATA = [
  call('rds:DeleteDBInstance', db('db', 'terrace-prod-database-1'), TAGGED),
  // With no days of backups there are none from that moment on.
  call('rds:ModifyDBInstance', db('db', 'terrace-prod-database-1'), TAGGED),
  call('rds:ModifyDBParameterGroup', db('pg', 'terrace-prod-databaseparameters-1'), TAGGED),
  call('s3:DeleteBucket', bucket(DOCUMENTS)),
  call('s3:DeleteBucketPolicy', bucket(DOCUMENTS)),
  call('s3:PutBucketPolicy', bucket(DOCUMENTS)),
  call('s3:PutBucketPublicAccessBlock', bucket(DOCUMENTS)),
  call('s3:PutBucketVersioning', bucket(DOCUMENTS)),
  // Everything can be told to expire.
  call('s3:PutLifecycleConfiguration', bucket(DOCUMENTS)),
  call('kms:PutKeyPolicy', here('kms', 'key/1'), TAGGED),
  call('kms:ScheduleKeyDeletion', here('kms', 'key/1'), TAGGED),
  ...['DeleteSecret', 'GetSecretValue', 'PutSecretValue', 'UpdateSecret'].map((name) =>
    call(`secretsmanager:${name}`, here('secretsmanager', 'secret:AuthSecret-1'), TAGGED),
  ),
  call('es:DeleteDomain', here('es', 'domain/terrace-prod-search'), TAGGED),
  // Whom its policy lets in reads what stands in documents.
  call('es:UpdateDomainConfig', here('es', 'domain/terrace-prod-search'), TAGGED),
  call('logs:PutResourcePolicy', '*'),
  call('logs:DeleteLogGroup', here('logs', 'log-group:terrace-prod-ApiLogs-1')),
]
const ofData = (draft: Draft) => list(property(draft.Resources.CloudFormationRole, 'ManagedPolicyArns'))

const DEPLOYMENTS: readonly Reach[] = [
  {
    holds: 'a deployment by people can do with data what a stage needs',
    of: deployment,
    may: DATA,
    mayNot: [
      // Versions of documents, and images, are nothing that a stack has.
      call('s3:DeleteObjectVersion', bucket(`${DOCUMENTS}/1`)),
      call('rds:DeleteDBSnapshot', db('snapshot', 'terrace-prod-1'), TAGGED),
      call('s3:PutLifecycleConfiguration', bucket('payroll')),
      call('es:DeleteDomain', here('es', 'domain/payroll'), TAGGED),
      call('es:UpdateDomainConfig', here('es', 'domain/payroll')),
      // What is in it is for servers only.
      call('es:ESHttpGet', here('es', 'domain/terrace-prod-search/_search')),
      call('logs:PutResourcePolicy', '*', { ...OF_US, 'aws:RequestedRegion': 'us-east-1' }),
      ...['s3:PutBucketPolicy', 's3:DeleteBucket', 's3:GetBucketPolicy'].map((action) =>
        call(action, bucket(DOCUMENTS), { ...OF_US, 'aws:RequestedRegion': 'us-east-1' }),
      ),
    ],
    breaks: {
      'buckets of another region': (draft) => {
        delete roleStatement(draft, 'Buckets', 'StagesDataPolicy').Condition
      },
      'buckets of another region, read': (draft) => {
        delete roleStatement(draft, 'BucketReading').Condition
      },
      'every domain': (draft) => {
        roleStatement(draft, 'SearchDomains', 'StagesDataPolicy').Resource = '*'
      },
      'log policies anywhere': (draft) => {
        delete roleStatement(draft, 'LogPolicies', 'StagesDataPolicy').Condition
      },
      'no data': (draft) =>
        change(draft, 'CloudFormationRole', 'ManagedPolicyArns', ofData(draft).slice(0, 3)),
      'every bucket': (draft) => {
        roleStatement(draft, 'Buckets', 'StagesDataPolicy').Resource = '*'
      },
    },
  },
  {
    holds: 'a deployment by a pipeline changes servers, and touches nothing that holds data',
    of: (template) => statementsOf(template, 'CloudFormationCiRole'),
    isThere: (template) => template.Resources.CloudFormationCiRole !== undefined,
    may: [
      // What it does not change it may still have to look at.
      call('s3:GetBucketVersioning', bucket(DOCUMENTS)),
      call('rds:ListTagsForResource', db('db', 'terrace-prod-database-1')),
      call('rds:DescribeDBInstances', db('db', 'terrace-prod-database-1')),
      call('logs:ListTagsForResource', here('logs', 'log-group:terrace-prod-ApiLogs-1')),
      call('autoscaling:UpdateAutoScalingGroup', group),
      call('autoscaling:StartInstanceRefresh', group),
      call('ec2:CreateLaunchTemplateVersion', here('ec2', 'launch-template/lt-1')),
      call('elasticloadbalancing:ModifyListener', `${balancer('listener')}/3`, TAGGED),
      call('cloudwatch:PutMetricAlarm', here('cloudwatch', 'alarm:terrace-prod-1')),
      call('ssm:PutParameter', here('ssm', 'parameter/terrace/prod/api/environment')),
    ],
    mayNot: [
      ...DATA,
      // An operator's own, which nobody can get back.
      ...['DeleteParameter', 'GetParameters', 'PutParameter'].map((name) =>
        call(`ssm:${name}`, here('ssm', 'parameter/terrace/prod/api/OPENAI_KEY')),
      ),
    ],
    breaks: {
      'as people’s': (draft) => change(draft, 'CloudFormationCiRole', 'ManagedPolicyArns', ofData(draft)),
      'nothing to read': (draft) =>
        change(draft, 'CloudFormationCiRole', 'ManagedPolicyArns', ofData(draft).slice(1, 3)),
      'no servers': (draft) => change(draft, 'CloudFormationCiRole', 'ManagedPolicyArns', []),
      'settings of operators': (draft) => {
        roleStatement(draft, 'Parameters').Resource = here('ssm', 'parameter/terrace/prod/*')
      },
      'removes databases': (draft) => {
        const statement = roleStatement(draft, 'Reading')
        statement.Action = [...list(statement.Action), 'rds:DeleteDBInstance']
      },
    },
  },
  {
    holds: 'a deployment changes the databases of stages, and removes those with the tag',
    of: deployment,
    may: [
      call('rds:CreateDBInstance', db('db', 'terrace-prod-database-1'), TAGGING),
      call('rds:CreateDBInstance', db('pg', 'terrace-prod-databaseparameters-1'), TAGGING),
      call('rds:CreateDBInstance', db('subgrp', 'terrace-prod-databasesubnets-1'), TAGGING),
      call('rds:CreateDBInstance', db('og', 'default:postgres-18'), TAGGING),
      call('rds:CreateDBInstanceReadReplica', db('subgrp', 'default'), TAGGING),
      call('rds:CreateDBSnapshot', db('snapshot', 'terrace-prod-snapshot-database-1')),
      call('rds:ModifyEventSubscription', db('es', 'terrace-prod-databaseevents-1')),
      call('rds:DeleteDBInstance', db('db', 'terrace-prod-database-1'), TAGGED),
      call('rds:DescribeDBInstances', db('db', 'payroll')),
    ],
    mayNot: [
      call('rds:CreateDBInstance', db('db', 'payroll'), TAGGING),
      call('rds:ModifyDBInstance', db('db', 'payroll')),
      call('rds:ModifyDBInstance', db('db', 'payroll'), TAGGED),
      call('rds:CreateDBSnapshot', db('snapshot', 'payroll')),
      call('rds:DeleteDBInstance', db('db', 'payroll'), TAGGED),
      call('rds:DeleteDBInstance', db('db', 'terrace-prod-database-1')),
      call('rds:ModifyDBParameterGroup', db('pg', 'payroll')),
      call('rds:ModifyDBSubnetGroup', db('subgrp', 'default')),
      call('rds:DeleteEventSubscription', db('es', 'payroll')),
    ],
    breaks: {
      'every database': (draft) => {
        roleStatement(draft, 'Databases', 'StagesDataPolicy').Resource = here('rds', '*')
      },
      'every database anew': (draft) => {
        roleStatement(draft, 'NewDatabases').Resource = here('rds', '*')
      },
      'removes by the tag alone': (draft) => {
        roleStatement(draft, 'DatabaseRemovals').Resource = '*'
      },
      'removes by the name alone': (draft) => {
        delete roleStatement(draft, 'DatabaseRemovals').Condition
      },
      'defaults are the account’s': (draft) => {
        const statement = roleStatement(draft, 'Databases', 'StagesDataPolicy')
        statement.Resource = [...list(statement.Resource), db('subgrp', 'default')]
      },
      'no defaults': (draft) => {
        const statement = roleStatement(draft, 'NewDatabases')
        statement.Resource = list(statement.Resource).filter((one) => !String(one).includes(':og:'))
      },
    },
  },
  {
    holds: 'a deployment makes load balancers with the tag, and changes only those that have it',
    of: deployment,
    may: [
      call('elasticloadbalancing:CreateLoadBalancer', balancer('loadbalancer'), TAGGING),
      call(
        'elasticloadbalancing:CreateTargetGroup',
        here('elasticloadbalancing', 'targetgroup/A-1/2'),
        TAGGING,
      ),
      call('elasticloadbalancing:AddTags', balancer('loadbalancer'), {
        ...TAGGING,
        'elasticloadbalancing:CreateAction': 'CreateLoadBalancer',
      }),
      call('elasticloadbalancing:AddTags', balancer('listener'), TAGGED),
      call('elasticloadbalancing:CreateListener', balancer('loadbalancer'), { ...TAGGED, ...TAGGING }),
      call('elasticloadbalancing:ModifyListener', `${balancer('listener')}/3`, TAGGED),
      call('elasticloadbalancing:DeleteLoadBalancer', balancer('loadbalancer'), TAGGED),
      call('elasticloadbalancing:DescribeTags', '*'),
    ],
    mayNot: [
      call('elasticloadbalancing:CreateLoadBalancer', balancer('loadbalancer')),
      call('elasticloadbalancing:CreateListener', balancer('loadbalancer'), TAGGING),
      call('elasticloadbalancing:ModifyListener', `${balancer('listener')}/3`),
      call('elasticloadbalancing:DeleteListener', `${balancer('listener')}/3`),
      call('elasticloadbalancing:SetSecurityGroups', balancer('loadbalancer')),
      call('elasticloadbalancing:DeleteTargetGroup', here('elasticloadbalancing', 'targetgroup/A-1/2')),
      // Else another's would be ours from then on.
      call('elasticloadbalancing:AddTags', balancer('loadbalancer'), TAGGING),
    ],
    breaks: {
      'any that is made': (draft) => {
        delete roleStatement(draft, 'NewBalancing').Condition
      },
      'any that is changed': (draft) => {
        delete roleStatement(draft, 'Balancing').Condition
      },
      'tags on anybody’s': (draft) => {
        roleStatement(draft, 'BalancingTags').Condition = {
          StringEquals: { 'aws:RequestTag/service': 'terrace' },
        }
      },
      'tags only when made': (draft) => {
        roleStatement(draft, 'BalancingTagsToo').Resource = here('elasticloadbalancing', 'targetgroup/*')
      },
    },
  },
]

const stack = here('cloudformation', 'stack/terrace-prod/1')
const planned = (role: DeployingRole) => `${changeSetsOf(role)}0123456789ab-1`
/** What it takes to plan and carry out with a role's rights. */
const plansAs = (role: DeployingRole) => [
  call('cloudformation:CreateChangeSet', stack, {
    ...OF_US,
    'cloudformation:RoleArn': roleArn(role, SETTINGS),
    'cloudformation:ChangeSetName': planned(role),
  }),
  ...['DeleteChangeSet', 'ExecuteChangeSet'].flatMap((name) =>
    [planned(role), here('cloudformation', `changeSet/${planned(role)}/2`)].map((named) =>
      call(`cloudformation:${name}`, stack, { ...OF_US, 'cloudformation:ChangeSetName': named }),
    ),
  ),
  call('iam:PassRole', roleArn(role, SETTINGS), {
    ...OF_US,
    'iam:PassedToService': 'cloudformation.amazonaws.com',
  }),
  call('s3:PutObject', state(`stages/prod/${templatesOf(role)}/1.json`)),
]
const JOURNAL = call('s3:PutObject', state('stages/prod/destroy.json'))
const RELEASE = [
  call('cloudformation:SetStackPolicy', stack),
  call('rds:CreateDBSnapshot', db('snapshot', 'terrace-prod-1')),
  call('s3:PutObject', state('stages/prod/images/live.json')),
  call('s3:DeleteObject', state('stages/prod/lock.json')),
  call('s3:DeleteObject', state('image-sets/1.json')),
  call('s3:PutObject', state('bakes/1/ledger.json')),
  call('s3:GetObject', state('stages/prod/destroy.json')),
  call('ec2:RunInstances', here('ec2', 'instance/*'), TAGGING),
]
const TAKE_DOWN = [
  call('cloudformation:DeleteStack', stack),
  call('cloudformation:UpdateTerminationProtection', stack),
  call('cloudformation:ContinueUpdateRollback', stack),
  call('autoscaling:UpdateAutoScalingGroup', group),
  JOURNAL,
  // By `serverless deploy`.
  call('s3:PutObject', state('serverless/terrace/dev/1-2026-11-28/compiled.json')),
]
const NOBODY = [
  call('cloudformation:SetStackPolicy', here('cloudformation', 'stack/terrace-bootstrap/1')),
  call('cloudformation:DeleteStack', here('cloudformation', 'stack/terrace-bootstrap/1')),
  call('cloudformation:CreateChangeSet', stack),
  call('s3:PutObject', state('elsewhere.json')),
  call('rds:DeleteDBSnapshot', db('snapshot', 'terrace-prod-1')),
  call('s3:DeleteObjectVersion', state('stages/prod/images/live.json')),
]
const policies = (draft: Draft, role: string) => list(property(draft.Resources[role], 'ManagedPolicyArns'))

const RELEASES: readonly Reach[] = [
  {
    holds: 'people release, and take stages down',
    of: (template) => statementsOf(template, 'DeployRole'),
    may: [...RELEASE, ...TAKE_DOWN, ...plansAs('cloudformation')],
    mayNot: NOBODY,
    breaks: {
      'not down': (draft) =>
        change(draft, 'DeployRole', 'ManagedPolicyArns', policies(draft, 'DeployRole').slice(0, 2)),
      'the bootstrap too': (draft) => {
        roleStatement(draft, 'EndOfStacks').Resource = '*'
      },
    },
  },
  {
    holds: 'a pipeline releases, and takes nothing down',
    of: (template) => statementsOf(template, 'CiRole'),
    // A bootstrap without a pipeline has none.
    isThere: (template) => template.Resources.CiRole !== undefined,
    may: [...RELEASE, ...plansAs('cloudformation-ci')],
    mayNot: [...TAKE_DOWN, ...NOBODY, ...plansAs('cloudformation')],
    breaks: {
      'plans as people do': (draft) => {
        roleStatement(draft, 'Plans', 'PipelinePolicy').Condition = {
          StringEquals: { 'cloudformation:RoleArn': roleArn('cloudformation', SETTINGS) },
        }
      },
      'carries out what people have planned': (draft) => {
        delete roleStatement(draft, 'ChangeSets', 'PipelinePolicy').Condition
      },
      'plans by names of people’s': (draft) => {
        roleStatement(draft, 'ChangeSets', 'PipelinePolicy').Condition = roleStatement(
          draft,
          'ChangeSets',
          'PeoplePolicy',
        ).Condition
      },
      'writes what people’s plans are read from': (draft) => {
        roleStatement(draft, 'PlansRead', 'PipelinePolicy').Resource = state('stages/*/templates*')
      },
      'plans as the stack was changed last': (draft) => {
        delete roleStatement(draft, 'Plans', 'PipelinePolicy').Condition
      },
      'lets CloudFormation work as for people': (draft) => {
        roleStatement(draft, 'LetCloudFormationWork', 'PipelinePolicy').Resource = '*'
      },
      'all of the state': (draft) => {
        roleStatement(draft, 'StateWritten').Resource = state('*')
      },
      'what people may': (draft) =>
        change(draft, 'CiRole', 'ManagedPolicyArns', policies(draft, 'DeployRole')),
      'no release': (draft) => change(draft, 'CiRole', 'ManagedPolicyArns', []),
      'ends stacks': (draft) => {
        const statement = roleStatement(draft, 'Stacks')
        statement.Action = [...list(statement.Action), 'cloudformation:DeleteStack']
      },
    },
  },
]

export const DEPLOYMENT_PROMISES: readonly Promised[] = [...DEPLOYMENTS, ...RELEASES].map(reaches)
