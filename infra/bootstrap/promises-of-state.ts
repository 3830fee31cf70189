// What is to last: the state bucket, the key of the images, and that somebody hears of what it costs.
import type { Template } from '../cfn.ts'
import { at, list, ofType, property } from '../reading.ts'
import { change } from '../rules/rule.ts'
import { actionsOf, type Promised } from './promise.ts'
import { SAMPLE_SETTINGS as SETTINGS } from './sample-settings.ts'

const state = (template: Template) => template.Resources.State
const length = (value: unknown) => JSON.stringify(value).length

export const STATE_PROMISES: readonly Promised[] = [
  {
    holds: 'the state bucket stays, has versions, is encrypted, private, and takes TLS only',
    wrong: (template) => {
      const bucket = state(template)
      const blocked = Object.values(at(bucket?.Properties, 'PublicAccessBlockConfiguration') ?? {})
      const denies = list(property(template.Resources.StatePolicy, 'PolicyDocument.Statement')).some(
        (one) =>
          at(one, 'Effect') === 'Deny' &&
          Object.entries(at(one, 'Condition.Bool') ?? {}).some(
            ([key, value]) => key === 'aws:SecureTransport' && value === 'false',
          ),
      )
      return [
        bucket?.DeletionPolicy === 'Retain' && bucket.UpdateReplacePolicy === 'Retain' ? '' : 'goes',
        property(bucket, 'VersioningConfiguration.Status') === 'Enabled' ? '' : 'has no versions',
        property(bucket, 'BucketEncryption.ServerSideEncryptionConfiguration.0') ? '' : 'is not encrypted',
        blocked.length === 4 && blocked.every((value) => value === true) ? '' : 'can be made public',
        denies ? '' : 'takes plain HTTP',
      ].filter(Boolean)
    },
    breaks: {
      'it goes': (draft) => delete draft.Resources.State?.DeletionPolicy,
      'it is replaced': (draft) => delete draft.Resources.State?.UpdateReplacePolicy,
      versions: (draft) => change(draft, 'State', 'VersioningConfiguration', undefined),
      encryption: (draft) => change(draft, 'State', 'BucketEncryption', undefined),
      public: (draft) => change(draft, 'State', 'PublicAccessBlockConfiguration.BlockPublicAcls', false),
      'plain HTTP': (draft) => delete draft.Resources.StatePolicy,
    },
  },
  {
    // What an earlier bootstrap left is taken over by CloudFormation only under a literal name, and only if it is kept.
    holds: 'what is kept and has a name can be taken over',
    wrong: (template) =>
      [
        ['State', 'BucketName'],
        ['StatePolicy', 'Bucket'],
      ].flatMap(([id = '', key = '']) => {
        const resource = template.Resources[id]
        if (typeof property(resource, key) !== 'string') return [`${id}: has no literal name`]
        return resource?.DeletionPolicy === 'Retain' ? [] : [`${id}: is not kept`]
      }),
    breaks: {
      'a reference': (draft) => change(draft, 'StatePolicy', 'Bucket', { Ref: 'State' }),
      'a policy that goes': (draft) => delete draft.Resources.StatePolicy?.DeletionPolicy,
    },
  },
  {
    holds: 'old versions and uploads that were never finished go, what stands there now stays',
    wrong: (template) => {
      const rules = list(property(state(template), 'LifecycleConfiguration.Rules'))
      const old = (rule: unknown) => at(rule, 'NoncurrentVersionExpiration.NoncurrentDays')
      const ofBakes = rules.filter((rule) => at(rule, 'Prefix') === 'bakes/')
      const others = rules.filter((rule) => !ofBakes.includes(rule))
      return [
        others.some(old) ? '' : 'versions stay',
        // As docs/aws.md has it.
        others.every((rule) => old(rule) === undefined || old(rule) === 90) ? '' : 'versions go sooner',
        ofBakes.some((rule) => at(rule, 'ExpirationInDays') && old(rule) === 1) ? '' : 'bakes stay',
        rules.some((rule) => at(rule, 'AbortIncompleteMultipartUpload')) ? '' : 'uploads stay',
        rules.every((rule) => at(rule, 'ExpirationInDays') === undefined || at(rule, 'Prefix') === 'bakes/')
          ? ''
          : 'state goes',
      ].filter(Boolean)
    },
    breaks: {
      versions: (draft) =>
        change(draft, 'State', 'LifecycleConfiguration.Rules.0.NoncurrentVersionExpiration', undefined),
      'versions after a day': (draft) =>
        change(
          draft,
          'State',
          'LifecycleConfiguration.Rules.0.NoncurrentVersionExpiration.NoncurrentDays',
          1,
        ),
      'bakes as old versions': (draft) =>
        change(draft, 'State', 'LifecycleConfiguration.Rules.2.NoncurrentVersionExpiration', undefined),
      uploads: (draft) =>
        change(draft, 'State', 'LifecycleConfiguration.Rules.1.AbortIncompleteMultipartUpload', undefined),
      'everything after two weeks': (draft) =>
        change(draft, 'State', 'LifecycleConfiguration.Rules.2.Prefix', undefined),
    },
  },
  {
    holds: 'Auto Scaling can read images and attach their disks, the key turns, and it stays',
    wrong: (template) => {
      const key = template.Resources.ImageKey
      const linked = list(property(key, 'KeyPolicy.Statement')).filter((one) =>
        String(at(one, 'Principal.AWS')).endsWith('/AWSServiceRoleForAutoScaling'),
      )
      const may = (action: string) => linked.some((one) => actionsOf(one).includes(action))
      const grants = linked.find((one) => actionsOf(one).includes('kms:CreateGrant'))
      return [
        may('kms:Decrypt') && may('kms:GenerateDataKeyWithoutPlaintext') && may('kms:ReEncryptTo')
          ? ''
          : 'can’t read',
        at(at(grants, 'Condition.Bool'), 'kms:GrantIsForAWSResource') === 'true' ? '' : 'can’t attach',
        property(key, 'EnableKeyRotation') === true ? '' : 'does not turn',
        key?.DeletionPolicy === 'Retain' && key.UpdateReplacePolicy === 'Retain' ? '' : 'goes',
      ].filter(Boolean)
    },
    breaks: {
      reading: (draft) => change(draft, 'ImageKey', 'KeyPolicy.Statement.1.Action', ['kms:DescribeKey']),
      attaching: (draft) => change(draft, 'ImageKey', 'KeyPolicy.Statement.2.Action', 'kms:ListGrants'),
      'grants to anyone': (draft) => change(draft, 'ImageKey', 'KeyPolicy.Statement.2.Condition', undefined),
      turning: (draft) => change(draft, 'ImageKey', 'EnableKeyRotation', false),
      'it goes': (draft) => delete draft.Resources.ImageKey?.DeletionPolicy,
    },
  },
  {
    holds: 'somebody hears of costs before they are spent',
    wrong: (template) => {
      const told = list(property(template.Resources.Budget, 'NotificationsWithSubscribers'))
      return told.some((one) => at(one, 'Notification.NotificationType') === 'FORECASTED') &&
        told.every((one) => at(one, 'Subscribers.0.Address') === SETTINGS.alertEmail) &&
        property(template.Resources.Budget, 'Budget.BudgetLimit.Amount') === SETTINGS.budget
        ? []
        : ['nobody']
    },
    breaks: {
      'no forecast': (draft) =>
        change(draft, 'Budget', 'NotificationsWithSubscribers.2.Notification.NotificationType', 'ACTUAL'),
      'somebody else': (draft) =>
        change(draft, 'Budget', 'NotificationsWithSubscribers.0.Subscribers.0.Address', 'x@example.com'),
    },
  },
]

