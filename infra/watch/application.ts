// Alarms on what servers measure of themselves (contract/metrics.ts), once a minute, as a tier: a number is that of the
// worst of its servers, or of all of them.
import { METRIC_NAMESPACE, type MetricDimensions, type MetricName } from '../../contract/metrics.ts'
import type { Alerts } from '../alerts.ts'
import type { Resource, Stack } from '../cfn.ts'
import { capital, type Tier } from '../environment.ts'
import { type Alarm, alarm, type Metric } from './alarm.ts'

type Bounds = Omit<Parameters<typeof alarm>[5], keyof Metric | 'metrics' | 'expressions'>
interface Kind {
  /** The alarm's name after its tier's. */
  readonly name: string
  readonly metric: MetricName
  readonly statistic: string
  readonly consequence: string
  readonly runbook: string
  readonly bounds: Bounds
}

/** A metric of this stage's tier, as programs write it. */
export function measured(
  stage: string,
  tier: MetricDimensions['Tier'],
  metric: MetricName,
  statistic: string,
): Metric {
  return { namespace: METRIC_NAMESPACE, metric, dimensions: { Stage: stage, Tier: tier }, statistic }
}

const above = (
  threshold: number,
  periods: readonly [number, number],
  missing: Bounds['missing'],
  seconds = 60,
): Bounds => ({ comparison: 'GreaterThanThreshold', threshold, periods, missing, seconds })

const MACHINE: readonly Kind[] = [
  {
    name: 'Memory',
    metric: 'MemoryUsed',
    statistic: 'Maximum',
    consequence: 'A server runs out of memory: what runs on it ends in the middle of a sentence.',
    runbook: 'memory-and-disk',
    // Every server of every tier reports it: the one alarm that hears silence for all that servers measure.
    bounds: above(90, [10, 15], 'breaching'),
  },
  {
    name: 'Disk',
    metric: 'DiskUsed',
    statistic: 'Maximum',
    consequence: 'A server runs out of disk: it takes no upload, and keeps no index.',
    runbook: 'memory-and-disk',
    // Silence is heard by Memory.
    bounds: above(85, [5, 5], 'notBreaching'),
  },
  {
    name: 'ImageAge',
    metric: 'ImageAge',
    statistic: 'Maximum',
    consequence: 'Servers lack the security updates of a month.',
    runbook: 'image-age',
    // Silence is heard by Memory; it does not get worse by the minute.
    bounds: above(30, [1, 1], 'notBreaching', 3_600),
  },
]

const KINDS: Readonly<Record<Tier, readonly Kind[]>> = {
  web: MACHINE,
  api: [
    {
      name: 'FirstToken',
      metric: 'TimeToFirstToken',
      statistic: 'p95',
      consequence: 'One answer in twenty begins after more than ten seconds.',
      runbook: 'slow',
      // Nobody asks.
      bounds: above(10_000, [3, 3], 'notBreaching', 300),
    },
    {
      name: 'AnswersFailing',
      metric: 'AnswersFailed',
      statistic: 'Sum',
      consequence: 'Questions end without an answer.',
      runbook: 'answers',
      // Written as 0 while none fails; silence is heard by Memory.
      bounds: above(5, [2, 3], 'notBreaching', 300),
    },
    {
      name: 'IndexLag',
      metric: 'IndexLag',
      statistic: 'Maximum',
      consequence: 'A server does not find the newest documents.',
      runbook: 'index-lag',
      // No server can say how far behind its index is: they may all be.
      // A large import has every server at work for a while, none of them stuck.
      bounds: above(120, [5, 5], 'breaching'),
    },
    {
      name: 'IngestQueueAge',
      metric: 'IngestQueueAge',
      statistic: 'Maximum',
      consequence: 'Somebody’s document has been waiting for an hour to be found.',
      runbook: 'ingest-queue',
      // Read from the database: what keeps that away has alarms of its own.
      bounds: above(3_600, [3, 3], 'notBreaching', 300),
    },
    {
      name: 'DeadLetters',
      metric: 'DeadLetters',
      statistic: 'Maximum',
      consequence: 'Work was given up for good, and nobody will take it up by itself.',
      runbook: 'dead-letters',
      // Read from the database, like the queue's age.
      bounds: above(0, [1, 1], 'notBreaching', 300),
    },
    ...MACHINE,
  ],
}

/** @param stage its name, as servers are told it (TERRACE_STAGE) */
export function applicationAlarms(
  stack: Stack,
  stage: string,
  tier: Tier,
  group: Resource<'AWS::AutoScaling::AutoScalingGroup'>,
  { tell }: Alerts,
): Alarm[] {
  return KINDS[tier].map(({ name, metric, statistic, consequence, runbook, bounds }) =>
    alarm(
      stack,
      `${capital(tier)}${name}`,
      tell,
      consequence,
      runbook,
      { ...bounds, ...measured(stage, tier, metric, statistic) },
      // So that the first servers are at least on their way.
      { DependsOn: [group] },
    ),
  )
}
