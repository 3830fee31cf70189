// What must hold of the bootstrap's template, beyond what AWS itself refuses. Each promise comes with ways to break it, so
// that the tests show that it can fail.
import type { Template } from '../cfn.ts'
import { at, list, ofType, property } from '../reading.ts'
import { change, type Draft } from '../rules/rule.ts'
import { boundaryArn, roleArn } from './names.ts'
import { SAMPLE_SETTINGS as SETTINGS } from './sample-settings.ts'

export interface Given {
  readonly id: string
  readonly statement: unknown
}
/** Every statement of every policy that a role of ours has. */
export const statements = (template: Template): Given[] =>
  Object.entries(template.Resources).flatMap(([id, resource]) => {
    const documents =
      resource.Type === 'AWS::IAM::ManagedPolicy'
        ? [property(resource, 'PolicyDocument')]
        : list(property(resource, 'Policies')).map((policy) => at(policy, 'PolicyDocument'))
    return documents
      .flatMap((document) => list(at(document, 'Statement')))
      .map((statement) => ({ id, statement }))
  })
export const actionsOf = (statement: unknown): string[] => list(at(statement, 'Action')).map(String)
const length = (value: unknown) => JSON.stringify(value).length

export interface Promised {
  readonly holds: string
  readonly wrong: (template: Template) => readonly string[]
  readonly breaks: Readonly<Record<string, (draft: Draft) => void>>
}
const state = (template: Template) => template.Resources.State
const roleStatement = (draft: Draft, sid: string): Record<string, unknown> => {
  const found = statements(draft as unknown as Template).find((one) => at(one.statement, 'Sid') === sid)
  if (found === undefined) throw new Error(`no statement ${sid}`)
  return found.statement as Record<string, unknown>
}