export const FITS: Promised = {
  holds: 'it fits: the template in a call, policies in roles and beside them',
  wrong: (template) => [
    // Sent in the call itself: there is no bucket yet. Bytes.
    ...(Buffer.byteLength(JSON.stringify(template)) <= 51_200 ? [] : ['the template']),
    ...ofType(template, 'AWS::IAM::ManagedPolicy').flatMap(([id, policy]) =>
      length(property(policy, 'PolicyDocument')) <= 6_144 ? [] : [id],
    ),
    ...ofType(template, 'AWS::IAM::Role').flatMap(([id, role]) =>
      list(property(role, 'Policies')).reduce<number>(
        (sum, policy) => sum + length(at(policy, 'PolicyDocument')),
        0,
      ) <= 10_240
        ? []
        : [id],
    ),
  ],
  breaks: {
    'a long template': (draft) => change(draft, 'State', 'Tags', 'x'.repeat(51_200)),
    'a long policy': (draft) =>
      change(draft, 'ReleasePolicy', 'PolicyDocument.Statement.0.Action', 'x'.repeat(6_144)),
    'a long policy in a role': (draft) =>
      change(draft, 'DeployRole', 'Policies', [{ PolicyDocument: { Statement: 'x'.repeat(10_240) } }]),
  },
}
