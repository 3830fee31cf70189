// Rules for what alarms reckon: over how long, by which functions and statistics, and of what. CloudWatch refuses some of it
// only when the alarm is made, and some it takes and means something else by it.
import type { TemplateResource } from '../cfn.ts'
import { at, list, property } from '../reading.ts'
import { metricsOf } from './alarms.ts'
import { change, type Draft, each, type Rule } from './rule.ts'

const ALARM = 'AWS::CloudWatch::Alarm'

/** CloudWatch's limits: seconds of all periods together, metrics and expressions of one alarm, characters of one. */
const LIMITS = {
  shortPeriods: 86_400,
  longPeriods: 604_800,
  metrics: 10,
  expressions: 10,
  expression: 2_048,
} as const

/**
 * Functions that work on each point by itself, and so mean the same in an alarm as in a picture. Of all that metric math has,
 * AWS's guide ("Using math expressions with CloudWatch metrics"):
 * - refuses SEARCH in alarms, because it may be several series; for the same reason METRICS, SORT, SLICE, REMOVE_EMPTY and
 *   ANOMALY_DETECTION_BAND give no alarm anything to look at by themselves;
 * - advises against SUM, AVG, MIN, MAX, STDDEV, DATAPOINT_COUNT, RUNNING_SUM: an alarm fetches more points than
 *   it has periods, and these would reckon with all of them;
 * - takes RATE and DIFF, which need the point before, and DB_PERF_INSIGHTS, for which it makes a role of its own in the account
 *   ("Using service-linked roles for CloudWatch"): no alarm of ours has a use for them.
 */
const FUNCTIONS: ReadonlySet<string> = new Set(['FILL', 'IF'])

/**
 * With a number only: REPEAT keeps the last value for as long as nothing comes, LINEAR invents some. FILL also fills a newest
 * minute whose data is merely late, so what it stands in looks at a window that is longer than that, or at more than
 * one of its periods; a window that lacks its last minute is a sum of a little less.
 */
const FILLED = /FILL\(\w+, \d+\)/g
/** Data of a minute is there by then. */
const LATE_SECONDS = 300

/**
 * What PutMetricAlarm takes, and MetricStat with it; of the extended ones those that are used here. Of a percentile and a
 * percentile rank, `PR(:N)`, CloudWatch needs the values themselves, and none of them negative.
 */
const STATISTIC = /^(SampleCount|Sum|Average|Minimum|Maximum|p\d{1,2}(\.\d+)?|PR\(\d*:\d+\))$/

/** What anybody can raise who sends requests that no server of ours ever sees. */
const BY_STRANGERS: Readonly<Record<string, string>> = {
  HTTPCode_ELB_4XX_Count: 'requests that are none',
  HTTPCode_ELB_5XX_Count: '501 and 505 too: transfer codings and versions that load balancers don’t know',
  ClientTLSNegotiationErrorCount: 'whoever speaks an old TLS, or none',
}

const queriesOf = (alarm: TemplateResource) => list(property(alarm, 'Metrics'))
const expressionsOf = (queries: readonly unknown[]) =>
  queries.map((query) => at(query, 'Expression')).filter((text) => typeof text === 'string')
const isRatio = (queries: readonly unknown[]) => expressionsOf(queries).some((text) => text.includes('/'))

/** What CloudWatch would not make of these expressions; undefined when all is well. */
function misreckoned(queries: readonly unknown[]): string | undefined {
  const known = new Set<string>()
  for (const query of queries) {
    const [id, text] = [String(at(query, 'Id')), at(query, 'Expression')]
    if (!/^[a-z]\w*$/.test(id) || known.has(id)) return `calls something ${id}`
    if (typeof text === 'string') {
      if (text.length > LIMITS.expression) return 'is too long'
      const words = [...text.matchAll(/[A-Za-z_]\w*/g)].map(([word]) => word)
      const strange = words.find((word) => !FUNCTIONS.has(word) && !known.has(word))
      if (strange !== undefined) return `reckons with ${strange}`
      const fills = words.filter((word) => word === 'FILL').length
      if (fills !== [...text.matchAll(FILLED)].length) return 'fills with something else than a number'
    }
    known.add(id)
  }
  const expressions = expressionsOf(queries).length
  if (expressions > LIMITS.expressions || queries.length - expressions > LIMITS.metrics)
    return 'looks at more than CloudWatch takes'
  return undefined
}

/** Adds to one expression of a draft. */
const reckon = (draft: Draft, id: string, query: number, text: string) =>
  change(draft, id, `Metrics.${query}.Expression`, text)
/** Where the last expression of `AnswersFastLong` stands: two metrics, good, bad, failing. */
const LAST = 4

