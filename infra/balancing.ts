// Load balancers: the external one is the only thing the world can reach, the internal one stands between web and API.
// Both outlive every server, so their addresses stay.
import { API_PATHS, PORTS, PUBLIC_PATHS, SECONDS, STAY_COOKIE } from '../contract/ports.ts'
import { type Resource, type Stack, sub, type Text } from './cfn.ts'
import { INTERNAL_PORT, type Network } from './network.ts'
import type { Stage } from './stage-schema.ts'
import { isLocked } from './stages.ts'
import type { LogBucket } from './storage.ts'

export interface Balanced {
  readonly balancer: Resource<'AWS::ElasticLoadBalancingV2::LoadBalancer'>
  readonly targets: Resource<'AWS::ElasticLoadBalancingV2::TargetGroup'>
  /** Has to be there before servers join the targets. */
  readonly listener: Resource<'AWS::ElasticLoadBalancingV2::Listener'>
}
export interface Balancing {
  readonly web: Balanced
  readonly api: Balanced
  /** Where people find the stage. */
  readonly publicUrl: Text
  /** Its ARN; undefined where people come without encryption. */
  readonly certificate: Text | undefined
}

/** Seconds and checks until a server gets requests, or no longer gets them. */
export const HEALTH = { interval: 10, timeout: 5, healthy: 2, unhealthy: 2 } as const
/** Seconds that a leaving server's streams have to be handed over. */
const DRAIN_SECONDS = SECONDS.stop
/** TLS 1.2 and 1.3 with forward secrecy. */
const TLS_POLICY = 'ELBSecurityPolicy-TLS13-1-2-2021-06'

type Attributes = Readonly<Record<string, Text>>
const attributes = (values: Attributes) => Object.entries(values).map(([Key, Value]) => ({ Key, Value }))

export function balancing(stack: Stack, stage: Stage, network: Network, logs: LogBucket): Balancing {
  const balancer = (id: string, scheme: 'internet-facing' | 'internal') => {
    const isPublic = scheme === 'internet-facing'
    return stack.add(
      `${id}Balancer`,
      'AWS::ElasticLoadBalancingV2::LoadBalancer',
      {
        Type: 'application',
        Scheme: scheme,
        SecurityGroups: [network.groups[isPublic ? 'external' : 'internal'].att('GroupId')],
        Subnets: network.subnets[isPublic ? 'public' : 'app'].map((subnet) => subnet.ref),
        LoadBalancerAttributes: attributes({
          'idle_timeout.timeout_seconds': String(SECONDS.albIdle),
          'routing.http.drop_invalid_header_fields.enabled': 'true',
          // Servers count entries from the right end: ours is the last one.
          'routing.http.xff_header_processing.mode': 'append',
          'access_logs.s3.enabled': 'true',
          'access_logs.s3.bucket': logs.bucket.ref,
          'access_logs.s3.prefix': 'alb',
          'deletion_protection.enabled': String(isLocked(stage)),
        }),
      },
      { DependsOn: [logs.policy, ...network.waysOut.slice(0, 1)] },
    )
  }
  const external = balancer('External', 'internet-facing')
  const internal = balancer('Internal', 'internal')
  const webTargets = targets(stack, network, 'Web', PORTS.web, PUBLIC_PATHS.readyz, {
    // During a roll another server may not have the files of a browser's page. By a cookie of ours, since the one that AWS
    // names (AWSALB) can be one layer's only, and passes here: docs/decisions/0022-sticky-web.md.
    'stickiness.enabled': 'true',
    'stickiness.type': 'app_cookie',
    'stickiness.app_cookie.cookie_name': STAY_COOKIE.name,
    'stickiness.app_cookie.duration_seconds': String(STAY_COOKIE.seconds),
  })
  const apiTargets = targets(stack, network, 'Api', PORTS.api, API_PATHS.readyz, {
    // An answer and who watches it mostly meet on one server: the web server passes this cookie on.
    'stickiness.enabled': 'true',
    'stickiness.type': 'lb_cookie',
    'stickiness.lb_cookie.duration_seconds': '3600',
  })
  const { listener, ...entry } = entrance(stack, stage, external, webTargets)
  return {
    web: { balancer: external, targets: webTargets, listener },
    api: {
      balancer: internal,
      targets: apiTargets,
      listener: stack.add('InternalListener', 'AWS::ElasticLoadBalancingV2::Listener', {
        LoadBalancerArn: internal.ref,
        Port: INTERNAL_PORT,
        Protocol: 'HTTP',
        DefaultActions: [{ Type: 'forward', TargetGroupArn: apiTargets.ref }],
      }),
    },
    ...entry,
  }
}

