// For tests: what CloudWatch would make of the alarms of a template, given what there is to see.
import { runInNewContext } from 'node:vm'
import type { Template, TemplateResource } from '../cfn.ts'
import { at, list, ofType, property, refersTo } from '../reading.ts'

/** Per metric and statistic (`AnswersFailed Sum`), over some seconds; undefined where nothing was reported. */
export type Seen = (metric: string, statistic: string, seconds: number) => number | undefined

/** CloudWatch's functions, as its reference describes them, for one point in time. */
const MATH = {
  FILL: (value: number | undefined, instead: number) => value ?? instead,
  IF: (condition: boolean, yes: number, no: number) => (condition ? yes : no),
}

/** The number that an alarm of one period looks at; undefined when there is none. */
function numberOf(alarm: TemplateResource, seen: Seen): number | undefined {
  const queries = list(property(alarm, 'Metrics'))
  const values: Record<string, unknown> = {}
  for (const query of queries) {
    const expression = at(query, 'Expression')
    const of = (path: string) => at(query, `MetricStat.${path}`)
    const value: unknown =
      typeof expression === 'string'
        ? runInNewContext(expression, { ...MATH, ...values })
        : seen(String(of('Metric.MetricName')), String(of('Stat')), Number(of('Period')))
    values[String(at(query, 'Id'))] = value
    if (at(query, 'ReturnData') === true) return Number.isFinite(value) ? Number(value) : undefined
  }
  return undefined
}

/** Whether an alarm of metric math is on. */
export function isOn(alarm: TemplateResource | undefined, seen: Seen): boolean {
  if (alarm === undefined) throw new Error('no such alarm')
  const value = numberOf(alarm, seen)
  if (value === undefined) return property(alarm, 'TreatMissingData') === 'breaching'
  return value > Number(property(alarm, 'Threshold'))
}

/** The states of a template that are on, when these single alarms are. */
export function statesOn(template: Template, on: readonly string[]): string[] {
  const states = Object.fromEntries(ofType(template, 'AWS::CloudWatch::CompositeAlarm'))
  const isAlarming = (id: string): boolean => {
    const state = states[id]
    if (state === undefined) return on.includes(id)
    const rule = list(property(state, 'AlarmRule.Fn::Join.1'))
      .map((part) => refersTo(part) ?? part)
      .join('')
    const script = rule.replaceAll(' OR ', ' || ').replaceAll(' AND ', ' && ')
    return runInNewContext(script, { ALARM: isAlarming }) === true
  }
  return Object.keys(states).filter(isAlarming)
}
