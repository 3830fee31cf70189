// An alarm is something that a person would act on: it says what it means for the people who use Terrace, and names the
// page that says what to do. One that only feeds another says so, and tells nobody.
import { join, type Options, type Resource, type Stack, type Text } from '../cfn.ts'

export type Alarm = Resource<'AWS::CloudWatch::Alarm'>
/** An alarm over the states of others. */
export type StateAlarm = Resource<'AWS::CloudWatch::CompositeAlarm'>

export interface Metric {
  readonly namespace: string
  readonly metric: string
  readonly dimensions: Readonly<Record<string, Text>>
  /** `Sum`, `Minimum`, … , a percentile, `p99`, or the part of values up to one, `PR(:5000)`. */
  readonly statistic: string
}

/** A number made of several metrics, over one period. */
export interface Reckoned {
  readonly metrics: Readonly<Record<string, Metric>>
  /**
   * CloudWatch's metric math, as far as alarms take it (infra/rules/reckoning.ts); each may use the metrics and the ones before
   * it. The last is what counts.
   */
  readonly expressions: Readonly<Record<string, string>>
}

interface Bounds {
  readonly comparison: 'GreaterThanThreshold' | 'LessThanThreshold'
  readonly threshold: number
  /** Of so many periods of `seconds`, so many have to be bad. */
  readonly periods: readonly [bad: number, of: number]
  /** Default 60. */
  readonly seconds?: number
  /** What no data means. */
  readonly missing: 'breaching' | 'notBreaching'
}
type Watch = Bounds & (Metric | Reckoned)

/** @param actions empty for one that only feeds another */
export function alarm(
  stack: Stack,
  id: string,
  actions: readonly Text[],
  /** What it means for people, in a sentence. */
  consequence: string,
  runbook: string,
  watch: Watch,
  options: Options = {},
): Alarm {
  const seconds = watch.seconds ?? 60
  return stack.add(
    id,
    'AWS::CloudWatch::Alarm',
    {
      AlarmDescription: description(consequence, runbook),
      ...('expressions' in watch ? { Metrics: queries(watch, seconds) } : single(watch, seconds)),
      DatapointsToAlarm: watch.periods[0],
      EvaluationPeriods: watch.periods[1],
      ComparisonOperator: watch.comparison,
      Threshold: watch.threshold,
      TreatMissingData: watch.missing,
      AlarmActions: actions,
    },
    options,
  )
}

const description = (consequence: string, runbook: string) =>
  `${consequence} What to do: docs/runbooks/${runbook}.md`

const dimensionsOf = ({ dimensions }: Metric) =>
  Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value }))

function single(metric: Metric, seconds: number) {
  const { namespace, metric: name, statistic } = metric
  return {
    Namespace: namespace,
    MetricName: name,
    Dimensions: dimensionsOf(metric),
    ...(/^[A-Z][a-z]/.test(statistic) ? { Statistic: statistic } : { ExtendedStatistic: statistic }),
    Period: seconds,
  }
}

function queries({ metrics, expressions }: Reckoned, seconds: number) {
  const last = Object.keys(expressions).at(-1)
  return [
    ...Object.entries(metrics).map(([Id, metric]) => ({
      Id,
      MetricStat: {
        Metric: { Namespace: metric.namespace, MetricName: metric.metric, Dimensions: dimensionsOf(metric) },
        Stat: metric.statistic,
        Period: seconds,
      },
      ReturnData: false,
    })),
    ...Object.entries(expressions).map(([Id, Expression]) => ({ Id, Expression, ReturnData: Id === last })),
  ]
}

/** A condition over the states of alarms, as CloudWatch writes it. */
export type Condition = readonly Text[]

export const inAlarm = ({ ref }: Alarm | StateAlarm): Condition => ['ALARM("', ref, '")']
const joined = (word: string, conditions: readonly Condition[]): Condition => [
  '(',
  ...conditions.flatMap((one, index) => (index === 0 ? one : [` ${word} `, ...one])),
  ')',
]
/** At least one of them. */
export const anyOf = (...conditions: readonly Condition[]): Condition => joined('OR', conditions)
export const allOf = (...conditions: readonly Condition[]): Condition => joined('AND', conditions)

/**
 * An alarm over others; it tells when it begins and, unlike a single one, when it is over.
 * @param actions empty for one that only feeds another
 */
export function stateAlarm(
  stack: Stack,
  id: string,
  actions: readonly Text[],
  consequence: string,
  runbook: string,
  condition: Condition,
): StateAlarm {
  return stack.add(id, 'AWS::CloudWatch::CompositeAlarm', {
    AlarmDescription: description(consequence, runbook),
    AlarmRule: join('', ...condition),
    AlarmActions: actions,
    OKActions: actions,
  })
}
