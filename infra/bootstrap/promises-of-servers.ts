// How far a server reaches, whichever role a template gives it.
import type { Template } from '../cfn.ts'
import { list } from '../reading.ts'
import type { Draft } from '../rules/rule.ts'
import { type Promised, roleStatement, statements } from './promise.ts'
import { call as asked, bucket, here, OF_US, type Reach, reaches, state, TAGGED } from './reach.ts'

const boundary = (template: Template) =>
  statements(template).flatMap(({ id, statement }) => (id === 'ServerBoundary' ? [statement] : []))
const limit = (draft: Draft, sid: string) => roleStatement(draft, sid, 'ServerBoundary')
/** With credentials that AWS has handed to an instance. */
const call = (action: string, on: string, given: Readonly<Record<string, string>> = OF_US) =>
  asked(action, on, { ...given, 'aws:EC2InstanceSourceVPC': 'vpc-1' })
const REGION = OF_US['aws:RequestedRegion']
const DOCUMENTS = 'terrace-prod-documents-1abc2def'

const SERVERS: Reach[] = [
  {
    holds: 'a server reaches the buckets of stages, and nothing of the state bucket',
    of: boundary,
    may: [
      call('s3:GetObject', bucket(`${DOCUMENTS}/terrace/originals/1`)),
      call('s3:DeleteObject', bucket(`${DOCUMENTS}/terrace/originals/1`)),
      call('s3:ListBucket', bucket(DOCUMENTS)),
      // Where AWS does not say whose it is.
      call('s3:GetObject', bucket(`${DOCUMENTS}/terrace/originals/1`), { 'aws:RequestedRegion': REGION }),
    ],
    mayNot: [
      call('s3:GetObject', bucket('payroll/2026.csv')),
      call('s3:ListBucket', bucket('payroll')),
      call('s3:PutObject', state('stages/prod/images/live.json')),
      call('s3:GetObject', state('image-sets/1.json')),
      call('s3:GetObject', state('bakes/1/source.tar')),
      call('s3:PutObject', state('bakes/1/done.json')),
      // Of somebody else, who gave a bucket such a name.
      call('s3:PutObject', bucket('terrace-prod-elsewhere/1'), {
        ...OF_US,
        'aws:ResourceAccount': '999999999999',
      }),
    ],
    breaks: {
      'every bucket': (draft) => {
        limit(draft, 'Buckets').Resource = '*'
      },
      'what bakes work with': (draft) => {
        const statement = limit(draft, 'Buckets')
        statement.Resource = [...list(statement.Resource).map(String), state('bakes/*')]
      },
      'only where it is known whose a bucket is': (draft) => {
        const condition = limit(draft, 'NothingElsewhere').Condition
        if (typeof condition === 'object') Reflect.deleteProperty(Object(condition), 'Null')
      },
      'buckets of others': (draft) => {
        limit(draft, 'NothingElsewhere').Action = ['secretsmanager:*']
      },
    },
  },
  {
    holds: 'a server reads secrets that are ours, by their tag',
    of: boundary,
    may: [call('secretsmanager:GetSecretValue', here('secretsmanager', 'secret:AuthSecret-1-2'), TAGGED)],
    mayNot: [
      call('secretsmanager:GetSecretValue', here('secretsmanager', 'secret:payroll-1')),
      call('secretsmanager:GetSecretValue', here('secretsmanager', 'secret:rds!db-1')),
      call('secretsmanager:GetSecretValue', here('secretsmanager', 'secret:AuthSecret-1-2'), {
        ...TAGGED,
        'aws:ResourceAccount': '999999999999',
      }),
    ],
    breaks: {
      'every secret': (draft) => {
        delete limit(draft, 'Secrets').Condition
      },
      'secrets of others': (draft) => {
        limit(draft, 'NothingElsewhere').Action = ['s3:*']
      },
    },
  },
  {
    holds: 'a server reads parameters of ours',
    of: boundary,
    may: [call('ssm:GetParametersByPath', here('ssm', 'parameter/terrace/prod/api'))],
    mayNot: [
      call('ssm:GetParametersByPath', here('ssm', 'parameter/payroll')),
      call('ssm:GetParametersByPath', here('ssm', 'parameter/')),
    ],
    breaks: {
      'every parameter': (draft) => {
        limit(draft, 'Settings').Resource = here('ssm', 'parameter/*')
      },
    },
  },
  {
    holds: 'a server opens channels of Session Manager in its region, and reads no parameter by it',
    of: boundary,
    may: [
      call('ssm:UpdateInstanceInformation', here('ec2', 'instance/i-1')),
      call('ssmmessages:OpenDataChannel', '*'),
    ],
    mayNot: [
      call('ssmmessages:OpenDataChannel', '*', { ...OF_US, 'aws:RequestedRegion': 'us-east-1' }),
      call('ssm:GetParameter', here('ssm', 'parameter/payroll')),
      call('ssm:SendCommand', here('ec2', 'instance/i-1')),
    ],
    breaks: {
      'in every region': (draft) => {
        delete limit(draft, 'Sessions').Condition
      },
      'commands too': (draft) => {
        limit(draft, 'Sessions').Action = ['ssm:*', 'ssmmessages:*']
      },
    },
  },
  {
    holds: 'a server searches the domains of stages, and changes none',
    of: boundary,
    may: [call('es:ESHttpPost', here('es', 'domain/terrace-prod-search/_msearch'))],
    mayNot: [
      call('es:ESHttpGet', here('es', 'domain/payroll/_search')),
      call('es:UpdateDomainConfig', here('es', 'domain/terrace-prod-search')),
    ],
    breaks: {
      'every domain': (draft) => {
        limit(draft, 'Search').Resource = '*'
      },
      'their settings': (draft) => {
        limit(draft, 'Search').Action = ['es:*']
      },
    },
  },
  {
    holds: 'a server writes into log groups of stages',
    of: boundary,
    may: [call('logs:PutLogEvents', here('logs', 'log-group:terrace-dev-ApiLogs-1:log-stream:i-1'))],
    mayNot: [
      call('logs:PutLogEvents', here('logs', 'log-group:payroll:log-stream:i-1')),
      call('logs:DescribeLogStreams', here('logs', 'log-group:payroll')),
    ],
    breaks: {
      'every group': (draft) => {
        limit(draft, 'Logs').Resource = here('logs', '*')
      },
    },
  },
  {
    holds: 'a server ends waits of stages’ groups',
    of: boundary,
    may: [
      call(
        'autoscaling:CompleteLifecycleAction',
        here('autoscaling', 'autoScalingGroup:1-2:autoScalingGroupName/terrace-staging-WebGroup-1'),
      ),
      call('autoscaling:DescribeAutoScalingInstances', '*'),
    ],
    mayNot: [
      call(
        'autoscaling:CompleteLifecycleAction',
        here('autoscaling', 'autoScalingGroup:1-2:autoScalingGroupName/payroll'),
      ),
    ],
    breaks: {
      'every group': (draft) => {
        limit(draft, 'OwnGroups').Resource = '*'
      },
    },
  },
  {
    holds: 'a server sends metrics of ours, and asks models',
    of: boundary,
    may: [
      call('cloudwatch:PutMetricData', '*', { ...OF_US, 'cloudwatch:namespace': 'Terrace' }),
      // Wherever its profile sends it.
      call('bedrock:InvokeModel', 'arn:aws:bedrock:eu-north-1::foundation-model/meta.llama3-2-3b'),
      call('bedrock:InvokeModel', here('bedrock', 'inference-profile/eu.meta.llama3-2-3b')),
    ],
    mayNot: [
      call('cloudwatch:PutMetricData', '*', { ...OF_US, 'cloudwatch:namespace': 'AWS/EC2' }),
      call('bedrock:InvokeModel', here('bedrock', 'provisioned-model/1')),
    ],
    breaks: {
      'every metric': (draft) => {
        limit(draft, 'Metrics').Condition = {
          StringEquals: { 'aws:RequestedRegion': OF_US['aws:RequestedRegion'] },
        }
      },
      'whatever answers': (draft) => {
        limit(draft, 'Models').Resource = '*'
      },
    },
  },
]

