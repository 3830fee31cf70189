// What every stage and every bake stands on, once per account and region: a small stack of its own that depends on
// nothing. No image is shared with another account.
import { type Resource, Stack, type Template, type Token } from '../cfn.ts'
import { document } from '../policy.ts'
import { boundary } from './boundary.ts'
import { builder } from './builder.ts'
import {
  boundaryName,
  GITHUB,
  githubProviderArn,
  type Home,
  LINKED_ROLES,
  linkedRoleArn,
  partitionOf,
  type RoleName,
  roleName,
  stateBucket,
} from './names.ts'
import { bakePolicy, peoplePolicy, pipelinePolicy, releasePolicy } from './release-rights.ts'
import type { Settings } from './settings.ts'
import { stageRights } from './stage-rights.ts'
import { stateStorage } from './state.ts'

/**
 * The template. The same settings give the same bytes.
 * @param hasProvider whether the account has a provider for GitHub's tokens that this stack did not make
 */
export function bootstrap(settings: Settings, hasProvider: boolean): Template {
  const stack = new Stack('Terrace: what the stages of this account and region stand on')
  stateStorage(stack, settings)
  const limits = stack.add('ServerBoundary', 'AWS::IAM::ManagedPolicy', {
    ManagedPolicyName: boundaryName(settings),
    // Never to be changed: that would make the policy anew, under a name that is taken.
    Description: 'The most that a server of Terrace can ever do',
    PolicyDocument: boundary(settings),
  })
  const key = imageKey(stack, settings)
  const built = builder(stack, settings)
  roles(stack, settings, key, limits, hasProvider)
  budget(stack, settings)
  stack.output('StateBucket', 'Templates, journals, locks, records of image sets', stateBucket(settings))
  stack.output('ImageKey', 'What images are encrypted with', key.att('Arn'))
  stack.output('BuilderSecurityGroup', 'Nothing comes in, only HTTPS goes out', built.group.att('GroupId'))
  for (const [index, subnet] of built.subnets.entries())
    stack.output(
      `BuilderSubnet${index + 1}`,
      `Where a builder stands, in ${settings.zones[index]}`,
      subnet.ref,
    )
  return stack.template()
}

