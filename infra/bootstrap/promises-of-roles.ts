// Who is made by whom: no right to everything, no role beyond its boundary, no pipeline but the one that was named.
import { at, list, ofType, property } from '../reading.ts'
import { change } from '../rules/rule.ts'
import { matches } from './evaluate.ts'
import { boundaryArn, type DeployingRole, ROLES, roleArn } from './names.ts'
import { actionsOf, type Promised, roleStatement, statements, statementsOf } from './promise.ts'
import { TAG } from './rights.ts'
import { SAMPLE_SETTINGS as SETTINGS } from './sample-settings.ts'

export const ROLE_PROMISES: readonly Promised[] = [
  {
    holds: 'no right is to every action of a service, and what is to every resource says why it can be',
    wrong: (template) =>
      statements(template).flatMap(({ id, statement }) => {
        if (at(statement, 'Effect') === 'Deny') return []
        const wide = actionsOf(statement).filter((action) => action.includes('*'))
        const places = list(at(statement, 'Resource')).filter(isEverywhere)
        // Buckets have names beforehand: no region makes up for one that anything begins with.
        const everywhere = places.some((place) => !isHeld(statement) || /:s3:::/.test(String(place)))
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
      'every resource, on a condition that holds for all': (draft) => {
        roleStatement(draft, 'Network').Condition = { Bool: { 'aws:SecureTransport': 'true' } }
      },
      'every region': (draft) => {
        roleStatement(draft, 'Network').Condition = { StringNotEquals: { 'aws:RequestedRegion': 'mars-1' } }
      },
      'anybody’s tag': (draft) => {
        roleStatement(draft, 'Removals').Condition = {
          StringEquals: { 'aws:ResourceTag/service': 'payroll' },
        }
      },
      'every bucket': (draft) => {
        roleStatement(draft, 'Buckets', 'StagesDataPolicy').Resource = 'arn:aws:s3:::*'
      },
      'every account': (draft) => {
        roleStatement(draft, 'LogGroups', 'StagesDataPolicy').Resource =
          'arn:aws:logs:eu-west-1:*:log-group:terrace-prod-*'
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
        const changes = actions.some((action) => action.startsWith('iam:') && action !== 'iam:PassRole')
        return [
          ...(makes && held !== boundaryArn(SETTINGS) ? [`${id}: roles without a boundary`] : []),
          ...(actions.includes('iam:DeleteRolePermissionsBoundary') ? [`${id}: takes boundaries away`] : []),
          ...(changes && touched.length > 0 ? [`${id}: changes ${touched.join(', ')}`] : []),
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
      'changes what it may pass on': (draft) => {
        const statement = roleStatement(draft, 'LetCloudFormationWork')
        statement.Action = [...list(statement.Action), 'iam:UpdateAssumeRolePolicy']
      },
      'to any service': (draft) => {
        delete roleStatement(draft, 'GiveRolesToServers').Condition
      },
    },
  },
  {
    holds:
      'a deployment is made with the rights of CloudFormation’s role for whoever deploys, by nobody’s own',
    wrong: (template) => {
      const roles = ofType(template, 'AWS::IAM::Role').map(([role]) => role)
      const given = new Set(roles.flatMap((role) => statementsOf(template, role)))
      return [
        ...roles.flatMap((role) =>
          statementsOf(template, role).flatMap((statement) =>
            wrongAs(statement, DEPLOYERS[role]).map((what) => `${role} ${what}`),
          ),
        ),
        // Of policies that nobody has yet.
        ...statements(template).flatMap(({ id, statement }) =>
          given.has(statement) ? [] : wrongAs(statement, undefined).map((what) => `${id} ${what}`),
        ),
      ]
    },
    breaks: {
      'one’s own': (draft) => {
        delete roleStatement(draft, 'Plans').Condition
      },
      'a person’s, as the pipeline’s': (draft) => {
        roleStatement(draft, 'Plans', 'PeoplePolicy').Condition = {
          StringEquals: { 'cloudformation:RoleArn': roleArn('cloudformation-ci', SETTINGS) },
        }
      },
      'the pipeline’s, as a person’s': (draft) => {
        roleStatement(draft, 'Plans', 'PipelinePolicy').Condition = {
          StringEquals: { 'cloudformation:RoleArn': roleArn('cloudformation', SETTINGS) },
        }
      },
      either: (draft) => {
        roleStatement(draft, 'Plans', 'PipelinePolicy').Condition = {
          StringEquals: {
            'cloudformation:RoleArn': ['cloudformation', 'cloudformation-ci'].map((role) =>
              roleArn(role as DeployingRole, SETTINGS),
            ),
          },
        }
      },
      'of what both have': (draft) => {
        const statement = roleStatement(draft, 'Stacks')
        statement.Action = [...list(statement.Action), 'cloudformation:UpdateStack']
      },
      'another role handed to CloudFormation': (draft) => {
        roleStatement(draft, 'LetCloudFormationWork', 'PeoplePolicy').Resource = roleArn('deploy', SETTINGS)
      },
      'taken back by a pipeline, as whoever came last': (draft) => {
        const statement = roleStatement(draft, 'ChangeSets', 'PipelinePolicy')
        statement.Action = [...list(statement.Action), 'cloudformation:RollbackStack']
      },
      'removed by a pipeline': (draft) => {
        const statement = roleStatement(draft, 'Plans', 'PipelinePolicy')
        statement.Action = [...list(statement.Action), 'cloudformation:DeleteStack']
      },
    },
  },
  {
    holds: 'a pipeline is exactly the main branch of one repository',
    wrong: (template) => {
      if (template.Resources.CiRole === undefined) return []
      const trusts = list(property(template.Resources.CiRole, 'AssumeRolePolicyDocument.Statement'))
      const [trust] = trusts
      const held = Object.entries(at(trust, 'Condition.StringEquals') ?? {})
      const value = (end: string) => held.find(([key]) => key.endsWith(end))?.[1]
      return [
        trusts.length === 1 ? '' : 'others too',
        list(at(trust, 'Action')).join() === 'sts:AssumeRoleWithWebIdentity' ? '' : 'in another way',
        at(trust, 'Principal.Federated') !== undefined && at(trust, 'Principal.AWS') === undefined
          ? ''
          : 'not GitHub’s',
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
      'another one too': (draft) =>
        change(draft, 'CiRole', 'AssumeRolePolicyDocument.Statement', [
          ...list(property(draft.Resources.CiRole, 'AssumeRolePolicyDocument.Statement')),
          { Effect: 'Allow', Principal: { AWS: '444455556666' }, Action: 'sts:AssumeRole' },
        ]),
      'nobody said who': (draft) => change(draft, 'CiRole', 'AssumeRolePolicyDocument.Statement', []),
      'somebody of an account': (draft) =>
        change(draft, 'CiRole', 'AssumeRolePolicyDocument.Statement.0.Principal', { AWS: '444455556666' }),
    },
  },
  {
    holds: 'nothing comes in to a builder, only HTTPS goes out, and to AWS it is nobody',
    wrong: (template) => {
      const group = template.Resources.BuilderSecurityGroup
      const out = list(property(group, 'SecurityGroupEgress'))
      const isHttps = (rule: unknown) =>
        at(rule, 'IpProtocol') === 'tcp' && at(rule, 'FromPort') === 443 && at(rule, 'ToPort') === 443
      return [
        property(group, 'SecurityGroupIngress') === undefined ? '' : 'something comes in',
        ofType(template, 'AWS::EC2::SecurityGroupIngress').length === 0 ? '' : 'something comes in',
        out.length > 0 && out.every(isHttps) ? '' : 'more than HTTPS goes out',
        ofType(template, 'AWS::EC2::SecurityGroupEgress').length === 0 ? '' : 'more goes out',
        ofType(template, 'AWS::IAM::InstanceProfile').length === 0 ? '' : 'a server is somebody',
      ].filter(Boolean)
    },
    breaks: {
      SSH: (draft) => change(draft, 'BuilderSecurityGroup', 'SecurityGroupIngress', [{ IpProtocol: 'tcp' }]),
      // AWS adds a rule that lets everything out to a group that has none.
      'no rule': (draft) => change(draft, 'BuilderSecurityGroup', 'SecurityGroupEgress', undefined),
      'all ports': (draft) => change(draft, 'BuilderSecurityGroup', 'SecurityGroupEgress.0.ToPort', 65_535),
      // With -1 AWS lets every protocol out, and doesn't look at the ports.
      'all protocols': (draft) =>
        change(draft, 'BuilderSecurityGroup', 'SecurityGroupEgress.0.IpProtocol', '-1'),
      'a rule of its own': (draft) => {
        draft.Resources.Out = {
          Type: 'AWS::EC2::SecurityGroupEgress',
          Properties: { GroupId: { Ref: 'BuilderSecurityGroup' }, IpProtocol: '-1', CidrIp: '0.0.0.0/0' },
        }
      },
      somebody: (draft) => {
        draft.Resources.Profile = { Type: 'AWS::IAM::InstanceProfile', Properties: { Roles: ['any'] } }
      },
    },
  },
]
/** Who deploys, and what CloudFormation works as for them. */
const DEPLOYERS: Readonly<Record<string, DeployingRole | undefined>> = {
  DeployRole: 'cloudformation',
  CiRole: 'cloudformation-ci',
}
const DEPLOYS = /^cloudformation:(CreateChangeSet|CreateStack|UpdateStack|RollbackStack)$/i
/** They work with the role that the stack was changed with last, whoever asks for it. */
const ENDS = /^cloudformation:(DeleteStack|ContinueUpdateRollback|CancelUpdateStack)$/i

function wrongAs(statement: unknown, role: DeployingRole | undefined): string[] {
  const actions = actionsOf(statement)
  const equals = at(statement, 'Condition.StringEquals')
  const own = role && roleArn(role, SETTINGS)
  const deploys = actions.some((action) => DEPLOYS.test(action))
  const passes =
    actions.includes('iam:PassRole') && at(equals, 'iam:PassedToService') === 'cloudformation.amazonaws.com'
  return [
    deploys && (own === undefined || at(equals, 'cloudformation:RoleArn') !== own) ? 'as another' : '',
    passes && list(at(statement, 'Resource')).some((one) => one !== own) ? 'hands over another’s rights' : '',
    actions.some((action) => ENDS.test(action)) && role !== 'cloudformation' ? 'ends what people made' : '',
  ].filter(Boolean)
}

/** Whether what is another's is meant, too: any account's, any region's, or whatever it is called. */
function isEverywhere(resource: unknown): boolean {
  const text = typeof resource === 'string' ? resource : String(at(resource, 'Fn::Sub.0') ?? '')
  if (!text.startsWith('arn:')) return text.startsWith('*')
  // A model answers from whichever region has room.
  if (MODELS.test(text)) return false
  const [, partition, service, region, account, ...own] = text.split(':')
  return [partition, service, region, account].some((one) => /[*?]/.test(one ?? '')) || own[0]?.[0] === '*'
}
const MODELS = /^arn:aws[a-z-]*:bedrock:\*:(\*|\d{12}|):(foundation-model|inference-profile)\//
/** What narrows it down: to our region, or to what carries our tag, or is to carry it. */
function isHeld(statement: unknown): boolean {
  const equals = Object.entries(at(statement, 'Condition.StringEquals') ?? {})
  return equals.some(
    ([key, value]) =>
      (key === 'aws:RequestedRegion' && value === SETTINGS.region) ||
      (/^aws:(Resource|Request)Tag\/service$/.test(key) && value === TAG.value),
  )
}
/** They know no resources, and show or do nothing that somebody could want. */
const HARMLESS: ReadonlySet<string> = new Set([
  'cloudformation:ValidateTemplate',
  'secretsmanager:GetRandomPassword',
])
