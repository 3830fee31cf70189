// Rules for the load balancers: who comes in, how, and to which servers.
import { PORTS, SECONDS, STAY_COOKIE } from '../../contract/ports.ts'
import { at, list, ofType, property, refersTo } from '../reading.ts'
import { isLocked } from '../stages.ts'
import { attributes, change, each, type Rule, setAttribute } from './rule.ts'

const BALANCER = 'AWS::ElasticLoadBalancingV2::LoadBalancer'
const TARGETS = 'AWS::ElasticLoadBalancingV2::TargetGroup'
const LISTENER = 'AWS::ElasticLoadBalancingV2::Listener'

/** AWS takes any key until it creates the resource; these are those that we use, as its reference spells them. */
const KNOWN: Readonly<Record<string, readonly [property: string, keys: readonly string[]]>> = {
  [BALANCER]: [
    'LoadBalancerAttributes',
    [
      'access_logs.s3.bucket',
      'access_logs.s3.enabled',
      'access_logs.s3.prefix',
      'deletion_protection.enabled',
      'idle_timeout.timeout_seconds',
      'routing.http.drop_invalid_header_fields.enabled',
      'routing.http.xff_header_processing.mode',
    ],
  ],
  [TARGETS]: [
    'TargetGroupAttributes',
    [
      'deregistration_delay.timeout_seconds',
      'load_balancing.algorithm.type',
      'stickiness.app_cookie.cookie_name',
      'stickiness.app_cookie.duration_seconds',
      'stickiness.enabled',
      'stickiness.lb_cookie.duration_seconds',
      'stickiness.type',
    ],
  ],
  [LISTENER]: [
    'ListenerAttributes',
    ['routing.http.response.server.enabled', 'routing.http.response.strict_transport_security.header_value'],
  ],
}