const DATA = [
  ['s3:GetObject', bucket(`${DOCUMENTS}/terrace/originals/1`)],
  ['secretsmanager:GetSecretValue', here('secretsmanager', 'secret:AuthSecret-1-2')],
  ['ssm:GetParametersByPath', here('ssm', 'parameter/terrace/prod/api')],
  ['bedrock:InvokeModel', here('bedrock', 'inference-profile/eu.meta.llama3-2-3b')],
] as const
SERVERS.push(
  {
    holds: 'a role of a server’s reads nothing for anybody who is none, whomever it lets become it',
    of: boundary,
    may: DATA.map(([action, on]) => call(action, on, TAGGED)),
    mayNot: DATA.map(([action, on]) => asked(action, on, TAGGED)),
    breaks: {
      anybody: (draft) => {
        limit(draft, 'OnlyServers').Action = ['iam:*']
      },
    },
  },
  {
    holds: 'a server signs in to databases as the application',
    of: boundary,
    may: [call('rds-db:connect', here('rds-db', 'dbuser:db-1A/terrace_app'))],
    mayNot: [call('rds-db:connect', here('rds-db', 'dbuser:db-1A/postgres'))],
    breaks: {
      'as anybody': (draft) => {
        limit(draft, 'Databases').Resource = here('rds-db', 'dbuser:*/*')
      },
    },
  },
)

export const SERVER_PROMISES: readonly Promised[] = SERVERS.map(reaches)
