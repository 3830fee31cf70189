// Rules for what servers may do.
import { SESSION_ACTIONS } from '../bootstrap/boundary.ts'
import { boundaryName } from '../bootstrap/names.ts'
import { at, list, property, refersTo } from '../reading.ts'
import { change, type Draft, each, type Rule } from './rule.ts'

const ROLE = 'AWS::IAM::Role'

/** Actions that know no resources, and what they are held to instead. */
const WITHOUT_RESOURCES: Readonly<Record<string, string | undefined>> = {
  'cloudwatch:PutMetricData': 'cloudwatch:namespace',
  'autoscaling:DescribeAutoScalingInstances': undefined,
  ...Object.fromEntries(SESSION_ACTIONS.map((action) => [action, 'ec2:SourceInstanceARN'])),
}

const statementsOf = (role: Parameters<typeof property>[0]) =>
  list(property(role, 'Policies')).flatMap((policy) => list(at(policy, 'PolicyDocument.Statement')))
const isOwner = (resource: unknown): boolean => refersTo(resource) === 'DatabaseOwner'
/** Adds a statement to what API servers may do. */
const grant = (draft: Draft, statement: object): void => {
  const document = at(draft.Resources.ApiRole?.Properties, 'Policies.0.PolicyDocument')
  if (typeof document === 'object' && document !== null)
    Object.assign(document, {
      Statement: [...list(at(document, 'Statement')), { Effect: 'Allow', ...statement }],
    })
}

/** What programs of every server ask AWS for (ami/boot): without one of them it never serves. */
const LIFE = [
  'autoscaling:CompleteLifecycleAction',
  'autoscaling:DescribeAutoScalingInstances',
  'autoscaling:RecordLifecycleActionHeartbeat',
  'cloudwatch:PutMetricData',
  'logs:CreateLogStream',
  'logs:PutLogEvents',
  'ssm:GetParametersByPath',
]
/** And, of an API server, for documents and secrets. */
const DOCUMENTS = ['s3:DeleteObject', 's3:GetObject', 's3:ListBucket', 's3:PutObject']
const NEEDS: Readonly<Record<string, readonly string[]>> = {
  WebRole: LIFE,
  ApiRole: [...LIFE, ...DOCUMENTS, 'secretsmanager:GetSecretValue'],
  MigrationRole: ['secretsmanager:GetSecretValue', 'ssm:GetParametersByPath'],
}

/** What a role may do with Systems Manager beyond reading its tier's settings. */
const sessionsOf = (role: Parameters<typeof property>[0]) =>
  statementsOf(role)
    .flatMap((statement) => list(at(statement, 'Action')).map(String))
    .filter(
      (action) => /^(ssm|ssmmessages|ec2messages):/.test(action) && action !== 'ssm:GetParametersByPath',
    )
    .sort()