/** Snapshots of images, and the disks of every server that starts from them. */
function imageKey(stack: Stack, home: Home): Resource<'AWS::KMS::Key'> {
  const [autoScaling] = LINKED_ROLES
  const launches = { AWS: linkedRoleArn(home, autoScaling) }
  return stack.add(
    'ImageKey',
    'AWS::KMS::Key',
    {
      Description: 'Images of Terrace',
      EnableKeyRotation: true,
      PendingWindowInDays: 30,
      KeyPolicy: document(
        {
          Sid: 'TheAccountGovernsItsKey',
          Effect: 'Allow',
          Principal: { AWS: `arn:${partitionOf(home.region)}:iam::${home.account}:root` },
          // All of them: a key whose policy leaves one out can become nobody's.
          Action: 'kms:*',
          Resource: '*',
        },
        // Auto Scaling launches as a role of its own. Without these two its servers end before they begin, and all that
        // is to be read about it is Client.InternalError.
        {
          Sid: 'AutoScalingReadsImages',
          Effect: 'Allow',
          Principal: launches,
          Action: [
            'kms:Decrypt',
            'kms:DescribeKey',
            'kms:Encrypt',
            'kms:GenerateDataKey',
            'kms:GenerateDataKeyWithoutPlaintext',
            'kms:ReEncryptFrom',
            'kms:ReEncryptTo',
          ],
          Resource: '*',
        },
        {
          Sid: 'AutoScalingAttachesDisks',
          Effect: 'Allow',
          Principal: launches,
          Action: 'kms:CreateGrant',
          Resource: '*',
          Condition: { Bool: { 'kms:GrantIsForAWSResource': 'true' } },
        },
      ),
    },
    // Without it no image can be read any more, nor a disk of a server that still runs.
    { DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' },
  )
}

function roles(
  stack: Stack,
  settings: Settings,
  key: Resource<'AWS::KMS::Key'>,
  limits: Resource<'AWS::IAM::ManagedPolicy'>,
  hasProvider: boolean,
): void {
  const rights = stageRights(settings)
  const policy = (id: string, description: string, rights: object) =>
    stack.add(id, 'AWS::IAM::ManagedPolicy', { Description: description, PolicyDocument: rights }).ref
  const changes = [
    policy('StagesReadingPolicy', 'What is there of the stages', document(...rights.reading)),
    policy('StagesPolicy', 'Networks of the stages, and who is told', document(...rights.networks)),
    policy('StagesServersPolicy', 'Servers of the stages', document(...rights.servers)),
  ]
  const data = policy('StagesDataPolicy', 'What holds data of the stages', document(...rights.data))
  const deployment = (id: string, name: RoleName, what: string, may: Token<string>[]) =>
    stack.add(
      id,
      'AWS::IAM::Role',
      {
        RoleName: roleName(name, settings),
        Description: `What CloudFormation may do when it changes a stage${what}`,
        AssumeRolePolicyDocument: {
          Version: '2012-10-17',
          Statement: [
            {
              Effect: 'Allow',
              Principal: { Service: 'cloudformation.amazonaws.com' },
              Action: 'sts:AssumeRole',
              Condition: { StringEquals: { 'aws:SourceAccount': settings.account } },
            },
          ],
        },
        ManagedPolicyArns: may,
      },
      // It names the boundary: what it makes while that is missing would be refused.
      { DependsOn: [limits] },
    )
  deployment('CloudFormationRole', 'cloudformation', '', [...changes, data])
  const releases = [
    policy('ReleasePolicy', 'Releasing Terrace', releasePolicy(settings)),
    policy('BakePolicy', 'Baking images of Terrace', bakePolicy(settings, key)),
  ]
  const people = policy('PeoplePolicy', 'Stages of Terrace, data included', peoplePolicy(settings))
  const role = (id: string, name: RoleName, description: string, trust: object, may: Token<string>[]) =>
    stack.add(id, 'AWS::IAM::Role', {
      RoleName: roleName(name, settings),
      Description: description,
      // Seconds: as long as the longest release, of which each server takes some minutes.
      MaxSessionDuration: 14_400,
      AssumeRolePolicyDocument: { Version: '2012-10-17', Statement: [trust] },
      ManagedPolicyArns: may,
    })
  const account = `arn:${partitionOf(settings.region)}:iam::${settings.account}:root`
  // Whoever of the account is given the right to become this role; by itself this gives it to nobody.
  const trusted = { Effect: 'Allow', Principal: { AWS: account }, Action: 'sts:AssumeRole' }
  role('DeployRole', 'deploy', 'People who bake, release and take down', trusted, [...releases, people])
  if (settings.ci === undefined) return
  // One for the account, shared with whatever else uses it: it stays.
  if (!hasProvider)
    stack.add(
      'GitHub',
      'AWS::IAM::OIDCProvider',
      { Url: `https://${GITHUB}`, ClientIdList: ['sts.amazonaws.com'] },
      { DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' },
    )
  const { who, subject } = pipeline(settings.ci, settings.ciEnvironment)
  const trust = {
    Effect: 'Allow',
    Principal: { Federated: hasProvider ? githubProviderArn(settings) : { Ref: 'GitHub' } },
    Action: 'sts:AssumeRoleWithWebIdentity',
    Condition: { StringEquals: { [`${GITHUB}:aud`]: 'sts.amazonaws.com', [`${GITHUB}:sub`]: subject } },
  }
  deployment('CloudFormationCiRole', 'cloudformation-ci', ' for a pipeline: nothing that holds data', changes)
  const own = policy('PipelinePolicy', 'Stages of Terrace, without their data', pipelinePolicy(settings))
  const ci = role('CiRole', 'ci', `What ${who} of ${settings.ci} may do`, trust, [...releases, own])
  stack.output('CiRole', 'For the pipeline', ci.att('Arn'))
}

/** Exactly one: a pull request, another branch, another environment has another subject. */
export const pipeline = (repository: string, environment: string | undefined) =>
  environment === undefined
    ? { who: 'the main branch', subject: `repo:${repository}:ref:refs/heads/main` }
    : { who: `the environment ${environment}`, subject: `repo:${repository}:environment:${environment}` }

/** Of the whole account: what somebody forgets in another region is noticed too. */
function budget(stack: Stack, { alertEmail, budget: amount }: Settings): void {
  const tell = (NotificationType: 'ACTUAL' | 'FORECASTED', Threshold: number) => ({
    Notification: {
      NotificationType,
      ComparisonOperator: 'GREATER_THAN',
      Threshold,
      ThresholdType: 'PERCENTAGE',
    },
    Subscribers: [{ SubscriptionType: 'EMAIL', Address: alertEmail }],
  })
  stack.add('Budget', 'AWS::Budgets::Budget', {
    Budget: { BudgetType: 'COST', TimeUnit: 'MONTHLY', BudgetLimit: { Amount: amount, Unit: 'USD' } },
    NotificationsWithSubscribers: [tell('ACTUAL', 80), tell('ACTUAL', 100), tell('FORECASTED', 100)],
  })
}
