// What CloudFormation may do when it changes a stage. It has two roles for that, each for all stages: one that people's
// deployments use, and one for a pipeline's, which touches nothing that holds data: a pipeline sends any template it likes.
// What AWS can't hold them to: EC2's networks, launch templates and RunInstances know no names beforehand, so these are
// held to the region only, and what servers start from to the tag; so are certificates to the region. CloudFormation's names for load balancers, target groups, secrets and
// keys don't begin with the stack's: they are made with the tag that makes them ours, and changed only with it. Secrets
// and keys can't tell a tag at the making from a later one: who may tag as ours could take another's. Dashboards are
// held to the account, policies of log groups to the region. DNS records are held to the kinds that a stack makes, and to the zones that the
// bootstrap was told, in any zone of the account where it was told none.
import type { Statement } from '../policy.ts'
import { STAGE_NAMES } from '../stages.ts'
import { HANDLERS } from './handlers.ts'
import { arnHere, boundaryArn, type Home, partitionOf, stageStack } from './names.ts'
import { held, OURS, REMOVALS, type Scope, TO_BE_OURS } from './rights.ts'
import type { Settings } from './settings.ts'

/** Kinds of resources that only the bootstrap makes. */
const ONLY_HERE: readonly string[] = [
  'AWS::Budgets::Budget',
  'AWS::IAM::ManagedPolicy',
  'AWS::IAM::OIDCProvider',
]

/** What the person who runs the bootstrap may narrow. */
export type Held = Home & Pick<Settings, 'hostedZones'>

/** A policy has 6,144 characters: there is one for each. */
export interface StageRights {
  /** Of what is not changed, a template may still name what only AWS knows. */
  readonly reading: Statement[]
  readonly networks: Statement[]
  readonly servers: Statement[]
  /** What could lose data for good, or give it to others: with it, a stage's role can do all that a stage needs. */
  readonly data: Statement[]
}
const READING: readonly string[] = [
  ...['Reading', 'BucketReading', 'DatabaseReading', 'LogReading', 'SearchReading'],
]
const NETWORKS: readonly string[] = [
  ...['Removals', 'Groups', 'Network'],
  ...['FlowLogs', 'Certificates', 'Subscriptions', 'Topics', 'Parameters'],
]
const DATA: readonly string[] = [
  ...['NewDatabases', 'DatabaseRemovals', 'Databases'],
  ...['SearchDomains', 'LogPolicies'],
  ...['Buckets', 'NewKeys', 'Keys', 'LogGroups', 'Passwords', 'NewSecrets', 'Secrets'],
]

export function stageRights(home: Held): StageRights {
  const statements = held(
    Object.entries(HANDLERS).flatMap(([type, actions]) => (ONLY_HERE.includes(type) ? [] : actions)),
    scopes(home),
  )
  const named = (sids: readonly string[]) => statements.filter(({ Sid = '' }) => sids.includes(Sid))
  const elsewhere = new Set([...READING, ...NETWORKS, ...DATA])
  return {
    reading: named(READING),
    networks: named(NETWORKS),
    data: named(DATA),
    servers: [...statements.filter(({ Sid = '' }) => !elsewhere.has(Sid)), ownDisks(home)],
  }
}

/** Any template may name any disk of the account: what another one's holds could be read on a server of one's own. */
const ownDisks = ({ region }: Home): Statement => ({
  Sid: 'OnlyOurDisks',
  Effect: 'Deny',
  Action: ['ec2:RunInstances'],
  // Their ARNs know no account.
  Resource: ['image', 'snapshot'].map((kind) => `arn:${partitionOf(region)}:ec2:${region}::${kind}/*`),
  Condition: { StringNotEquals: OURS.StringEquals ?? {} },
})

/** Types of resources that a pipeline can't make, change or remove: it lacks some of the calls that these take. */
export function closedToPipelines(home: Held): ReadonlySet<string> {
  const { reading, networks, servers } = stageRights(home)
  const may = new Set([...reading, ...networks, ...servers].flatMap(({ Action }) => [Action].flat()))
  return new Set(
    Object.entries(HANDLERS).flatMap(([type, actions]) =>
      actions.every((one) => may.has(one)) ? [] : [type],
    ),
  )
}

/** Something of every stage, whose name begins with the stage's stack. */
export const ofStages = (make: (name: string) => string): string[] =>
  STAGE_NAMES.map((stage) => make(`${stageStack(stage)}-*`))

export const stageRoles = (home: Home): string[] =>
  ofStages((name) => `arn:${partitionOf(home.region)}:iam::${home.account}:role/${name}`)