function targets(
  stack: Stack,
  network: Network,
  id: string,
  port: number,
  readyz: string,
  more: Attributes,
): Resource<'AWS::ElasticLoadBalancingV2::TargetGroup'> {
  return stack.add(`${id}Targets`, 'AWS::ElasticLoadBalancingV2::TargetGroup', {
    VpcId: network.vpc.ref,
    TargetType: 'instance',
    Protocol: 'HTTP',
    Port: port,
    HealthCheckPath: readyz,
    HealthCheckIntervalSeconds: HEALTH.interval,
    HealthCheckTimeoutSeconds: HEALTH.timeout,
    HealthyThresholdCount: HEALTH.healthy,
    UnhealthyThresholdCount: HEALTH.unhealthy,
    Matcher: { HttpCode: '200' },
    TargetGroupAttributes: attributes({
      'deregistration_delay.timeout_seconds': String(DRAIN_SECONDS),
      // Streams stay open for minutes: who has fewest of them is next, not whose turn it is.
      'load_balancing.algorithm.type': 'least_outstanding_requests',
      ...more,
    }),
  })
}

type Listener = Balanced['listener']
function entrance(
  stack: Stack,
  stage: Stage,
  external: Balanced['balancer'],
  web: Balanced['targets'],
): { listener: Listener } & Pick<Balancing, 'publicUrl' | 'certificate'> {
  const forward = [{ Type: 'forward', TargetGroupArn: web.ref }]
  const http = (
    actions:
      | typeof forward
      | { Type: string; RedirectConfig: { [key: string]: string; StatusCode: string } }[],
  ) =>
    stack.add('HttpListener', 'AWS::ElasticLoadBalancingV2::Listener', {
      LoadBalancerArn: external.ref,
      Port: 80,
      Protocol: 'HTTP',
      DefaultActions: actions,
    })
  if (stage.entrance.kind === 'plain-http') {
    const publicUrl = sub('http://${host}', { host: external.att('DNSName') })
    return { listener: http(forward), publicUrl, certificate: undefined }
  }

  http([{ Type: 'redirect', RedirectConfig: { Protocol: 'HTTPS', Port: '443', StatusCode: 'HTTP_301' } }])
  const arn = certificate(stack, stage.entrance)
  const listener = stack.add('HttpsListener', 'AWS::ElasticLoadBalancingV2::Listener', {
    LoadBalancerArn: external.ref,
    Port: 443,
    Protocol: 'HTTPS',
    SslPolicy: TLS_POLICY,
    Certificates: [{ CertificateArn: arn }],
    ListenerAttributes: attributes({
      'routing.http.response.strict_transport_security.header_value': 'max-age=31536000',
      'routing.http.response.server.enabled': 'false',
    }),
    DefaultActions: forward,
  })
  if (stage.entrance.kind === 'hosted-zone')
    stack.add('Address', 'AWS::Route53::RecordSet', {
      HostedZoneId: stage.entrance.zone,
      Name: stage.entrance.domain,
      Type: 'A',
      AliasTarget: {
        HostedZoneId: external.att('CanonicalHostedZoneID'),
        DNSName: external.att('DNSName'),
        EvaluateTargetHealth: false,
      },
    })
  return { listener, publicUrl: `https://${stage.entrance.domain}`, certificate: arn }
}

function certificate(stack: Stack, entrance: Exclude<Stage['entrance'], { kind: 'plain-http' }>): Text {
  if (entrance.kind === 'certificate') return entrance.certificate
  return stack.add('Certificate', 'AWS::CertificateManager::Certificate', {
    DomainName: entrance.domain,
    ValidationMethod: 'DNS',
    DomainValidationOptions: [{ DomainName: entrance.domain, HostedZoneId: entrance.zone }],
  }).ref
}
