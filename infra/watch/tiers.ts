// Alarms of a tier by what load balancers and Auto Scaling say of it.
import type { Alerts } from '../alerts.ts'
import type { Balanced } from '../balancing.ts'
import type { Resource, Stack, Text } from '../cfn.ts'
import { capital, type Tier } from '../environment.ts'
import { type Network, ZONES } from '../network.ts'
import type { Stage } from '../stage-schema.ts'
import { type Alarm, alarm } from './alarm.ts'

const targetsOf = ({ balancer, targets }: Balanced) => ({
  LoadBalancer: balancer.att('LoadBalancerFullName'),
  TargetGroup: targets.att('TargetGroupFullName'),
})

/** Seconds; above it pages or answers don't begin soon enough, and the group grows. */
const SLOW_SECONDS = 2

export type RollAlarms = Readonly<Record<'errors' | 'unready', Alarm>>

/**
 * Those that end a roll: while new servers come up, each sends everything back to the ones before. Answers that fail
 * are not among them: mostly their model is away, which no server's image can help.
 */
export function rollAlarms(stack: Stack, tier: Tier, balanced: Balanced, { tell }: Alerts): RollAlarms {
  const name = capital(tier)
  const shared = {
    namespace: 'AWS/ApplicationELB',
    dimensions: targetsOf(balanced),
    comparison: 'GreaterThanThreshold',
    // Neither is counted where there is nothing to count; a zone without servers has alarms of its own.
    missing: 'notBreaching',
  } as const
  const meaning = tier === 'web' ? 'People get error pages.' : 'Questions, uploads and lists fail.'
  return {
    errors: alarm(stack, `${name}Errors`, tell, meaning, 'errors', {
      ...shared,
      metric: 'HTTPCode_Target_5XX_Count',
      statistic: 'Sum',
      threshold: 5,
      periods: [2, 3],
    }),
    unready: alarm(
      stack,
      `${name}Unready`,
      tell,
      'A server gets no requests: others do its part.',
      'unready-servers',
      {
        ...shared,
        metric: 'UnHealthyHostCount',
        statistic: 'Maximum',
        threshold: 0,
        periods: [3, 3],
      },
    ),
  }
}

/** The one alarm whose action is a server more. */
export function growthAlarm(stack: Stack, tier: Tier, balanced: Balanced, grow: Text): void {
  alarm(
    stack,
    `${capital(tier)}Slow`,
    [grow],
    'Pages or answers begin late; a server is being added.',
    'slow',
    {
      namespace: 'AWS/ApplicationELB',
      metric: 'TargetResponseTime',
      dimensions: targetsOf(balanced),
      statistic: 'p95',
      comparison: 'GreaterThanThreshold',
      threshold: SLOW_SECONDS,
      periods: [3, 5],
      // Nobody asks.
      missing: 'notBreaching',
    },
  )
}

/** A zone without a server. It ends no roll, during which a zone may be empty for a moment. */
function emptyZoneAlarms(
  stack: Stack,
  stage: Stage,
  tier: Tier,
  network: Network,
  balanced: Balanced,
  { tell }: Alerts,
): Alarm[] {
  const watch = {
    namespace: 'AWS/ApplicationELB',
    metric: 'HealthyHostCount',
    statistic: 'Minimum',
    comparison: 'LessThanThreshold',
    threshold: 1,
    periods: [5, 5],
    // Not counted where no server is registered.
    missing: 'breaching',
  } as const
  const id = `${capital(tier)}NoHealthyHost`
  const dimensions = targetsOf(balanced)
  // With one server, one of the zones has none, and that is as it should be.
  if (stage[tier].min === 1) {
    const meaning = 'There is no server: nothing can be used.'
    return [alarm(stack, id, tell, meaning, 'unready-servers', { ...watch, dimensions })]
  }
  return ([0, 1] as const).map((index) => {
    const AvailabilityZone = network.subnets.public[index].att('AvailabilityZone')
    const meaning = 'A zone has no server: the other one carries everything, and nothing is behind it.'
    return alarm(stack, `${id}${ZONES[index]}`, tell, meaning, 'unready-servers', {
      ...watch,
      dimensions: { ...dimensions, AvailabilityZone },
    })
  })
}

/** Those of a tier that has servers, beside what ends a roll: its zones, and what else there is to see from outside. */
export function tierAlarms(
  stack: Stack,
  stage: Stage,
  tier: Tier,
  group: Resource<'AWS::AutoScaling::AutoScalingGroup'>,
  network: Network,
  balanced: Balanced,
  alerts: Alerts,
): { readonly zones: readonly Alarm[]; readonly others: readonly Alarm[] } {
  const zones = emptyZoneAlarms(stack, stage, tier, network, balanced, alerts)
  const name = capital(tier)
  const { tell } = alerts
  const latency = alarm(
    stack,
    `${name}Latency`,
    tell,
    'One request in a hundred waits five seconds for its first byte.',
    'slow',
    {
      namespace: 'AWS/ApplicationELB',
      metric: 'TargetResponseTime',
      dimensions: targetsOf(balanced),
      statistic: 'p99',
      comparison: 'GreaterThanThreshold',
      threshold: 5,
      periods: [10, 15],
      // Nobody asks.
      missing: 'notBreaching',
    },
  )
  // A group that can't grow has no maximum to be at.
  if (stage[tier].max === stage[tier].min) return { zones, others: [latency] }
  const full = alarm(
    stack,
    `${name}AtMaximum`,
    tell,
    'More people than these servers are for: it gets slow.',
    'at-maximum',
    {
      namespace: 'AWS/AutoScaling',
      metric: 'GroupInServiceInstances',
      dimensions: { AutoScalingGroupName: group.ref },
      statistic: 'Minimum',
      comparison: 'GreaterThanThreshold',
      threshold: stage[tier].max - 1,
      periods: [15, 15],
      // Auto Scaling counts every minute, also to 0.
      missing: 'breaching',
    },
  )
  return { zones, others: [latency, full] }
}
