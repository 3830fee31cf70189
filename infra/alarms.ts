// The alarms of a stage, by what they watch: ways in and out, servers, database.
import { type Alarm, alarm } from './alarm.ts'
import type { Balanced, Balancing } from './balancing.ts'
import type { Resource, Stack } from './cfn.ts'
import type { Database } from './database.ts'
import { capital, type Tier } from './environment.ts'
import { DATABASE_CLASSES } from './instance-types.ts'
import { type Network, ZONES } from './network.ts'
import type { Stage } from './stage-schema.ts'

const targetsOf = ({ balancer, targets }: Balanced) => ({
  LoadBalancer: balancer.att('LoadBalancerFullName'),
  TargetGroup: targets.att('TargetGroupFullName'),
})

/** Those that end a roll: while new servers come up, each sends everything back to the ones before. */
function rollAlarms(
  stack: Stack,
  tier: Tier,
  balanced: Balanced,
  alerts: Resource<'AWS::SNS::Topic'>,
): Alarm[] {
  const name = capital(tier)
  const actions = [alerts.ref]
  const shared = {
    namespace: 'AWS/ApplicationELB',
    dimensions: targetsOf(balanced),
    comparison: 'GreaterThanThreshold',
    // Neither is counted where there is nothing to count; a zone without servers has alarms of its own.
    missing: 'notBreaching',
  } as const
  const meaning = tier === 'web' ? 'People get error pages.' : 'Questions, uploads and lists fail.'
  return [
    alarm(stack, `${name}Errors`, actions, meaning, 'errors', {
      ...shared,
      metric: 'HTTPCode_Target_5XX_Count',
      statistic: 'Sum',
      threshold: 5,
      periods: [2, 3],
    }),
    alarm(
      stack,
      `${name}Unready`,
      actions,
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
  ]
}

/** Roll alarms of both tiers. */
export function allRollAlarms(
  stack: Stack,
  balancing: Balancing,
  alerts: Resource<'AWS::SNS::Topic'>,
): Readonly<Record<Tier, readonly Alarm[]>> {
  return {
    api: rollAlarms(stack, 'api', balancing.api, alerts),
    web: rollAlarms(stack, 'web', balancing.web, alerts),
  }
}

/** A zone without a server. It ends no roll, during which a zone may be empty for a moment. */
function emptyZoneAlarms(
  stack: Stack,
  stage: Stage,
  tier: Tier,
  network: Network,
  balanced: Balanced,
  alerts: Resource<'AWS::SNS::Topic'>,
): void {
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
    alarm(stack, id, [alerts.ref], meaning, 'unready-servers', { ...watch, dimensions })
    return
  }
  for (const index of [0, 1] as const) {
    const AvailabilityZone = network.subnets.public[index].att('AvailabilityZone')
    const meaning = 'A zone has no server: the other one carries everything, and nothing is behind it.'
    alarm(stack, `${id}${ZONES[index]}`, [alerts.ref], meaning, 'unready-servers', {
      ...watch,
      dimensions: { ...dimensions, AvailabilityZone },
    })
  }
}

const GIB = 1024 ** 3
/** RDS's own default: a connection for every 9,531,392 bytes, 5,000 at most. */
const maxConnections = (stage: Stage): number =>
  Math.min(5_000, (DATABASE_CLASSES[stage.database.instanceClass].memoryGiB * GIB) / 9_531_392)

