// What people and pipelines may do: bake images, and take stages from one release to the next. Resources of a stage are
// changed by CloudFormation with the rights of stage-rights.ts, never with these. Only people take a stage down, or put
// right by hand what is stuck.
// A pipeline may have been taken over: what it may not do is what can't be made good. CloudFormation touches nothing that
// holds data when it works for one (stage-rights.ts), whatever template it is sent.
// What AWS can't hold them to: snapshots and images are AWS's to name, so those that are being made are held to the tag.
// What may write into a stage's stack decides what its servers are. A right to switch termination protection on is one to
// switch it off (AWS has no condition for the value), and a right to open a stack's policy for a plan is one to open it.
// Not known without an account: AWS's reference names no further right for StartSnapshot with tags. Should it ask for
// ec2:CreateTags, and without ec2:CreateAction, a bake by upload is refused rather than let too far.
import { type Resource, sub, type Token } from '../cfn.ts'
import { allow, type Conditions, document, type Statement } from '../policy.ts'
import { STAGE_NAMES } from '../stages.ts'
import {
  arnHere,
  BOOTSTRAP_STACK,
  changeSetsOf,
  DEBIAN_OWNER,
  type DeployingRole,
  type Home,
  partitionOf,
  roleArn,
  stageStack,
  stateArn,
  templatesOf,
} from './names.ts'
import { OURS, TO_BE_OURS } from './rights.ts'
import { ofStages, stageRoles } from './stage-rights.ts'

/** What both write there. A pipeline has no business with the journals of taking stages down. */
const WRITTEN = ['bakes/*', 'image-*/*', 'stages/*/images/*', 'stages/*/lock*.json']

/** Plans of stages with the rights of one role, and never with one's own. */
function plans(home: Home, role: DeployingRole): Statement[] {
  const byRole: Conditions = { StringEquals: { 'cloudformation:RoleArn': roleArn(role, home) } }
  const begin = changeSetsOf(role)
  // Who carries out another's change set does it with the other's role. They are named by their ARN, too.
  const byName: Conditions = {
    StringLike: {
      'cloudformation:ChangeSetName': [`${begin}*`, arnHere(home, 'cloudformation', `changeSet/${begin}*`)],
    },
  }
  const carryOut = allow(
    ['cloudformation:DeleteChangeSet', 'cloudformation:ExecuteChangeSet'],
    stacksOf(home),
    byName,
  )
  return [
    // A stack remembers the role that it was changed with last: one that is not named would be that.
    {
      Sid: 'Plans',
      ...allow(['cloudformation:CreateChangeSet'], stacksOf(home), { ...byRole, ...byName }),
    },
    { Sid: 'ChangeSets', ...carryOut },
    // CloudFormation reads a template with the caller's rights: what a person's plan is read from, only people write.
    {
      Sid: 'PlansRead',
      ...allow(['s3:DeleteObject', 's3:PutObject'], stateArn(home, `stages/*/${templatesOf(role)}/*`)),
    },
    {
      Sid: 'LetCloudFormationWork',
      ...allow(['iam:PassRole'], roleArn(role, home), {
        StringEquals: { 'iam:PassedToService': 'cloudformation.amazonaws.com' },
      }),
    },
  ]
}

/** Pipelines only: with a role that touches nothing that holds data. */
export const pipelinePolicy = (home: Home) => document(...plans(home, 'cloudformation-ci'))

/** People and pipelines: change sets, snapshots of the database, what servers say. */
export function releasePolicy(home: Home) {
  const stacks = stacksOf(home)
  const named = (statement: Statement, Sid: string): Statement => ({ Sid, ...statement })
  return document(
    named(
      allow(
        [
          'DescribeChangeSet',
          'DescribeStackEvents',
          'DescribeStackResource',
          'DescribeStackResources',
          'DescribeStacks',
          'GetStackPolicy',
          'GetTemplate',
          'ListChangeSets',
          'ListStackResources',
          'SetStackPolicy',
        ].map((name) => `cloudformation:${name}`),
        stacks,
      ),
      'Stacks',
    ),
    named(
      allow(
        ['cloudformation:DescribeStacks', 'cloudformation:GetTemplate'],
        arnHere(home, 'cloudformation', `stack/${BOOTSTRAP_STACK}/*`),
      ),
      'WhatTheBootstrapMade',
    ),
    named(allow(['cloudformation:ValidateTemplate'], '*'), 'Templates'),
    named(allow(['s3:GetObject', 's3:GetObjectVersion'], stateArn(home, '*')), 'State'),
    named(
      allow(
        ['s3:DeleteObject', 's3:PutObject'],
        WRITTEN.map((keys) => stateArn(home, keys)),
      ),
      'StateWritten',
    ),
    named(
      allow(['s3:GetBucketLocation', 's3:ListBucket', 's3:ListBucketVersions'], stateArn(home)),
      'StateList',
    ),
    named(
      allow(
        [
          'autoscaling:DescribeAutoScalingGroups',
          'autoscaling:DescribeInstanceRefreshes',
          'autoscaling:DescribeScalingActivities',
          'cloudwatch:DescribeAlarms',
          'ec2:DescribeImages',
          'elasticloadbalancing:DescribeTargetHealth',
          'rds:DescribeDBInstances',
          'rds:DescribeDBSnapshots',
        ],
        '*',
        { StringEquals: { 'aws:RequestedRegion': home.region } },
      ),
      'Watching',
    ),
    named(
      allow(
        ['rds:AddTagsToResource', 'rds:CreateDBSnapshot'],
        ['db', 'snapshot'].flatMap((kind) => ofStages((name) => arnHere(home, 'rds', `${kind}:${name}`))),
      ),
      'Snapshots',
    ),
    named(
      allow(
        ['logs:FilterLogEvents', 'logs:GetLogEvents'],
        ofStages((name) => arnHere(home, 'logs', `log-group:${name}`)),
      ),
      'WhatServersSay',
    ),
  )
}

