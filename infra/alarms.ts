// Alarms: each is something that a person would act on, says what it means for the people who use Terrace, and names
// the page that says what to do.
import type { Balanced, Balancing } from './balancing.ts'
import type { Resource, Stack, Text } from './cfn.ts'
import type { Database } from './database.ts'
import { capital, TIERS, type Tier } from './environment.ts'
import { type Network, ZONES } from './network.ts'
import type { Stage } from './stage-schema.ts'

export type Alarm = Resource<'AWS::CloudWatch::Alarm'>

interface Watch {
  readonly namespace: string
  readonly metric: string
  readonly dimensions: Readonly<Record<string, Text>>
  /** `Sum`, `Minimum`, … or a percentile, `p99`. */
  readonly statistic: string
  readonly comparison: 'GreaterThanThreshold' | 'LessThanThreshold'
  readonly threshold: number
  /** Of so many periods of `seconds`, so many have to be bad. */
  readonly periods: readonly [bad: number, of: number]
  readonly seconds?: number
  /** What no data means. */
  readonly missing: 'breaching' | 'notBreaching'
}

export function alarm(
  stack: Stack,
  id: string,
  actions: readonly Text[],
  /** What it means for people, in a sentence. */
  consequence: string,
  runbook: string,
  watch: Watch,
): Alarm {
  const percentile = /^p\d/.test(watch.statistic)
  return stack.add(id, 'AWS::CloudWatch::Alarm', {
    AlarmDescription: `${consequence} What to do: docs/runbooks/${runbook}.md`,
    Namespace: watch.namespace,
    MetricName: watch.metric,
    Dimensions: Object.entries(watch.dimensions).map(([Name, Value]) => ({ Name, Value })),
    ...(percentile ? { ExtendedStatistic: watch.statistic } : { Statistic: watch.statistic }),
    Period: watch.seconds ?? 60,
    DatapointsToAlarm: watch.periods[0],
    EvaluationPeriods: watch.periods[1],
    ComparisonOperator: watch.comparison,
    Threshold: watch.threshold,
    TreatMissingData: watch.missing,
    AlarmActions: actions,
  })
}

const targetsOf = ({ balancer, targets }: Balanced) => ({
  LoadBalancer: balancer.att('LoadBalancerFullName'),
  TargetGroup: targets.att('TargetGroupFullName'),
})

/** Those that end a roll: while new servers come up, each sends everything back to the ones before. */
export function rollAlarms(
  stack: Stack,
  stage: Stage,
  tier: Tier,
  network: Network,
  balanced: Balanced,
  alerts: Resource<'AWS::SNS::Topic'>,
): Alarm[] {
  const name = capital(tier)
  const actions = [alerts.ref]
  const dimensions = targetsOf(balanced)
  const errors = alarm(
    stack,
    `${name}Errors`,
    actions,
    tier === 'web' ? 'People get error pages.' : 'Questions, uploads and lists fail.',
    'errors',
    {
      namespace: 'AWS/ApplicationELB',
      metric: 'HTTPCode_Target_5XX_Count',
      dimensions,
      statistic: 'Sum',
      comparison: 'GreaterThanThreshold',
      threshold: 5,
      periods: [2, 3],
      // Only counted while there are requests.
      missing: 'notBreaching',
    },
  )
  // With one server, one of the zones has none, and that is as it should be.
  const zones = stage[tier].min > 1 ? ([0, 1] as const) : ([undefined] as const)
  const empty = zones.map((zone) =>
    alarm(
      stack,
      `${name}NoHealthyHost${zone === undefined ? '' : ZONES[zone]}`,
      actions,
      zone === undefined
        ? 'There is no server: nothing can be used.'
        : 'A zone has no server: the other one carries everything, and nothing is behind it.',
      'no-healthy-host',
      {
        namespace: 'AWS/ApplicationELB',
        metric: 'HealthyHostCount',
        dimensions: {
          ...dimensions,
          ...(zone !== undefined && {
            AvailabilityZone: network.subnets.public[zone].att('AvailabilityZone'),
          }),
        },
        statistic: 'Minimum',
        comparison: 'LessThanThreshold',
        threshold: 1,
        periods: [3, 3],
        // Not counted where no server is registered.
        missing: 'breaching',
      },
    ),
  )
  return [errors, ...empty]
}

const GIB = 1024 ** 3

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

/** Roll alarms of both tiers. */
export function allRollAlarms(
  stack: Stack,
  stage: Stage,
  network: Network,
  balancing: Balancing,
  alerts: Resource<'AWS::SNS::Topic'>,
): Readonly<Record<Tier, readonly Alarm[]>> {
  const [api, web] = TIERS.map((tier) => rollAlarms(stack, stage, tier, network, balancing[tier], alerts))
  return { api: api ?? [], web: web ?? [] }
}