/** Those of the database, which is there before any server. */
export function databaseAlarms(
  stack: Stack,
  stage: Stage,
  database: Database,
  alerts: Resource<'AWS::SNS::Topic'>,
): Alarm[] {
  const actions = [alerts.ref]
  const of = (instance: Database['primary']) =>
    ({
      namespace: 'AWS/RDS',
      dimensions: { DBInstanceIdentifier: instance.ref },
      // RDS reports every minute; silence means that it is not there.
      missing: 'breaching',
    }) as const
  const primary = of(database.primary)
  const common = [
    alarm(stack, 'DatabaseCpu', actions, 'Answers and lists get slow.', 'database-load', {
      ...primary,
      metric: 'CPUUtilization',
      statistic: 'Average',
      comparison: 'GreaterThanThreshold',
      threshold: 85,
      periods: [10, 15],
    }),
    alarm(
      stack,
      'DatabaseStorage',
      actions,
      'A full disk stops every upload and every answer.',
      'database-storage',
      {
        ...primary,
        metric: 'FreeStorageSpace',
        statistic: 'Minimum',
        comparison: 'LessThanThreshold',
        // RDS makes room by itself at a tenth; this is when it did not.
        threshold: Math.max(2, stage.database.storageGiB * 0.07) * GIB,
        periods: [5, 5],
      },
    ),
    alarm(
      stack,
      'DatabaseMemory',
      actions,
      'Memory runs out: answers get slow, then PostgreSQL restarts.',
      'database-load',
      {
        ...primary,
        metric: 'FreeableMemory',
        statistic: 'Minimum',
        comparison: 'LessThanThreshold',
        threshold: 0.15 * GIB,
        periods: [5, 5],
      },
    ),
  ]
  common.push(
    alarm(
      stack,
      'DatabaseConnections',
      actions,
      'The next server finds no connection, and stays unready.',
      'database-load',
      {
        ...primary,
        metric: 'DatabaseConnections',
        statistic: 'Maximum',
        comparison: 'GreaterThanThreshold',
        threshold: Math.floor(0.8 * maxConnections(stage)),
        periods: [5, 5],
      },
    ),
  )
  if (!database.replica) return common
  return [
    ...common,
    alarm(
      stack,
      'DatabaseReplicaLag',
      actions,
      'Lists are read on the primary, which gets slower.',
      'replica-lag',
      {
        ...of(database.replica),
        metric: 'ReplicaLag',
        statistic: 'Maximum',
        comparison: 'GreaterThanThreshold',
        threshold: 30,
        periods: [5, 5],
      },
    ),
  ]
}

/** Those of the ways in and out, which are there before any server. */
export function networkAlarms(
  stack: Stack,
  network: Network,
  balancing: Balancing,
  alerts: Resource<'AWS::SNS::Topic'>,
): void {
  const actions = [alerts.ref]
  alarm(stack, 'BalancerErrors', actions, 'People get errors that no server has made.', 'errors', {
    namespace: 'AWS/ApplicationELB',
    metric: 'HTTPCode_ELB_5XX_Count',
    dimensions: { LoadBalancer: balancing.web.balancer.att('LoadBalancerFullName') },
    statistic: 'Sum',
    comparison: 'GreaterThanThreshold',
    threshold: 5,
    periods: [2, 3],
    missing: 'notBreaching',
  })
  for (const nat of network.nats)
    alarm(stack, `${nat.id}Ports`, actions, 'Calls to model endpoints and to AWS fail now and then.', 'nat', {
      namespace: 'AWS/NATGateway',
      metric: 'ErrorPortAllocation',
      dimensions: { NatGatewayId: nat.ref },
      statistic: 'Sum',
      comparison: 'GreaterThanThreshold',
      threshold: 0,
      periods: [3, 5],
      missing: 'notBreaching',
    })
  if (balancing.certificate === undefined) return
  alarm(stack, 'CertificateExpiry', actions, 'In three weeks browsers refuse the address.', 'certificate', {
    namespace: 'AWS/CertificateManager',
    metric: 'DaysToExpiry',
    dimensions: { CertificateArn: balancing.certificate },
    statistic: 'Minimum',
    comparison: 'LessThanThreshold',
    threshold: 21,
    periods: [1, 1],
    seconds: 86_400,
    // Reported twice a day, and not at all for a certificate of today.
    missing: 'notBreaching',
  })
}

/** Those of a tier that has servers, beside what ends a roll. */
export function tierAlarms(
  stack: Stack,
  stage: Stage,
  tier: Tier,
  group: Resource<'AWS::AutoScaling::AutoScalingGroup'>,
  network: Network,
  balanced: Balanced,
  alerts: Resource<'AWS::SNS::Topic'>,
): void {
  emptyZoneAlarms(stack, stage, tier, network, balanced, alerts)
  const name = capital(tier)
  const actions = [alerts.ref]
  alarm(
    stack,
    `${name}Latency`,
    actions,
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
      missing: 'notBreaching',
    },
  )
  // A group that can't grow has no maximum to be at.
  if (stage[tier].max === stage[tier].min) return
  alarm(
    stack,
    `${name}AtMaximum`,
    actions,
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
      missing: 'breaching',
    },
  )
}