/**
 * People only: plans of all that a stage has, what ends a stage, what lets it be ended, and what a stack needs that is
 * stuck. A pipeline that finds termination protection switched on has no need of it.
 */
export function peoplePolicy(home: Home) {
  // `serverless deploy` puts its templates there.
  const written = ['stages/*/destroy.json', 'serverless/*'].map((keys) => stateArn(home, keys))
  return document(
    ...plans(home, 'cloudformation'),
    { Sid: 'StateOfPeople', ...allow(['s3:DeleteObject', 's3:PutObject'], written) },
    {
      Sid: 'EndOfStacks',
      ...allow(
        ['CancelUpdateStack', 'ContinueUpdateRollback', 'DeleteStack', 'UpdateTerminationProtection'].map(
          (name) => `cloudformation:${name}`,
        ),
        stacksOf(home),
      ),
    },
    {
      Sid: 'Drains',
      ...allow(
        ['autoscaling:UpdateAutoScalingGroup'],
        ofStages((name) => arnHere(home, 'autoscaling', `autoScalingGroup:*:autoScalingGroupName/${name}`)),
      ),
    },
  )
}
const stacksOf = (home: Home): string[] =>
  STAGE_NAMES.map((stage) => arnHere(home, 'cloudformation', `stack/${stageStack(stage)}/*`))

/** Builders and their images, and every server that somebody starts by hand for a while. */
export function bakePolicy(home: Home, imageKey: Resource<'AWS::KMS::Key'>) {
  const partition = partitionOf(home.region)
  const own = (kind: string) => arnHere(home, 'ec2', `${kind}/*`)
  // Snapshots and images have no account in their ARNs.
  const [images, snapshots] = ['image', 'snapshot'].map(
    (kind) => `arn:${partition}:ec2:${home.region}::${kind}/*`,
  ) as [string, string]
  const key: Token<string> = sub('${key}', { key: imageKey.att('Arn') })
  const named = (Sid: string, statement: Statement): Statement => ({ Sid, ...statement })
  return document(
    named('Start', allow(['ec2:RunInstances'], [own('instance'), own('volume')], TO_BE_OURS)),
    // What was made of another's disk could be read on a server of one's own. Builders start from Debian's image. AWS knows
    // Debian's account by its number or, as that of a provider whom it has looked at, by an alias that others have, too: which of the
    // two a condition meets only an account can show.
    named('StartFrom', allow(['ec2:RunInstances'], [images, snapshots], OURS)),
    named(
      'StartFromDebian',
      allow(['ec2:RunInstances'], images, {
        StringEquals: { 'ec2:Owner': [DEBIAN_OWNER, 'amazon'] },
        Bool: { 'ec2:Public': 'true' },
      }),
    ),
    named('StartAt', allow(['ec2:RunInstances'], own('network-interface'))),
    named('StartIn', allow(['ec2:RunInstances'], [own('subnet'), own('security-group')], OURS)),
    named(
      'StartAs',
      allow(['iam:PassRole'], stageRoles(home), {
        StringEquals: { 'iam:PassedToService': 'ec2.amazonaws.com' },
      }),
    ),
    named(
      'Tags',
      allow(['ec2:CreateTags'], [own('instance'), own('volume'), images, snapshots], {
        ...TO_BE_OURS,
        // Only of what is being made: a tag on another's server would make it ours, to be ended.
        Null: { 'ec2:CreateAction': 'false' },
      }),
    ),
    named('Servers', allow(['ec2:GetConsoleOutput', 'ec2:TerminateInstances'], own('instance'), OURS)),
    named('Register', allow(['ec2:RegisterImage'], images, TO_BE_OURS)),
    // An image of another's snapshot would be a way to read it.
    named('RegisterFrom', allow(['ec2:RegisterImage'], snapshots, OURS)),
    named(
      'OldImages',
      allow(
        ['ec2:DeleteSnapshot', 'ec2:DeregisterImage', 'ec2:EnableImageDeprecation'],
        [images, snapshots],
        OURS,
      ),
    ),
    // Without a parent: a snapshot begins with all that its parent has, whosever that is.
    named(
      'NewSnapshots',
      allow(['ebs:StartSnapshot'], snapshots, { ...TO_BE_OURS, Null: { 'ebs:ParentSnapshot': 'true' } }),
    ),
    named('SnapshotBlocks', allow(['ebs:CompleteSnapshot', 'ebs:PutSnapshotBlock'], snapshots, OURS)),
    named(
      'Key',
      allow(
        [
          'kms:Decrypt',
          'kms:DescribeKey',
          'kms:Encrypt',
          'kms:GenerateDataKeyWithoutPlaintext',
          'kms:ReEncryptFrom',
          'kms:ReEncryptTo',
        ],
        key,
      ),
    ),
    named('KeyForAws', allow(['kms:CreateGrant'], key, { Bool: { 'kms:GrantIsForAWSResource': 'true' } })),
    named(
      'Looking',
      allow(
        [
          'ec2:DescribeImages',
          'ec2:DescribeInstanceStatus',
          'ec2:DescribeInstances',
          // What still starts servers from an image is not swept.
          'ec2:DescribeLaunchTemplateVersions',
          'ec2:DescribeLaunchTemplates',
          'ec2:DescribeSnapshots',
        ],
        '*',
        { StringEquals: { 'aws:RequestedRegion': home.region } },
      ),
    ),
  )
}
