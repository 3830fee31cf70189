// A line of the log that carries metrics: CloudWatch's embedded metric format (AWS: "Specification: embedded metric
// format"). CloudWatch Logs takes the numbers out of it; to everything else it is a line like any other. Both tiers
// write it, and alarms find the numbers by what stands here and in metrics.ts.
import { METRIC_NAMESPACE, METRICS, type MetricDimensions, type MetricName } from './metrics.ts'

/** Values of one metric in one line; AWS leaves out a line that has more. */
export const VALUES_A_LINE = 100

/** In the metric's unit. Each value of an array counts by itself, in averages and percentiles too. */
export type MetricValues = Partial<Record<MetricName, number | readonly number[]>>

/**
 * What lines have to have at their root, one object a line; none when there is nothing to say. More than 100 values of
 * a metric go on in further lines. What is no finite number is left out: JSON has no other, and AWS would refuse the line.
 * @param at milliseconds since 1970
 */
export function metricLines(dimensions: MetricDimensions, at: number, values: MetricValues): object[] {
  const all = (Object.entries(values) as [MetricName, number | readonly number[]][]).map(
    ([name, given]) => [name, [given].flat().filter(Number.isFinite)] as const,
  )
  const lines: object[] = []
  for (let from = 0; all.some(([, { length }]) => length > from); from += VALUES_A_LINE) {
    const here = all
      .map(([name, given]) => [name, given.slice(from, from + VALUES_A_LINE)] as const)
      .filter(([, { length }]) => length > 0)
    const directive = {
      Namespace: METRIC_NAMESPACE,
      Dimensions: [['Stage', 'Tier']],
      Metrics: here.map(([name]) => ({ Name: name, Unit: METRICS[name].unit })),
    }
    lines.push({
      _aws: { Timestamp: at, CloudWatchMetrics: [directive] },
      Stage: dimensions.Stage,
      Tier: dimensions.Tier,
      ...Object.fromEntries(here.map(([name, given]) => [name, given.length === 1 ? given[0] : given])),
    })
  }
  return lines
}