export const BALANCING_RULES: readonly Rule[] = [
  {
    holds: 'attributes of load balancers, targets and listeners are spelt as AWS spells them',
    violations: (template) =>
      Object.entries(KNOWN).flatMap(([type, [name, keys]]) =>
        each(template, type, (resource) => {
          const unknown = Object.keys(attributes(resource, name)).filter((key) => !keys.includes(key))
          return unknown.length > 0 && `has ${unknown.join(', ')}`
        }),
      ),
    breaks: {
      balancer: (draft) =>
        setAttribute(
          draft,
          'ExternalBalancer',
          'LoadBalancerAttributes',
          'idle_timeout.timeout_second',
          '60',
        ),
      targets: (draft) =>
        setAttribute(draft, 'ApiTargets', 'TargetGroupAttributes', 'stickiness.enable', 'true'),
      listener: (draft) =>
        setAttribute(draft, 'HttpsListener', 'ListenerAttributes', 'routing.http.hsts', '1'),
    },
  },
  {
    holds:
      'load balancers drop damaged headers, log, wait longer than streams are silent, and are locked as the stage is',
    violations: (template, stage) =>
      each(template, BALANCER, (balancer) => {
        const has = attributes(balancer, 'LoadBalancerAttributes')
        const idle = Number(has['idle_timeout.timeout_seconds'])
        if (has['routing.http.drop_invalid_header_fields.enabled'] !== 'true')
          return 'passes damaged headers on'
        if (has['access_logs.s3.enabled'] !== 'true') return 'logs nothing'
        if (!balancer.DependsOn?.includes('LogsPolicy')) return 'may log before it is allowed to'
        if (!(idle > SECONDS.streamPing * 3))
          return `waits ${idle} s, and streams are silent for ${SECONDS.streamPing} s`
        if (!(SECONDS.keepAlive > idle)) return `waits ${idle} s, servers close after ${SECONDS.keepAlive} s`
        return (
          has['deletion_protection.enabled'] !== String(isLocked(stage)) && 'is not locked as the stage is'
        )
      }),
    breaks: {
      headers: (draft) =>
        setAttribute(
          draft,
          'InternalBalancer',
          'LoadBalancerAttributes',
          'routing.http.drop_invalid_header_fields.enabled',
          'false',
        ),
      logs: (draft) =>
        setAttribute(draft, 'ExternalBalancer', 'LoadBalancerAttributes', 'access_logs.s3.enabled', 'false'),
      'logs before their policy': (draft) => {
        delete draft.Resources.ExternalBalancer?.DependsOn
      },
      'shorter than three silences': (draft) =>
        setAttribute(
          draft,
          'ExternalBalancer',
          'LoadBalancerAttributes',
          'idle_timeout.timeout_seconds',
          '45',
        ),
      'longer than servers keep a connection': (draft) =>
        setAttribute(
          draft,
          'InternalBalancer',
          'LoadBalancerAttributes',
          'idle_timeout.timeout_seconds',
          '125',
        ),
      lock: (draft) =>
        setAttribute(
          draft,
          'ExternalBalancer',
          'LoadBalancerAttributes',
          'deletion_protection.enabled',
          'false',
        ),
    },
  },
  {
    holds: 'people come by HTTPS, and whoever comes by HTTP is sent there, unless the stage says otherwise',
    violations: (template, stage) => {
      const outside = ofType(template, LISTENER).filter(
        ([, listener]) => refersTo(listener.Properties.LoadBalancerArn) === 'ExternalBalancer',
      )
      if (stage.entrance.kind === 'plain-http') return []
      const secure = outside.filter(([, { Properties: p }]) => p.Protocol === 'HTTPS' && p.Port === 443)
      const lines = outside.flatMap(([id, listener]) => {
        if (property(listener, 'Protocol') === 'HTTPS') {
          if (list(property(listener, 'Certificates')).length !== 1) return [`${id}: has no certificate`]
          return String(property(listener, 'SslPolicy')).startsWith('ELBSecurityPolicy-TLS13-1-2-')
            ? []
            : [`${id}: takes old TLS`]
        }
        return property(listener, 'DefaultActions.0.RedirectConfig.Protocol') === 'HTTPS'
          ? []
          : [`${id}: answers in clear`]
      })
      const sent = outside.some(
        ([, { Properties: p }]) =>
          p.Protocol === 'HTTP' &&
          p.Port === 80 &&
          at(list(p.DefaultActions)[0], 'RedirectConfig.StatusCode') === 'HTTP_301',
      )
      return [
        ...lines,
        ...(secure.length === 1 ? [] : ['there is no HTTPS']),
        ...(sent ? [] : ['whoever comes by HTTP finds nothing']),
      ]
    },
    breaks: {
      'no HTTPS': (draft) => {
        delete draft.Resources.HttpsListener
      },
      'nobody is sent': (draft) => {
        delete draft.Resources.HttpListener
      },
      'sent for now': (draft) =>
        change(draft, 'HttpListener', 'DefaultActions.0.RedirectConfig.StatusCode', 'HTTP_302'),
      'in clear': (draft) =>
        change(draft, 'HttpListener', 'DefaultActions', [
          { Type: 'forward', TargetGroupArn: { Ref: 'WebTargets' } },
        ]),
      'old TLS': (draft) => change(draft, 'HttpsListener', 'SslPolicy', 'ELBSecurityPolicy-2016-08'),
      'no certificate': (draft) => change(draft, 'HttpsListener', 'Certificates', undefined),
    },
  },
  {
    holds: 'no two listeners of a load balancer share a port, no two rules of a listener a priority',
    violations: (template) => {
      const twice = (type: string, of: string, by: string) => {
        const places = ofType(template, type).map(
          ([, r]) => `${JSON.stringify(r.Properties[of])} ${String(r.Properties[by])}`,
        )
        return places
          .filter((place, index) => places.indexOf(place) !== index)
          .map((place) => `twice: ${place}`)
      }
      return [
        ...twice(LISTENER, 'LoadBalancerArn', 'Port'),
        ...twice('AWS::ElasticLoadBalancingV2::ListenerRule', 'ListenerArn', 'Priority'),
      ]
    },
    breaks: {
      port: (draft) => change(draft, 'HttpListener', 'Port', 443),
      priority: (draft) => {
        for (const id of ['RuleA', 'RuleB'])
          draft.Resources[id] = {
            Type: 'AWS::ElasticLoadBalancingV2::ListenerRule',
            Properties: { ListenerArn: { Ref: 'HttpsListener' }, Priority: 1 },
          }
      },
    },
  },
  {
    holds:
      'a server gets requests by /readyz alone: two checks of 10 s each way, and 60 s to hand its streams over',
    violations: (template) =>
      each(template, TARGETS, (targets) => {
        const { Properties: p } = targets
        const port = Number(p.Port)
        if (port !== PORTS.api && port !== PORTS.web) return `asks port ${port}`
        if (p.HealthCheckPath !== '/readyz' || property(targets, 'Matcher.HttpCode') !== '200')
          return 'asks something else'
        if (
          p.HealthCheckIntervalSeconds !== 10 ||
          p.HealthyThresholdCount !== 2 ||
          p.UnhealthyThresholdCount !== 2
        )
          return 'asks at another pace'
        const delay = attributes(targets, 'TargetGroupAttributes')['deregistration_delay.timeout_seconds']
        return delay !== String(SECONDS.stop) && `lets it go after ${String(delay)} s`
      }),
    breaks: {
      path: (draft) => change(draft, 'ApiTargets', 'HealthCheckPath', '/healthz'),
      port: (draft) => change(draft, 'WebTargets', 'Port', 80),
      code: (draft) => change(draft, 'WebTargets', 'Matcher', { HttpCode: '200-499' }),
      pace: (draft) => change(draft, 'WebTargets', 'HealthCheckIntervalSeconds', undefined),
      delay: (draft) =>
        setAttribute(
          draft,
          'ApiTargets',
          'TargetGroupAttributes',
          'deregistration_delay.timeout_seconds',
          '300',
        ),
    },
  },
  {
    holds:
      'a browser stays with one web server by the cookie that its pages set, for 15 minutes at most; AWS’s own cookie is the internal load balancer’s alone',
    violations: (template) =>
      each(template, TARGETS, (targets) => {
        const has = attributes(targets, 'TargetGroupAttributes')
        const isWeb = Number(targets.Properties.Port) === PORTS.web
        if (has['stickiness.enabled'] !== 'true') return 'keeps nobody'
        if (has['stickiness.type'] !== (isWeb ? 'app_cookie' : 'lb_cookie'))
          return 'goes by the other layer’s kind of cookie'
        if (!isWeb) return false
        const name = String(has['stickiness.app_cookie.cookie_name'])
        if (name.startsWith('AWSALB')) return `goes by ${name}, which is reserved`
        if (name !== STAY_COOKIE.name) return `goes by ${name}, which no server sets`
        const seconds = Number(has['stickiness.app_cookie.duration_seconds'])
        if (seconds !== STAY_COOKIE.seconds) return `keeps for ${seconds} s, and pages for another time`
        return !(seconds <= 900) && `keeps for ${seconds} s`
      }),
    breaks: {
      'web servers in turn': (draft) =>
        setAttribute(draft, 'WebTargets', 'TargetGroupAttributes', 'stickiness.enabled', 'false'),
      'API servers in turn': (draft) =>
        setAttribute(draft, 'ApiTargets', 'TargetGroupAttributes', 'stickiness.enabled', 'false'),
      'one cookie for both layers': (draft) =>
        setAttribute(draft, 'WebTargets', 'TargetGroupAttributes', 'stickiness.type', 'lb_cookie'),
      'a cookie that the API does not set': (draft) =>
        setAttribute(draft, 'ApiTargets', 'TargetGroupAttributes', 'stickiness.type', 'app_cookie'),
      'a reserved name': (draft) =>
        setAttribute(
          draft,
          'WebTargets',
          'TargetGroupAttributes',
          'stickiness.app_cookie.cookie_name',
          'AWSALBTERRACE',
        ),
      'a name that nobody sets': (draft) =>
        setAttribute(
          draft,
          'WebTargets',
          'TargetGroupAttributes',
          'stickiness.app_cookie.cookie_name',
          'terrace.session_token',
        ),
      'for a day': (draft) =>
        setAttribute(
          draft,
          'WebTargets',
          'TargetGroupAttributes',
          'stickiness.app_cookie.duration_seconds',
          '86400',
        ),
      'as long as AWS thinks': (draft) =>
        change(
          draft,
          'WebTargets',
          'TargetGroupAttributes',
          list(draft.Resources.WebTargets?.Properties.TargetGroupAttributes).filter(
            (entry) => at(entry, 'Key') !== 'stickiness.app_cookie.duration_seconds',
          ),
        ),
    },
  },
]
