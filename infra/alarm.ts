// An alarm is something that a person would act on: it says what it means for the people who use Terrace, and names the
// page that says what to do.
import type { Resource, Stack, Text } from './cfn.ts'

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