export const identityRules: readonly Rule[] = [
  {
    holds: 'servers become the roles, nobody else does; none goes beyond the bootstrap’s boundary',
    violations: (template, stage) =>
      each(template, ROLE, (role) => {
        const trusted = list(property(role, 'AssumeRolePolicyDocument.Statement'))
        const [only] = trusted
        if (
          trusted.length !== 1 ||
          at(only, 'Action') !== 'sts:AssumeRole' ||
          JSON.stringify(at(only, 'Principal')) !== '{"Service":"ec2.amazonaws.com"}'
        )
          return 'lets others in'
        const boundary = property(role, 'PermissionsBoundary.Fn::Sub.1')
        return (
          (at(boundary, 'name') !== boundaryName(stage) || at(boundary, 'account') !== stage.account) &&
          'has no boundary'
        )
      }),
    breaks: {
      'an account': (draft) =>
        change(draft, 'ApiRole', 'AssumeRolePolicyDocument.Statement.0.Principal', { AWS: '999999999999' }),
      'an account beside them': (draft) =>
        change(draft, 'WebRole', 'AssumeRolePolicyDocument.Statement', [
          ...list(property(draft.Resources.WebRole, 'AssumeRolePolicyDocument.Statement')),
          { Effect: 'Allow', Principal: { AWS: '999999999999' }, Action: 'sts:AssumeRole' },
        ]),
      'no boundary': (draft) => change(draft, 'MigrationRole', 'PermissionsBoundary', undefined),
      'another boundary': (draft) =>
        change(draft, 'ApiRole', 'PermissionsBoundary', 'arn:aws:iam::aws:policy/AdministratorAccess'),
    },
  },
  {
    holds: 'each tier’s servers have its own role, which lets them do what their programs ask for',
    violations: (template) => [
      ...each(template, ROLE, (role, id) => {
        const may = statementsOf(role)
          .filter((statement) => at(statement, 'Effect') === 'Allow')
          .flatMap((statement) => list(at(statement, 'Action')))
        const lacking = (NEEDS[id] ?? []).filter((action) => !may.includes(action))
        return lacking.length > 0 && `may not ${lacking.join(', ')}`
      }),
      ...each(template, 'AWS::EC2::LaunchTemplate', (launch, id) => {
        const tier = id.replace('Template', '')
        const profile = refersTo(property(launch, 'LaunchTemplateData.IamInstanceProfile.Arn')) ?? ''
        const roles = list(property(template.Resources[profile], 'Roles')).map(refersTo)
        return (roles.length !== 1 || roles[0] !== `${tier}Role`) && 'has another role'
      }),
    ],
    breaks: {
      'no life': (draft) => {
        const statements = list(
          at(draft.Resources.WebRole?.Properties, 'Policies.0.PolicyDocument.Statement'),
        )
        const left = statements.filter((one) => !JSON.stringify(one).includes('CompleteLifecycleAction'))
        change(draft, 'WebRole', 'Policies.0.PolicyDocument.Statement', left)
      },
      'no documents': (draft) => {
        const statements = list(
          at(draft.Resources.ApiRole?.Properties, 'Policies.0.PolicyDocument.Statement'),
        )
        const left = statements.filter((one) => !JSON.stringify(one).includes('s3:GetObject'))
        change(draft, 'ApiRole', 'Policies.0.PolicyDocument.Statement', left)
      },
      'the other tier’s': (draft) =>
        change(draft, 'WebTemplate', 'LaunchTemplateData.IamInstanceProfile.Arn', {
          'Fn::GetAtt': ['ApiProfile', 'Arn'],
        }),
      none: (draft) => change(draft, 'ApiTemplate', 'LaunchTemplateData.IamInstanceProfile', undefined),
    },
  },
  {
    holds: 'a role allows single actions, on the stage’s own resources',
    violations: (template) =>
      each(template, ROLE, (role) => {
        for (const statement of statementsOf(role)) {
          if (at(statement, 'Effect') !== 'Allow') continue
          const actions = list(at(statement, 'Action')).map(String)
          const wide = actions.filter((action) => action.includes('*'))
          if (wide.length > 0) return `may ${wide.join(', ')}`
          if (at(statement, 'NotAction') !== undefined || at(statement, 'NotResource') !== undefined)
            return 'may all but'
          if (!list(at(statement, 'Resource')).includes('*')) continue
          const held = Object.values(at(statement, 'Condition') ?? {}).flatMap((one) =>
            Object.keys(one ?? {}),
          )
          for (const action of actions) {
            if (!Object.hasOwn(WITHOUT_RESOURCES, action)) return `may ${action} on everything`
            const condition = WITHOUT_RESOURCES[action]
            if (condition !== undefined && !held.includes(condition))
              return `may ${action} without ${condition}`
          }
        }
        return list(property(role, 'ManagedPolicyArns')).length > 0 && 'has AWS’s own policies'
      }),
    breaks: {
      'all of a service': (draft) => grant(draft, { Action: ['s3:*'], Resource: 'arn:aws:s3:::b' }),
      'some of a service': (draft) => grant(draft, { Action: 's3:Get*', Resource: 'arn:aws:s3:::b' }),
      everything: (draft) => grant(draft, { Action: ['secretsmanager:GetSecretValue'], Resource: '*' }),
      'sessions from anywhere': (draft) => grant(draft, { Action: [...SESSION_ACTIONS], Resource: '*' }),
      'any metric': (draft) => grant(draft, { Action: ['cloudwatch:PutMetricData'], Resource: '*' }),
      'all but': (draft) => grant(draft, { NotAction: ['iam:CreateUser'], Resource: 'arn:aws:s3:::b' }),
      managed: (draft) =>
        change(draft, 'WebRole', 'ManagedPolicyArns', ['arn:aws:iam::aws:policy/ReadOnlyAccess']),
    },
  },
  {
    holds: 'a server ends the waits of its own group, and no other’s; web servers reach no data',
    violations: (template) =>
      each(template, ROLE, (role, id) => {
        const text = statementsOf(role).map((statement) => JSON.stringify(statement))
        const own = id.replace('Role', 'Group')
        const waits = text.filter((one) => one.includes('CompleteLifecycleAction'))
        if (!waits.every((one) => one.includes(`"group":"${own}"`))) return 'ends waits of others'
        return (
          id === 'WebRole' &&
          text.some((one) => /"(s3|rds-db|secretsmanager):/.test(one)) &&
          'reaches data from where the world comes in'
        )
      }),
    breaks: {
      'another group': (draft) => {
        const text = JSON.stringify(draft.Resources.WebRole).replaceAll('"WebGroup"', '"ApiGroup"')
        draft.Resources.WebRole = JSON.parse(text)
      },
      data: (draft) => {
        const role = draft.Resources.ApiRole
        if (role)
          draft.Resources.WebRole = JSON.parse(JSON.stringify(role).replaceAll('ApiGroup', 'WebGroup'))
      },
    },
  },
  {
    holds: 'somebody can get into servers by Session Manager exactly where the stage says so',
    violations: (template, stage) => {
      const wanted = (id: string) =>
        stage.sessionManager === true && id !== 'MigrationRole' ? SESSION_ACTIONS : []
      return each(template, ROLE, (role, id) => {
        const may = sessionsOf(role)
        return may.join() !== wanted(id).join() && `may ${may.join(', ') || 'nothing of it'}`
      })
    },
    in: { sessionManager: true },
    breaks: {
      'half of it': (draft) => {
        const text = JSON.stringify(draft.Resources.WebRole).replace(
          '"ssmmessages:OpenDataChannel"',
          '"ssmmessages:OpenControlChannel"',
        )
        draft.Resources.WebRole = JSON.parse(text)
      },
      'the server that migrates': (draft) =>
        change(draft, 'MigrationRole', 'Policies', draft.Resources.WebRole?.Properties.Policies),
      'commands as well': (draft) => grant(draft, { Action: ['ssm:GetDocument'], Resource: '*' }),
    },
  },
  {
    holds: 'nobody gets into servers where the stage does not say so',
    violations: (template, stage) =>
      each(
        template,
        ROLE,
        (role) => stage.sessionManager !== true && sessionsOf(role).length > 0 && 'lets somebody in',
      ),
    breaks: {
      unasked: (draft) =>
        grant(draft, {
          Action: [...SESSION_ACTIONS],
          Resource: '*',
          Condition: {
            ArnLike: { 'ec2:SourceInstanceARN': 'arn:aws:ec2:eu-west-1:111122223333:instance/*' },
          },
        }),
    },
  },
  {
    holds: 'where servers don’t migrate, only the server of a release can sign in as the database’s owner',
    violations: (template, stage) =>
      stage.migrations === 'at-start'
        ? []
        : each(
            template,
            ROLE,
            (role, id) =>
              statementsOf(role).some((statement) => list(at(statement, 'Resource')).some(isOwner)) !==
                (id === 'MigrationRole') && 'should not, or can’t',
          ),
    breaks: {
      'API servers': (draft) =>
        grant(draft, { Action: ['secretsmanager:GetSecretValue'], Resource: { Ref: 'DatabaseOwner' } }),
      nobody: (draft) => change(draft, 'MigrationRole', 'Policies', []),
    },
  },
]
