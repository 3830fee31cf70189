// Who is made by whom: no right to everything, no role beyond its boundary, no pipeline but the one that was named.
import { at, list, ofType, property } from '../reading.ts'
import { change } from '../rules/rule.ts'
import { matches } from './evaluate.ts'
import { boundaryArn, ROLES, roleArn } from './names.ts'
import { actionsOf, type Promised, roleStatement, statements } from './promise.ts'
import { SAMPLE_SETTINGS as SETTINGS } from './sample-settings.ts'

export const ROLE_PROMISES: readonly Promised[] = [
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
      const own = ROLES
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
    holds: 'a deployment is made with the rights of a role of CloudFormation’s, by nobody’s own',
    wrong: (template) =>
      statements(template).flatMap(({ id, statement }) =>
        actionsOf(statement).some((action) =>
          /^cloudformation:(CreateChangeSet|CreateStack|UpdateStack)$/.test(action),
        ) && !DEPLOYING.has(at(at(statement, 'Condition.StringEquals'), 'cloudformation:RoleArn'))
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
]
const DEPLOYING: ReadonlySet<unknown> = new Set(
  (['cloudformation', 'cloudformation-ci'] as const).map((role) => roleArn(role, SETTINGS)),
)
/** They know no resources, and show or do nothing that somebody could want. */
const HARMLESS: ReadonlySet<string> = new Set([
  'cloudformation:ValidateTemplate',
  'secretsmanager:GetRandomPassword',
])