export const RECKONING_RULES: readonly Rule[] = [
  {
    holds: 'an alarm looks back no further than CloudWatch does, and a ratio over exactly one period',
    violations: (template) =>
      each(template, ALARM, (alarm) => {
        const periods = [
          property(alarm, 'Period'),
          ...list(property(alarm, 'Metrics')).map((query) => at(query, 'MetricStat.Period')),
        ].flatMap((period) => (period === undefined ? [] : [Number(period)]))
        const [period = 0] = periods
        const count = Number(property(alarm, 'EvaluationPeriods'))
        if (new Set(periods).size !== 1 || period % 60 !== 0) return 'has no one period'
        if (period * count > (period < 3_600 ? LIMITS.shortPeriods : LIMITS.longPeriods))
          return 'looks back too far'
        if (Number(property(alarm, 'DatapointsToAlarm')) > count) return 'can never be'
        const queries = list(property(alarm, 'Metrics'))
        if (queries.length === 0) return false
        if (queries.filter((query) => at(query, 'ReturnData') === true).length !== 1)
          return 'has no one result'
        // Of sums, each period has one of its own; a ratio is right only of the whole window.
        return count !== 1 && isRatio(queries) && 'counts windows that overlap'
      }),
    breaks: {
      'two days of minutes': (draft) => change(draft, 'ApiErrors', 'EvaluationPeriods', 2_880),
      'eight days of hours': (draft) => {
        change(draft, 'ApiErrors', 'Period', 3_600)
        change(draft, 'ApiErrors', 'EvaluationPeriods', 192)
      },
      'two periods in one': (draft) => change(draft, 'AnswersFastLong', 'Metrics.0.MetricStat.Period', 300),
      'half a minute': (draft) => change(draft, 'ApiErrors', 'Period', 30),
      'more than all': (draft) => change(draft, 'ApiErrors', 'DatapointsToAlarm', 9),
      'windows of windows': (draft) => change(draft, 'AnswersFastLong', 'EvaluationPeriods', 2),
      'two results': (draft) => change(draft, 'AnswersFastLong', 'Metrics.0.ReturnData', true),
    },
  },
  {
    holds:
      'an alarm reckons by what CloudWatch takes in alarms, and by nothing that reckons with more points than it has',
    violations: (template) =>
      each(template, ALARM, (alarm) => {
        const queries = queriesOf(alarm)
        const hasFilled = expressionsOf(queries).some((text) => text.includes('FILL('))
        const seconds = Number(at(queries[0], 'MetricStat.Period'))
        if (hasFilled && seconds < LATE_SECONDS && property(alarm, 'EvaluationPeriods') === 1)
          return 'may look at nothing but a minute that is late'
        return queries.length > 0 && misreckoned(queries)
      }),
    breaks: {
      ...Object.fromEntries(
        [
          "SEARCH('{Terrace} AnswersFailed', 'Sum')",
          'METRICS()',
          'SUM([served, failed])',
          'AVG(bad)',
          'RUNNING_SUM(bad)',
          'RATE(bad)',
          'DB_PERF_INSIGHTS(bad)',
          'fill(bad, 0)',
          'FILL(bad, REPEAT)',
          'FILL(bad, LINEAR)',
          'FILL(bad, good)',
          'worse + 1',
          'SELECT MAX(MemoryUsed) FROM Terrace',
        ].map((text) => [text, (draft: Draft) => reckon(draft, 'AnswersFastLong', LAST, text)]),
      ),
      'one minute alone': (draft) => {
        change(draft, 'BalancerErrors', 'EvaluationPeriods', 1)
        change(draft, 'BalancerErrors', 'DatapointsToAlarm', 1)
      },
      'what comes later': (draft) => reckon(draft, 'AnswersFastLong', LAST - 1, 'failing + 1'),
      'a name that begins with a capital': (draft) =>
        change(draft, 'AnswersFastLong', 'Metrics.0.Id', 'Served'),
      'one name twice': (draft) => change(draft, 'AnswersFastLong', 'Metrics.0.Id', 'failed'),
      'eleven metrics': (draft) => {
        const [first, ...others] = list(draft.Resources.AnswersFastLong?.Properties.Metrics)
        const more = Array.from({ length: 9 }, (_, index) => ({ ...(first as object), Id: `more${index}` }))
        change(draft, 'AnswersFastLong', 'Metrics', [first, ...more, ...others])
      },
      'a very long one': (draft) =>
        reckon(draft, 'AnswersFastLong', LAST, `bad${' + 1'.repeat(LIMITS.expression / 4)}`),
    },
  },
  {
    holds: 'an alarm’s statistic is one that alarms can have',
    violations: (template) =>
      each(template, ALARM, (alarm) => {
        const all = [
          property(alarm, 'Statistic'),
          property(alarm, 'ExtendedStatistic'),
          ...queriesOf(alarm).map((query) => at(query, 'MetricStat.Stat')),
        ].filter((one) => one !== undefined)
        if (all.length === 0) return 'has none'
        const [strange] = all.filter((one) => !STATISTIC.test(String(one)))
        return strange !== undefined && `asks for ${String(strange)}`
      }),
    breaks: {
      'the median by its name': (draft) => change(draft, 'ApiLatency', 'ExtendedStatistic', 'Median'),
      'a percentile above all': (draft) => change(draft, 'ApiLatency', 'ExtendedStatistic', 'p100.5'),
      'a rank without an end': (draft) =>
        change(draft, 'FirstTokensSlow', 'Metrics.1.MetricStat.Stat', 'PR(5000)'),
      none: (draft) => change(draft, 'ApiErrors', 'Statistic', undefined),
    },
  },
  {
    holds: 'no alarm counts what strangers can raise as they like',
    violations: (template) =>
      each(template, ALARM, (alarm) => {
        const [raised] = metricsOf(alarm).filter((name) => BY_STRANGERS[name] !== undefined)
        return raised !== undefined && `counts ${raised}: ${BY_STRANGERS[raised]}`
      }),
    breaks: {
      'every 5xx of the load balancer': (draft) =>
        change(draft, 'BalancerErrors', 'Metrics.0.MetricStat.Metric.MetricName', 'HTTPCode_ELB_5XX_Count'),
      'the same among what was promised': (draft) =>
        change(
          draft,
          'RequestsFastShort',
          'Metrics.4.MetricStat.Metric.MetricName',
          'HTTPCode_ELB_5XX_Count',
        ),
    },
  },
]