export const PROMISES: readonly Promised[] = [
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
      return [
        rules.some((rule) => at(rule, 'NoncurrentVersionExpiration.NoncurrentDays')) ? '' : 'versions stay',
        rules.some((rule) => at(rule, 'AbortIncompleteMultipartUpload')) ? '' : 'uploads stay',
        rules.every((rule) => at(rule, 'ExpirationInDays') === undefined || at(rule, 'Prefix') === 'bakes/')
          ? ''
          : 'state goes',
      ].filter(Boolean)
    },
    breaks: {
      versions: (draft) =>
        change(draft, 'State', 'LifecycleConfiguration.Rules.0.NoncurrentVersionExpiration', undefined),
      uploads: (draft) =>
        change(draft, 'State', 'LifecycleConfiguration.Rules.1.AbortIncompleteMultipartUpload', undefined),
      'everything after two weeks': (draft) =>
        change(draft, 'State', 'LifecycleConfiguration.Rules.2.Prefix', undefined),
    },
  },
  {
    holds: 'no right is to every action of a service, and what is to every resource says why it can be',
    wrong: (template) =>
      statements(template).flatMap(({ id, statement }) => {
        if (at(statement, 'Effect') === 'Deny') return []
        const wide = actionsOf(statement).filter((action) => action.includes('*'))
        const everywhere =
          list(at(statement, 'Resource')).includes('*') && at(statement, 'Condition') === undefined
        return [
          ...wide.map((action) => `${id}: ${action}`),
          ...(everywhere && !actionsOf(statement).every((action) => HARMLESS.has(action))
            ? [`${id} ${String(at(statement, 'Sid'))}: everywhere`]
            : []),
        ]
      }),
    breaks: {
      'every action': (draft) => {
        roleStatement(draft, 'Buckets').Action = ['s3:*']
      },
      'every resource': (draft) => {
        delete roleStatement(draft, 'Network').Condition
      },
    },
  },
  {
    holds:
      'CloudFormation makes roles only within the boundary, for servers only, and touches none of these here',
    wrong: (template) => {
      const own = ['deploy', 'cloudformation', 'ci', 'builder'] as const
      return statements(template).flatMap(({ id, statement }) => {
        const actions = actionsOf(statement)
        const on = list(at(statement, 'Resource')).map(String)
        const makes = actions.some((action) =>
          /^iam:(CreateRole|PutRolePolicy|AttachRolePolicy|PutRolePermissionsBoundary)$/.test(action),
        )
        const held = at(at(statement, 'Condition.StringEquals'), 'iam:PermissionsBoundary')
        const touched = own.filter((name) =>
          on.some((pattern) => matches(pattern, roleArn(name, SETTINGS)) || pattern === '*'),
        )
        const passes = actions.includes('iam:PassRole')
        return [
          ...(makes && held !== boundaryArn(SETTINGS) ? [`${id}: roles without a boundary`] : []),
          ...(actions.includes('iam:DeleteRolePermissionsBoundary') ? [`${id}: takes boundaries away`] : []),
          ...(actions.some((action) => action.startsWith('iam:')) && !passes && touched.length > 0
            ? [`${id}: changes ${touched.join(', ')}`]
            : []),
          ...(passes && at(at(statement, 'Condition.StringEquals'), 'iam:PassedToService') === undefined
            ? [`${id}: gives roles to anyone`]
            : []),
          ...(passes && touched.some((name) => name === 'deploy' || name === 'ci')
            ? [`${id}: gives its own role away`]
            : []),
        ]
      })
    },
    breaks: {
      'no boundary': (draft) => {
        delete roleStatement(draft, 'RolesWithinTheBoundary').Condition
      },
      'another boundary': (draft) => {
        roleStatement(draft, 'RolesWithinTheBoundary').Condition = {
          StringEquals: { 'iam:PermissionsBoundary': 'arn:aws:iam::aws:policy/AdministratorAccess' },
        }
      },
      'boundaries go': (draft) => {
        roleStatement(draft, 'Roles').Action = ['iam:DeleteRolePermissionsBoundary']
      },
      'all roles of ours': (draft) => {
        roleStatement(draft, 'Roles').Resource = 'arn:aws:iam::111122223333:role/terrace-*'
      },
      'to any service': (draft) => {
        delete roleStatement(draft, 'GiveRolesToServers').Condition
      },
    },
  },
  {
    holds: 'a deployment is made with the rights of CloudFormation’s role, by nobody’s own',
    wrong: (template) =>
      statements(template).flatMap(({ id, statement }) =>
        actionsOf(statement).some((action) =>
          /^cloudformation:(CreateChangeSet|CreateStack|UpdateStack)$/.test(action),
        ) &&
        at(at(statement, 'Condition.StringEquals'), 'cloudformation:RoleArn') !==
          roleArn('cloudformation', SETTINGS)
          ? [id]
          : [],
      ),
    breaks: {
      'one’s own': (draft) => {
        delete roleStatement(draft, 'Plans').Condition
      },
    },
  },
  {
    holds: 'a pipeline is exactly the main branch of one repository',
    wrong: (template) => {
      const trust = property(template.Resources.CiRole, 'AssumeRolePolicyDocument.Statement.0')
      if (trust === undefined) return []
      const held = Object.entries(at(trust, 'Condition.StringEquals') ?? {})
      const value = (end: string) => held.find(([key]) => key.endsWith(end))?.[1]
      return [
        value(':sub') === 'repo:acme/terrace:ref:refs/heads/main' ? '' : 'any subject',
        value(':aud') === 'sts.amazonaws.com' ? '' : 'any audience',
      ].filter(Boolean)
    },
    breaks: {
      'any branch': (draft) =>
        change(draft, 'CiRole', 'AssumeRolePolicyDocument.Statement.0.Condition', {
          StringLike: { 'token.actions.githubusercontent.com:sub': 'repo:acme/terrace:*' },
        }),
      'no condition': (draft) =>
        change(draft, 'CiRole', 'AssumeRolePolicyDocument.Statement.0.Condition', undefined),
    },
  },
  {
    holds: 'nothing comes in to a builder, only HTTPS goes out, and its role is within the boundary',
    wrong: (template) => {
      const group = template.Resources.BuilderSecurityGroup
      const out = list(property(group, 'SecurityGroupEgress'))
      return [
        property(group, 'SecurityGroupIngress') === undefined ? '' : 'something comes in',
        ofType(template, 'AWS::EC2::SecurityGroupIngress').length === 0 ? '' : 'something comes in',
        out.length > 0 && out.every((rule) => at(rule, 'FromPort') === 443 && at(rule, 'ToPort') === 443)
          ? ''
          : 'more than HTTPS goes out',
        property(template.Resources.BuilderRole, 'PermissionsBoundary') ? '' : 'no boundary',
      ].filter(Boolean)
    },
    breaks: {
      SSH: (draft) => change(draft, 'BuilderSecurityGroup', 'SecurityGroupIngress', [{ IpProtocol: 'tcp' }]),
      // AWS adds a rule that lets everything out to a group that has none.
      'no rule': (draft) => change(draft, 'BuilderSecurityGroup', 'SecurityGroupEgress', undefined),
      'all ports': (draft) => change(draft, 'BuilderSecurityGroup', 'SecurityGroupEgress.0.ToPort', 65_535),
      boundary: (draft) => change(draft, 'BuilderRole', 'PermissionsBoundary', undefined),
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
  {
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
        change(
          draft,
          'CloudFormationRole',
          'Policies.0.PolicyDocument.Statement.0.Action',
          'x'.repeat(10_240),
        ),
    },
  },
]
/** They know no resources, and show or do nothing that somebody could want. */
const HARMLESS: ReadonlySet<string> = new Set([
  'bedrock:InvokeModel',
  'bedrock:InvokeModelWithResponseStream',
  'cloudformation:ValidateTemplate',
  'secretsmanager:GetRandomPassword',
])
export const matches = (pattern: string, arn: string) =>
  new RegExp(`^${pattern.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`).test(arn)
