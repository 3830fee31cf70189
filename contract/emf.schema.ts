// For tests: a line of metrics as AWS's "Specification: embedded metric format" wants it, and as contract/metrics.ts
// promises it. What AWS would take and we never write (other units, a resolution of a second) is refused too.
import { z } from 'zod'
import { METRIC_NAMESPACE, METRICS, type MetricName } from './metrics.ts'

const definition = z.strictObject({
  Name: z.enum(Object.keys(METRICS) as [MetricName, ...MetricName[]]),
  Unit: z.enum(['Milliseconds', 'Seconds', 'Count', 'Percent', 'None']),
})
const directive = z.strictObject({
  Namespace: z.literal(METRIC_NAMESPACE),
  Dimensions: z.tuple([z.tuple([z.literal('Stage'), z.literal('Tier')])]),
  Metrics: z.array(definition).min(1).max(100),
})
const line = z.looseObject({
  _aws: z.strictObject({
    Timestamp: z.int().min(1_600_000_000_000).max(4_000_000_000_000),
    CloudWatchMetrics: z.tuple([directive]),
  }),
  Stage: z.string().min(1).max(1024),
  Tier: z.enum(['api', 'web']),
})
/** Of a target member. */
const target = z.union([z.number(), z.array(z.number()).min(1).max(100)])

export interface EmfLine {
  readonly at: number
  readonly stage: string
  readonly tier: 'api' | 'web'
  readonly values: ReadonlyMap<MetricName, readonly number[]>
  /** What else the line says. */
  readonly more: Readonly<Record<string, unknown>>
}

/** @throws Error when a line that has `_aws` does not keep to the specification or to the contract */
export function readEmf(text: string): EmfLine {
  if (Buffer.byteLength(text) > 256 * 1024) throw new Error('longer than an event of the log may be')
  const { _aws, Stage, Tier, ...rest } = line.parse(JSON.parse(text))
  const values = new Map<MetricName, readonly number[]>()
  const more: Record<string, unknown> = { ...rest }
  for (const { Name, Unit } of _aws.CloudWatchMetrics[0].Metrics) {
    if (values.has(Name)) throw new Error(`${Name} is defined twice`)
    const { unit, tiers } = METRICS[Name]
    if (unit !== Unit) throw new Error(`${Name} is in ${Unit}, not in ${unit}`)
    if (!tiers.some((tier) => tier === Tier)) throw new Error(`${Name} is none of ${Tier}`)
    values.set(Name, [target.parse(rest[Name])].flat())
    delete more[Name]
  }
  return { at: _aws.Timestamp, stage: Stage, tier: Tier, values, more }
}

/** The lines of a log that carry metrics. @throws as `readEmf` */
export function emfLines(log: string): EmfLine[] {
  return log
    .split('\n')
    .filter((text) => text.includes('"_aws"'))
    .map(readEmf)
}
