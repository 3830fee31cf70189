// What CloudFormation may do when it changes a stage: the rights of the one role that the deployments of all stages use.
// What AWS can't hold them to: EC2's networks, launch templates and RunInstances know no names beforehand, so these are
// held to the region only; so are the databases' parameters and load balancers (their generated names don't begin with
// the stack's). DNS records are held to the kinds that a stack makes, in any zone of the account.
import type { Statement } from '../policy.ts'
import { STAGE_NAMES } from '../stages.ts'
import { HANDLERS } from './handlers.ts'
import { arnHere, boundaryArn, type Home, partitionOf, stageStack } from './names.ts'
import { held, OURS, REMOVALS, type Scope, TO_BE_OURS } from './rights.ts'

/** Kinds of resources that only the bootstrap makes. */
const ONLY_HERE: readonly string[] = [
  'AWS::Budgets::Budget',
  'AWS::IAM::ManagedPolicy',
  'AWS::IAM::OIDCProvider',
]

/** In two parts: a policy inside a role has 10,240 characters, one beside it 6,144. */
export function stageRights(home: Home): { readonly beside: Statement[]; readonly inside: Statement[] } {
  const statements = held(
    Object.entries(HANDLERS).flatMap(([type, actions]) => (ONLY_HERE.includes(type) ? [] : actions)),
    scopes(home),
  )
  const isBeside = ({ Sid }: Statement) => BESIDE.includes(Sid ?? '')
  return {
    beside: statements.filter(isBeside),
    inside: statements.filter((statement) => !isBeside(statement)),
  }
}
const BESIDE: readonly string[] = ['Removals', 'Reading', 'Databases', 'Groups', 'Balancing', 'Network']

/** Something of every stage, whose name begins with the stage's stack. */
export const ofStages = (make: (name: string) => string): string[] =>
  STAGE_NAMES.map((stage) => make(`${stageStack(stage)}-*`))

export const stageRoles = (home: Home): string[] =>
  ofStages((name) => `arn:${partitionOf(home.region)}:iam::${home.account}:role/${name}`)

function scopes(home: Home): Scope[] {
  const partition = partitionOf(home.region)
  const here = (service: string, resource: string) => arnHere(home, service, resource)
  const inRegion = { StringEquals: { 'aws:RequestedRegion': home.region } }
  const iam = (kind: string) => ofStages((name) => `arn:${partition}:iam::${home.account}:${kind}/${name}`)
  return [
    {
      sid: 'GiveRolesToServers',
      of: ['iam:PassRole'],
      on: stageRoles(home),
      when: { StringEquals: { 'iam:PassedToService': 'ec2.amazonaws.com' } },
    },
    {
      // A role that it makes can do no more than the boundary, and nothing here takes a boundary away.
      sid: 'RolesWithinTheBoundary',
      of: [
        'iam:AttachRolePolicy',
        'iam:CreateRole',
        'iam:DeleteRolePolicy',
        'iam:DetachRolePolicy',
        'iam:PutRolePermissionsBoundary',
        'iam:PutRolePolicy',
      ],
      on: stageRoles(home),
      when: { StringEquals: { 'iam:PermissionsBoundary': boundaryArn(home) } },
    },
    { sid: 'Roles', of: ['iam'], on: [...stageRoles(home), ...iam('instance-profile')] },
    { sid: 'Buckets', of: ['s3'], on: ofStages((name) => `arn:${partition}:s3:::${name}`) },
    { sid: 'NewKeys', of: ['kms:CreateKey', 'kms:TagResource'], on: '*', when: TO_BE_OURS },
    {
      sid: 'KeysJustMade',
      // A tag may take minutes to count for KMS: what a creation asks at once can't wait for it.
      of: [
        'kms:Describe',
        'kms:EnableKeyRotation',
        'kms:GetKeyPolicy',
        'kms:GetKeyRotationStatus',
        'kms:List',
      ],
      on: here('kms', 'key/*'),
    },
    { sid: 'Keys', of: ['kms'], on: here('kms', 'key/*'), when: OURS },
    { sid: 'Passwords', of: ['secretsmanager:GetRandomPassword'], on: '*' },
    {
      sid: 'NewSecrets',
      of: ['secretsmanager:CreateSecret', 'secretsmanager:TagResource'],
      on: here('secretsmanager', 'secret:*'),
      when: TO_BE_OURS,
    },
    { sid: 'Secrets', of: ['secretsmanager'], on: here('secretsmanager', 'secret:*'), when: OURS },
    { sid: 'Removals', of: REMOVALS, on: '*', when: OURS },
    {
      sid: 'Reading',
      of: [
        'acm:Describe',
        'autoscaling:Describe',
        'cloudwatch:Describe',
        'cloudwatch:GetMetricData',
        'ec2:Describe',
        'elasticloadbalancing:Describe',
        'logs:Describe',
        'rds:Describe',
        'ssm:Describe',
      ],
      on: '*',
      when: inRegion,
    },
    { sid: 'Databases', of: ['rds'], on: here('rds', '*') },
    {
      sid: 'Groups',
      of: ['autoscaling'],
      on: ofStages((name) => here('autoscaling', `autoScalingGroup:*:autoScalingGroupName/${name}`)),
    },
    { sid: 'Balancing', of: ['elasticloadbalancing'], on: here('elasticloadbalancing', '*') },
    {
      sid: 'Dashboards',
      of: ['cloudwatch:DeleteDashboards', 'cloudwatch:GetDashboard', 'cloudwatch:PutDashboard'],
      on: `arn:${partition}:cloudwatch::${home.account}:dashboard/*`,
    },
    {
      sid: 'Alarms',
      of: ['cloudwatch'],
      on: [
        ...ofStages((name) => here('cloudwatch', `alarm:${name}`)),
        `arn:${partition}:cloudwatch::${home.account}:dashboard/*`,
      ],
    },
    { sid: 'Objectives', of: ['application-signals'], on: here('application-signals', 'slo/*') },
    { sid: 'FlowLogs', of: ['logs:CreateLogDelivery', 'logs:DeleteLogDelivery'], on: '*', when: inRegion },
    {
      sid: 'LogGroups',
      of: ['logs'],
      on: ofStages((name) => here('logs', `log-group:${name}`)),
    },
    {
      sid: 'Parameters',
      of: ['ssm'],
      on: STAGE_NAMES.map((stage) => here('ssm', `parameter/terrace/${stage}/*`)),
    },
    {
      sid: 'Subscriptions',
      of: ['sns:GetSubscriptionAttributes', 'sns:SetSubscriptionAttributes', 'sns:Unsubscribe'],
      on: '*',
      when: inRegion,
    },
    { sid: 'Topics', of: ['sns'], on: ofStages((name) => here('sns', name)) },
    { sid: 'Certificates', of: ['acm'], on: '*', when: inRegion },
    {
      sid: 'Records',
      of: ['route53:ChangeResourceRecordSets'],
      on: `arn:${partition}:route53:::hostedzone/*`,
      when: {
        'ForAllValues:StringEquals': {
          'route53:ChangeResourceRecordSetsRecordTypes': ['A', 'AAAA', 'CNAME'],
        },
      },
    },
    {
      sid: 'Zones',
      of: ['route53'],
      on: [`arn:${partition}:route53:::hostedzone/*`, `arn:${partition}:route53:::change/*`],
    },
    { sid: 'Network', of: ['ec2'], on: '*', when: inRegion },
  ]
}