function scopes(home: Held): Scope[] {
  const partition = partitionOf(home.region)
  const here = (service: string, resource: string) => arnHere(home, service, resource)
  const inRegion = { StringEquals: { 'aws:RequestedRegion': home.region } }
  const databases = (...kinds: string[]) =>
    kinds.flatMap((kind) => ofStages((name) => here('rds', `${kind}:${name}`)))
  const zones = (home.hostedZones ?? ['*']).map((id) => `arn:${partition}:route53:::hostedzone/${id}`)
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
    {
      sid: 'BucketReading',
      of: ['s3:Get', 's3:List'],
      on: ofStages((name) => `arn:${partition}:s3:::${name}`),
      when: inRegion,
    },
    { sid: 'DatabaseReading', of: ['rds:List'], on: databases('db', 'pg', 'subgrp', 'es') },
    {
      sid: 'LogReading',
      of: ['logs:Get', 'logs:List'],
      on: ofStages((name) => here('logs', `log-group:${name}`)),
    },
    {
      sid: 'SearchReading',
      of: ['es:Describe', 'es:List'],
      on: ofStages((name) => here('es', `domain/${name}`)),
    },
    { sid: 'SearchDomains', of: ['es'], on: ofStages((name) => here('es', `domain/${name}`)) },
    // They know no resources: which services may write into which groups of this account.
    {
      sid: 'LogPolicies',
      of: ['logs:DeleteResourcePolicy', 'logs:PutResourcePolicy'],
      on: '*',
      when: inRegion,
    },
    // Names of buckets know no region, and another one may have stages of the same names.
    { sid: 'Buckets', of: ['s3'], on: ofStages((name) => `arn:${partition}:s3:::${name}`), when: inRegion },
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
    // Names say more than the tag: the stage's, and the account's.
    { sid: 'DatabaseRemovals', of: ['rds:DeleteDBInstance'], on: databases('db'), when: OURS },
    { sid: 'Removals', of: REMOVALS, on: '*', when: OURS },
    {
      sid: 'Reading',
      of: [
        'acm:Describe',
        'autoscaling:Describe',
        'cloudwatch:Describe',
        'ec2:Describe',
        'elasticloadbalancing:Describe',
        'logs:Describe',
        'rds:Describe',
        'ssm:Describe',
      ],
      on: '*',
      when: inRegion,
    },
    {
      // What a template does not name is the account's default.
      sid: 'NewDatabases',
      of: ['rds:CreateDBInstance', 'rds:CreateDBInstanceReadReplica', 'rds:ModifyDBInstance'],
      on: [
        ...databases('db', 'pg', 'subgrp'),
        ...['og:default:*', 'pg:default.*', 'subgrp:default'].map((one) => here('rds', one)),
      ],
    },
    { sid: 'Databases', of: ['rds'], on: databases('db', 'pg', 'subgrp', 'es', 'snapshot') },
    {
      sid: 'Groups',
      of: ['autoscaling'],
      on: ofStages((name) => here('autoscaling', `autoScalingGroup:*:autoScalingGroupName/${name}`)),
    },
    {
      sid: 'NewBalancing',
      of: ['elasticloadbalancing:CreateLoadBalancer', 'elasticloadbalancing:CreateTargetGroup'],
      on: here('elasticloadbalancing', '*'),
      when: TO_BE_OURS,
    },
    {
      // Of what is being made, or of what is ours: a tag on another's load balancer would make it ours.
      sid: 'BalancingTags',
      of: ['elasticloadbalancing:AddTags'],
      on: here('elasticloadbalancing', '*'),
      when: { ...TO_BE_OURS, Null: { 'elasticloadbalancing:CreateAction': 'false' } },
      or: OURS,
    },
    // A listener is made in a load balancer, which is ours already.
    {
      sid: 'Balancing',
      of: ['elasticloadbalancing'],
      on: here('elasticloadbalancing', '*'),
      when: OURS,
    },
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
    { sid: 'FlowLogs', of: ['logs:CreateLogDelivery', 'logs:DeleteLogDelivery'], on: '*', when: inRegion },
    {
      sid: 'LogGroups',
      of: ['logs'],
      on: ofStages((name) => here('logs', `log-group:${name}`)),
    },
    {
      sid: 'Parameters',
      of: ['ssm'],
      // Only what a stack makes: operators keep keys of their own beside it, which nobody could bring back.
      on: STAGE_NAMES.map((stage) => here('ssm', `parameter/terrace/${stage}/*/environment`)),
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
      sid: home.hostedZones === undefined ? 'RecordsInAnyZone' : 'Records',
      of: ['route53:ChangeResourceRecordSets'],
      on: zones,
      when: {
        'ForAllValues:StringEquals': {
          'route53:ChangeResourceRecordSetsRecordTypes': ['A', 'AAAA', 'CNAME'],
        },
      },
    },
    {
      sid: 'Zones',
      of: ['route53'],
      on: [...zones, `arn:${partition}:route53:::change/*`],
    },
    { sid: 'Network', of: ['ec2'], on: '*', when: inRegion },
  ]
}
