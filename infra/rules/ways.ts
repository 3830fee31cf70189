// Rules for the ways that requests, documents and logs take: each leads where it should, and what passes is written down.
import type { Template } from '../cfn.ts'
import { at, list, ofType, property, refersTo } from '../reading.ts'
import { attributes, change, each, type Rule, setAttribute } from './rule.ts'

/** Who writes which part of the log bucket. */
const WRITERS = [
  ['alb', 'logdelivery.elasticloadbalancing.amazonaws.com'],
  ['flow', 'delivery.logs.amazonaws.com'],
  ['s3', 'logging.s3.amazonaws.com'],
] as const

/** A text of the template, with its substitutions in it as far as they are texts. */
function written(value: unknown): string {
  const [text, values] = list(at(value, 'Fn::Sub') ?? value)
  return Object.entries(values ?? {}).reduce(
    (whole, [name, one]) => (typeof one === 'string' ? whole.replaceAll(`\${${name}}`, one) : whole),
    String(text),
  )
}

const actionOf = (template: Template, listener: string) => ({
  balancer: refersTo(property(template.Resources[listener], 'LoadBalancerArn')),
  targets: refersTo(property(template.Resources[listener], 'DefaultActions.0.TargetGroupArn')),
})

export const WAYS_RULES: readonly Rule[] = [
  {
    holds:
      'documents come and go past the NAT gateways, from every subnet with a way out, to this account only',
    violations: (template, stage) => {
      const endpoints = ofType(template, 'AWS::EC2::VPCEndpoint').filter(([, endpoint]) =>
        written(property(endpoint, 'ServiceName')).endsWith('.s3'),
      )
      const [[, endpoint] = []] = endpoints
      if (endpoint === undefined) return ['there is no way to S3 of its own']
      const leadsOut = ofType(template, 'AWS::EC2::Route').map(([, route]) =>
        refersTo(property(route, 'RouteTableId')),
      )
      const joined = list(property(endpoint, 'RouteTableIds')).map(refersTo)
      const statements = list(property(endpoint, 'PolicyDocument.Statement'))
      const account = at(statements[0], 'Condition.StringEquals.aws:ResourceAccount')
      return [
        ...(property(endpoint, 'VpcEndpointType') === 'Gateway' ? [] : ['S3Endpoint: costs by the hour']),
        ...leadsOut.filter((id) => !joined.includes(id)).map((id) => `${id}: pays for documents`),
        ...(statements.length === 1 && account === stage.account ? [] : ['S3Endpoint: leads to any bucket']),
      ]
    },
    breaks: {
      'no endpoint': (draft) => {
        delete draft.Resources.S3Endpoint
      },
      'one by the hour': (draft) => change(draft, 'S3Endpoint', 'VpcEndpointType', 'Interface'),
      'one zone without it': (draft) =>
        change(draft, 'S3Endpoint', 'RouteTableIds', [{ Ref: 'PublicRoutes' }, { Ref: 'AppARoutes' }]),
      'any bucket': (draft) => change(draft, 'S3Endpoint', 'PolicyDocument', undefined),
      'somebody else’s': (draft) =>
        change(
          draft,
          'S3Endpoint',
          'PolicyDocument.Statement.0.Condition.StringEquals.aws:ResourceAccount',
          '999999999999',
        ),
    },
  },
  {
    holds: 'whatever passes in the network is written down',
    violations: (template) => {
      const [[, log] = []] = ofType(template, 'AWS::EC2::FlowLog')
      if (log === undefined) return ['nothing is']
      if (refersTo(property(log, 'ResourceId')) !== 'Vpc' || property(log, 'ResourceType') !== 'VPC')
        return ['FlowLog: not of the whole network']
      if (property(log, 'TrafficType') !== 'ALL') return ['FlowLog: of a part']
      const bucket = at(property(log, 'LogDestination'), 'Fn::Sub.1.bucket')
      if (refersTo(bucket) !== 'Logs') return ['FlowLog: goes nowhere']
      return log.DependsOn?.includes('LogsPolicy') ? [] : ['FlowLog: may write before it is allowed to']
    },
    breaks: {
      nothing: (draft) => {
        delete draft.Resources.FlowLog
      },
      'a subnet': (draft) => change(draft, 'FlowLog', 'ResourceId', { Ref: 'AppSubnetA' }),
      'what was refused': (draft) => change(draft, 'FlowLog', 'TrafficType', 'REJECT'),
      'another bucket': (draft) => change(draft, 'FlowLog', 'LogDestination', 'arn:aws:s3:::other'),
      'before its policy': (draft) => {
        delete draft.Resources.FlowLog?.DependsOn
      },
    },
  },
  {
    holds: 'who writes logs may write them, each its own part and for this account only',
    violations: (template, stage) => {
      const statements = list(property(template.Resources.LogsPolicy, 'PolicyDocument.Statement'))
      return WRITERS.flatMap(([folder, service]) => {
        const own = statements.filter(
          (one) =>
            at(one, 'Effect') === 'Allow' &&
            at(one, 'Principal.Service') === service &&
            list(at(one, 'Action')).includes('s3:PutObject'),
        )
        const [statement] = own
        if (own.length !== 1) return [`${service}: may not`]
        if (!written(at(statement, 'Resource')).startsWith(`\${arn}/${folder}/`))
          return [`${service}: writes elsewhere`]
        return JSON.stringify(at(statement, 'Condition') ?? '').includes(stage.account)
          ? []
          : [`${service}: writes for anybody`]
      })
    },
    breaks: {
      ...Object.fromEntries(
        [1, 2, 4].map((index) => [
          `statement ${index}`,
          (draft) => change(draft, 'LogsPolicy', `PolicyDocument.Statement.${index}.Effect`, 'Deny'),
        ]),
      ),
      'for anybody': (draft) =>
        change(draft, 'LogsPolicy', 'PolicyDocument.Statement.1.Condition', undefined),
      everywhere: (draft) =>
        change(draft, 'LogsPolicy', 'PolicyDocument.Statement.2.Resource', { 'Fn::Sub': '${Logs.Arn}/*' }),
    },
  },
  {
    holds: 'logs end after the days that the stage says',
    violations: (template, stage) => [
      ...each(
        template,
        'AWS::Logs::LogGroup',
        (group) => property(group, 'RetentionInDays') !== stage.logDays && 'does not',
      ),
      ...(list(property(template.Resources.Logs, 'LifecycleConfiguration.Rules')).some(
        (rule) => at(rule, 'Status') === 'Enabled' && at(rule, 'ExpirationInDays') === stage.logDays,
      )
        ? []
        : ['Logs: do not']),
    ],
    breaks: {
      'a group': (draft) => change(draft, 'WebLogs', 'RetentionInDays', undefined),
      'the bucket': (draft) => change(draft, 'Logs', 'LifecycleConfiguration', undefined),
      'a rule that is off': (draft) =>
        change(draft, 'Logs', 'LifecycleConfiguration.Rules.0.Status', 'Disabled'),
    },
  },
  {
    holds:
      'the world’s requests go to web servers, and theirs to API servers, an answer’s watchers to its server',
    violations: (template, stage) => {
      const door = stage.entrance.kind === 'plain-http' ? 'HttpListener' : 'HttpsListener'
      const lines = (
        [
          [door, 'ExternalBalancer', 'WebTargets'],
          ['InternalListener', 'InternalBalancer', 'ApiTargets'],
        ] as const
      ).flatMap(([listener, balancer, targets]) => {
        const found = actionOf(template, listener)
        return found.balancer === balancer && found.targets === targets ? [] : [`${listener}: leads astray`]
      })
      const schemes = [
        ['ExternalBalancer', 'internet-facing'],
        ['InternalBalancer', 'internal'],
      ] as const
      const api = template.Resources.ApiTargets
      const sticky = api && attributes(api, 'TargetGroupAttributes')
      return [
        ...lines,
        ...schemes.flatMap(([id, scheme]) =>
          property(template.Resources[id], 'Scheme') === scheme ? [] : [`${id}: stands elsewhere`],
        ),
        ...(sticky?.['stickiness.enabled'] === 'true' && sticky['stickiness.type'] === 'lb_cookie'
          ? []
          : ['ApiTargets: watchers meet another server']),
      ]
    },
    breaks: {
      'no web server': (draft) => change(draft, 'HttpsListener', 'DefaultActions', []),
      'no API server': (draft) => {
        delete draft.Resources.InternalListener
      },
      'past the web servers': (draft) =>
        change(draft, 'HttpsListener', 'DefaultActions.0.TargetGroupArn', { Ref: 'ApiTargets' }),
      'an API for the world': (draft) => change(draft, 'InternalBalancer', 'Scheme', 'internet-facing'),
      'pages for nobody': (draft) => change(draft, 'ExternalBalancer', 'Scheme', 'internal'),
      'any server': (draft) =>
        setAttribute(draft, 'ApiTargets', 'TargetGroupAttributes', 'stickiness.enabled', 'false'),
      'by a cookie of ours': (draft) =>
        setAttribute(draft, 'ApiTargets', 'TargetGroupAttributes', 'stickiness.type', 'app_cookie'),
    },
  },
]
